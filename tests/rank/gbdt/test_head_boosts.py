"""Boosting of several objectives: shared bins, the first pass of unobserved outcomes, going on after a stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.config.rank import RankSettings
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.gbdt.first_pass import ROWS, LearningRows, first_pass
from shortlist.rank.gbdt.head_boosts import HeadExamples
from shortlist.rank.gbdt.train import Boosting
from shortlist.rank.losses import LOSSES
from shortlist.rank.targets import Head, Target
from support.examples import examples_of

SETTINGS = RankSettings(trees=40, depth=3)
CLICK, BUY = Head("click", "probability", "logistic", None), Head("buy", "probability", "chain", "click")


def target_of(label: NDArray[Any], loss: str = "logistic", observed: float = 1.0) -> Target:
    n = len(label)
    return Target("click", LOSSES[loss], label.astype(np.float64), np.ones(n), np.full(n, observed))


def boosted(features: BinnedFeatures, targets: list[Target], heads: list[Head]) -> bytes:
    """Return the model of these features, with itself as validation."""
    data = BoostingData(features, np.arange(len(features)) // 10, targets)
    return bytes(Boosting(heads, SETTINGS, 0, 1, data, data).boost(8).booster.save_raw("json"))


def test_models_that_share_bins_equal_models_with_bins_of_their_own() -> None:
    """Labels, margins and the number of outputs of the model before leave nothing in the shared matrix."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3_000, 4)).astype(np.float32)
    values[:, 3] = rng.integers(0, 20, 3_000)
    types = ["q", "q", "q", "c"]
    one, two = (target_of(rng.random(3_000) < expit(values[:, at])) for at in (0, 1))
    both = [CLICK, replace(CLICK, name="other")]
    orders = [([one], [CLICK]), ([two], [CLICK]), ([one], [CLICK])]
    shared = BinnedFeatures(values, types)
    assert [boosted(shared, *order) for order in orders] == [
        boosted(BinnedFeatures(values, types), *order) for order in orders
    ]
    numbers = BinnedFeatures(values, ["q"] * 4)
    joint = [one, replace(two, name="other")]
    together = boosted(numbers, joint, both)
    alone = boosted(numbers, [one], [CLICK])
    assert alone == boosted(BinnedFeatures(values, ["q"] * 4), [one], [CLICK])
    assert together == boosted(numbers, joint, both)


def test_rows_are_copied_only_where_a_label_is_unknown() -> None:
    target = target_of(np.array([1, 0, 1]))
    features = BinnedFeatures(np.arange(6, dtype=np.float32).reshape(3, 2), ["q", "q"])
    data = BoostingData(features, np.arange(3), [target])
    assert data.known() is data
    some = replace(
        data, targets=[replace(target, weight=np.array([1.0, 0.0, 2.0]))], parent=np.array([0.1, 0.2, 0.3])
    )
    known = some.known()
    assert known.features.values.tolist() == [[0, 1], [4, 5]]
    assert known.targets[0].weight.tolist() == [1, 2]
    assert known.parent is not None
    assert known.parent.tolist() == [0.1, 0.3]


def learning_rows(n: int, observed: float, seed: int = 0) -> tuple[LearningRows, NDArray[Any], NDArray[Any]]:
    """Return rows with clicks and purchases after them, and the probabilities of both."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3)).astype(np.float32)
    click, both = expit(values[:, 0] - 1), expit(values[:, 0] - 1) * expit(values[:, 1])
    clicked = rng.random(n) < click
    bought = clicked & (rng.random(n) < expit(values[:, 1]))
    targets = {
        "click": target_of(clicked),
        "buy": replace(target_of(bought & (rng.random(n) < observed), "chain", observed), name="buy"),
    }
    return LearningRows(BinnedFeatures(values, ["q"] * 3), np.arange(n) // 10, targets), click, both


def test_the_first_pass_estimates_true_probabilities_for_every_row() -> None:
    """Half of the purchases were not observed; the estimate is that of all, on more rows than it is fitted to.

    It is a little low, because its own weights take the base rate for the probability of every row.
    """
    rows, click, both = learning_rows(ROWS + 5_000, observed=0.5)
    held, held_click, held_both = learning_rows(4_000, 0.5, seed=1)
    chances = first_pass([CLICK, BUY], (rows, held), RankSettings(depth=3), 0, 1)
    assert set(chances) == {"click", "buy"}  # buy requires click
    for name, truths in (("click", (click, held_click)), ("buy", (both, held_both))):
        for estimate, truth in zip(chances[name], truths, strict=True):
            assert estimate.shape == truth.shape
            assert float(estimate.mean()) == pytest.approx(float(truth.mean()), rel=0.1)
            assert np.corrcoef(estimate, truth)[0, 1] > 0.97


def test_there_is_no_first_pass_where_every_outcome_was_observed() -> None:
    rows, *_ = learning_rows(200, observed=1.0)
    assert first_pass([CLICK, BUY], (rows, rows), SETTINGS, 0, 1) == {}


def test_the_estimate_sets_the_weights_of_unobserved_negatives() -> None:
    """An observed negative is a true one with probability (1 − p) / (1 − p · observed)."""
    target = replace(target_of(np.array([1.0, 0.0]), observed=0.5), chance=np.array([0.3, 0.4], np.float32))
    assert target.weighted().tolist() == pytest.approx([2.0, 0.6 / 0.8])
    assert target.weighted(0.2).tolist() == pytest.approx([2.0, 0.8 / 0.9])


def test_gradients_in_float32_are_those_of_the_losses() -> None:
    """Of two objectives of one model, of which one requires the other; weights and scales are factors."""
    rows, *_ = learning_rows(500, observed=0.5)
    targets = list(rows.targets.values())
    data = BoostingData(rows.features, rows.request, targets)
    boosting = Boosting([CLICK, BUY], SETTINGS, 0, 1, data, data)
    margins = np.random.default_rng(2).normal(size=(500, 2)).astype(np.float32)
    weights = np.stack([t.weighted() for t in targets], 1)
    job, _ = boosting.job(8)
    assert job.validation is not None
    scales = job.scales
    assert (scales > 0).all()
    assert scales[0] != scales[1]
    first, second = job.gradient()(margins, rows.features.matrix)
    exact = margins.astype(np.float64)
    parents, value = (np.ones(1), expit(exact[:, 0])), job.loss(margins, job.validation)
    expected = 0.0
    for at, (target, parent) in enumerate(zip(targets, parents, strict=True)):
        g, h = target.loss.gradient(exact[:, at], target.label, parent)
        factor = weights[:, at] * scales[at]
        np.testing.assert_allclose(first[:, at], g * factor, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(second[:, at], h * factor, rtol=1e-3, atol=1e-5)
        losses = target.loss.loss(exact[:, at], target.label, parent)
        expected += scales[at] * float(np.average(losses, weights=weights[:, at]))
    assert value == pytest.approx(expected, rel=1e-6)
    assert first.dtype == second.dtype == np.float32


def test_a_sample_has_whole_requests_with_their_own_rows() -> None:
    n = 4_000
    known = np.where(np.arange(n) % 2 == 0, 0.5, 1.0)  # half of the outcomes may have come unseen
    part = examples_of(
        np.arange(2 * n).reshape(n, 2) % 977, {"click": np.arange(n) % 5 == 0}, {"click": known}, each=8
    )
    examples = HeadExamples.of([CLICK], part, part, SETTINGS, 0, 1)
    assert examples.sample(3_000) is examples, "a little less would save nothing"
    some = examples.sample(800)
    for side, own in enumerate(some.sets):
        rows = np.flatnonzero(np.isin(part.request, own.request))
        assert 400 < len(rows) < 1_600
        np.testing.assert_array_equal(own.matrix, part.matrix[rows])
        np.testing.assert_array_equal(own.labels["click"], part.labels["click"][rows])
        np.testing.assert_array_equal(some.features[side].values, part.matrix[rows])
        np.testing.assert_array_equal(some.chances["click"][side], examples.chances["click"][side][rows])

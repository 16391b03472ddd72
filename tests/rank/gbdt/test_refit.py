"""The trees grown once more on the ranker's window and the validation slice (`rank.refit`)."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.training_set import TrainingSet

OBJECTIVES = {
    "click": Objective(events=["click"]),
    "buy": Objective(events=["buy"], given="click"),
    "seconds": Objective(kind="amount", events=["play"]),
}
WINDOW, SLICE = 900, 400


def examples(seed: int, n: int, signals: int = 1, seen: float = 1.0) -> TrainingSet:
    """Clicks that depend on the first of four numbers; purchases and seconds follow clicks. seen: share of the outcomes that have arrived."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, 4)).astype(np.float32)
    click = (rng.random(n) < 1 / (1 + np.exp(-2 * matrix[:, :signals].sum(1)))).astype(np.float32)
    labels = {
        "click": click,
        "buy": click * (rng.random(n) < 0.5),
        "seconds": click * np.exp(matrix[:, 3]),
    }
    arrived = {name: np.full(n, seen) for name in labels}
    columns = [f"source_{i}" for i in range(4)]
    request = 7 + np.arange(n) // 10
    weights = rng.uniform(1, 2, n).astype(np.float32)
    some = np.ones(n), np.ones(n, bool), ("one", "two")
    return TrainingSet(matrix, labels, weights, request, columns, ["q"] * 4, arrived, *some)


def test_joined_examples_are_one_after_the_other_with_requests_of_their_own() -> None:
    first, later = examples(0, 30), examples(1, 20)
    joined = first.joined(later)
    assert len(joined) == 50
    np.testing.assert_array_equal(joined.request, np.repeat([7, 8, 9, 17, 18], 10))
    np.testing.assert_array_equal(joined.matrix[30:], later.matrix)
    for name in OBJECTIVES:
        np.testing.assert_array_equal(joined.labels[name], [*first.labels[name], *later.labels[name]])
    np.testing.assert_array_equal(joined.some(np.arange(30)).weights, first.weights)


@pytest.mark.parametrize(
    ("heads", "inputs", "seen"),
    [("separate", "all", 1.0), ("joint", "all", 1.0), ("separate", "sources", 1.0), ("separate", "all", 0.6)],
)
def test_a_refit_has_as_many_trees_on_all_rows_and_keeps_the_calibration(
    heads: str, inputs: str, seen: float
) -> None:
    settings = RankSettings(trees=12, depth=3, heads=heads, inputs=inputs)
    window, held = examples(0, WINDOW, seen=seen), examples(1, SLICE, seen=seen)
    fitted = GBDTRanker(settings, OBJECTIVES).fit(window, held)
    before = fitted.predict(held.matrix)
    again = fitted.refitted(window, held)
    np.testing.assert_array_equal(fitted.predict(held.matrix), before)
    assert again.calibration_ == fitted.calibration_
    assert again.heads_ == fitted.heads_
    sizes = [
        [model.load_booster().num_boosted_rounds() for model in one.ensemble_.models]
        for one in (fitted, again)
    ]
    assert sizes[0] == sizes[1]
    assert np.abs(again.predict(held.matrix) - before).max() > 1e-3


def test_a_refit_equals_a_fit_on_all_rows_with_the_number_of_trees_given() -> None:
    window, held = examples(0, WINDOW), examples(1, SLICE)
    objectives = {"click": OBJECTIVES["click"]}
    fitted = GBDTRanker(RankSettings(trees=300, depth=4), objectives).fit(window, held)
    [model] = fitted.ensemble_.models
    trees = model.load_booster().num_boosted_rounds()
    assert trees < 300, "early stopping has chosen"
    few = held.some(np.arange(10))  # too few to stop early
    whole = GBDTRanker(RankSettings(trees=trees, depth=4), objectives).fit(window.joined(held), few)
    rows = examples(2, 50).matrix
    again = fitted.refitted(window, held)
    np.testing.assert_array_equal(again.ensemble_.raw(rows)["click"], whole.ensemble_.raw(rows)["click"])
    calibrated = fitted.calibration_["click"](again.ensemble_.raw(rows)["click"])
    np.testing.assert_array_equal(again.predict(rows)[:, 0], calibrated)


def test_a_refit_knows_what_only_the_slice_shows() -> None:
    window, held, later = (examples(seed, WINDOW, signals) for seed, signals in ((0, 1), (1, 2), (2, 2)))
    objectives = {"click": OBJECTIVES["click"]}
    fitted = GBDTRanker(RankSettings(trees=40, depth=3), objectives).fit(window, held)
    new = later.matrix[:, 1]
    follows = [
        np.corrcoef(one.ensemble_.raw(later.matrix)["click"], new)[0, 1]
        for one in (fitted, fitted.refitted(window, held))
    ]
    assert abs(follows[0]) < 0.1
    assert follows[1] > 0.2


def test_a_refit_begins_from_the_trees_of_an_earlier_ranker() -> None:
    settings = RankSettings(trees=12, depth=3, heads="separate")
    sets = examples(0, WINDOW), examples(1, SLICE)
    earlier = GBDTRanker(settings, OBJECTIVES).fit(*sets)
    fitted = GBDTRanker(settings, OBJECTIVES).fit(*sets, None, earlier)
    again = fitted.refitted(*sets, None, earlier)
    for old, first, new in zip(
        earlier.ensemble_.models, fitted.ensemble_.models, again.ensemble_.models, strict=True
    ):
        trees = [one.load_booster().num_boosted_rounds() for one in (old, first, new)]
        assert trees[0] < trees[1] == trees[2]
        kept = new.load_booster()[: trees[0]]
        assert kept.get_dump() == old.load_booster().get_dump()

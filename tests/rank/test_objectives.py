"""Objectives: chains over the whole space, outcomes that come late, slots that nobody looks at, losses, heads, weighing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError, ProjectError, RequestError
from shortlist.metrics.prediction import expected_calibration_error
from shortlist.rank.censoring import observation_weights, share_arrived
from shortlist.rank.gbdt.losses import LOSSES
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.profile import profile_of, stability
from shortlist.rank.propensity import estimate_examination
from shortlist.rank.training_set import TrainingSet
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_guard_rails
from shortlist.simulate.movies import make_movies
from shortlist.simulate.video import EXAMINATION, make_video


def examples_of(
    matrix: np.ndarray,
    labels: dict[str, np.ndarray],
    arrived: dict[str, np.ndarray] | None = None,
    examined: np.ndarray | None = None,
    types: list[str] | None = None,
    each: int = 10,
) -> TrainingSet:
    n = len(matrix)
    return TrainingSet(
        matrix.astype(np.float32),
        {name: label.astype(np.float32) for name, label in labels.items()},
        np.ones(n, np.float32),
        np.arange(n) // each,
        [f"f{i}" for i in range(matrix.shape[1])],
        types or ["q"] * matrix.shape[1],
        arrived or {name: np.ones(n) for name in labels},
        np.ones(n) if examined is None else examined,
    )


def ranker_of(objectives: dict[str, dict[str, Any]], **rank: Any) -> GBDTRanker:
    project = parse_project(
        {
            "objectives": {name: {"events": ["event"], **o} for name, o in objectives.items()},
            "rank": {"trees": 120, **rank},
        }
    )
    return GBDTRanker(project.rank, project.objectives, project.seed)


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("name", list(LOSSES))
@given(st.floats(-3, 3), st.floats(0, 4), st.floats(0.05, 0.95))
def test_gradients_are_of_the_loss(name: str, margin: float, label: float, first: float) -> None:
    loss = LOSSES[name]
    if name in {"logistic", "listwise", "chain"}:
        label = float(label > 2)
    y, p = np.array([label]), np.array([first])
    off = check_grad(
        lambda m: float(loss.loss(m, y, p)[0]), lambda m: loss.gradient(m, y, p)[0], np.array([margin])
    )
    assert off < 1e-3
    assert loss.gradient(np.array([margin]), y, p)[1][0] > 0


@pytest.mark.parametrize(
    ("name", "label"),
    [("tweedie", [0.0, 0.0, 6.0]), ("weighted_logistic", [0.0, 0.0, 6.0]), ("squared", [1.0, 2.0, 6.0])],
)
def test_the_best_constant_predicts_the_mean(name: str, label: list[float]) -> None:
    """So that an amount means what it says: odds included (Covington et al. count clicks as positives only)."""
    loss, y, none = LOSSES[name], np.array(label), np.ones(1)
    margins = np.linspace(-3, 7, 20_001)
    total = sum(loss.loss(margins, np.full(len(margins), v), none) for v in y)
    assert loss.value(margins[[int(np.argmin(total))]], none)[0] == pytest.approx(y.mean(), rel=1e-3)


def test_amounts_of_both_kinds_find_the_expected_amount() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12_000, 3))
    expected = expit(x[:, 0] - 1) * np.exp(3 + 0.7 * x[:, 1])
    label = np.where(
        rng.random(len(x)) < expit(x[:, 0] - 1), np.exp(3 + 0.7 * x[:, 1]) * rng.gamma(4, 0.25, len(x)), 0
    )
    train, held = (examples_of(x[part], {"s": label[part]}) for part in (slice(0, 9_000), slice(9_000, None)))
    for loss in ("tweedie", "weighted_logistic"):
        found = ranker_of({"s": {"kind": "amount", "loss": loss}}).fit(train, held).predict(held.matrix)[:, 0]
        assert np.corrcoef(np.log(found), np.log(expected[9_000:]))[0, 1] > 0.9, loss
        assert found.mean() == pytest.approx(expected[9_000:].mean(), rel=0.15)


# ---------------------------------------------------------------- chains


def test_a_chain_learns_purchases_over_all_that_was_shown() -> None:
    """Clicks are selective: among clicked items one feature means little that matters among all. The chain is calibrated
    on everything shown; a model of clicked items only, multiplied, is not."""
    rng = np.random.default_rng(1)
    n = 60_000
    x = rng.normal(size=(n, 3))
    hidden = rng.normal(size=n)  # what people see and no feature knows: it drives both steps
    click = rng.random(n) < expit(1.5 * x[:, 0] + 1.5 * hidden - 2)
    buy = click & (rng.random(n) < expit(1.0 * x[:, 1] + 1.5 * hidden - 1.5))
    cut = 28_000
    parts = [
        examples_of(x[p], {"click": click[p], "buy": buy[p]})
        for p in (slice(0, cut), slice(cut, cut + 6_000))
    ]
    chain = ranker_of({"click": {}, "buy": {"given": "click"}}, calibration="platt").fit(*parts)
    test = slice(cut + 6_000, None)
    predicted = chain.predict(x[test].astype(np.float32))
    one = np.ones(len(predicted))
    assert (predicted[:, 1] <= predicted[:, 0]).all()
    assert expected_calibration_error(predicted[:, 1], buy[test].astype(float), one) < 0.012
    # the naive way: chance of a click at its mean times a model of clicked items asked about all of them
    only = [
        examples_of(x[p][click[p]], {"buy": buy[p][click[p]]})
        for p in (slice(0, cut), slice(cut, cut + 6_000))
    ]
    naive = ranker_of({"buy": {}}).fit(*only).predict(x[test].astype(np.float32))[:, 0]
    assert naive.mean() > 2.5 * buy[test].mean()  # what a clicked item is worth, said of any item
    for heads in ("joint", "separate"):
        both = ranker_of({"click": {}, "buy": {"given": "click"}}, heads=heads).fit(*parts)
        auc = _auc(both.predict(x[test].astype(np.float32))[:, 1], buy[test])
        assert auc > 0.7, heads


def _auc(score: np.ndarray, yes: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(yes, score))


@pytest.mark.parametrize(
    ("objectives", "words"),
    [
        ({"a": {"events": ["e"], "given": "b"}}, "must be another objective of kind probability"),
        (
            {"a": {"events": ["e"], "given": "b"}, "b": {"events": ["e"], "given": "a"}},
            "circular dependency: a → b → a",
        ),
        (
            {"a": {"events": ["e"]}, "b": {"events": ["e"], "kind": "amount", "given": "a"}},
            "given requires kind = 'probability'",
        ),
        ({"a": {"events": ["e"], "loss": "tweedie"}}, "is not for a probability"),
        ({"a": {"events": ["e"], "weight": 0}}, "every objective has weight 0"),
    ],
)
def test_impossible_objectives(objectives: dict[str, Any], words: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_project({"objectives": objectives})
    assert words in str(error.value)


def test_an_objective_without_any_positive_is_named() -> None:
    x = np.zeros((40, 2))
    nothing = examples_of(x, {"a": np.zeros(40)})
    with pytest.raises(DataError, match=r"objectives\.a: no example"):
        ranker_of({"a": {}}).fit(nothing, nothing)


# ---------------------------------------------------------------- late outcomes


def test_delays_are_estimated_from_what_was_cut_short() -> None:
    """Exponential delays of mean 1, seen for 0.2 to 3: the naive share is far too high, Lynden-Bell's is right."""
    rng = np.random.default_rng(2)
    delay, waited = rng.exponential(1000, 60_000), rng.uniform(200, 3000, 60_000)
    came = delay <= waited
    found = share_arrived(
        delay[came].astype(np.int64), waited[came].astype(np.int64), np.array([500, 1000, 2000, 3000])
    )
    truth = (1 - np.exp(-np.array([0.5, 1, 2, 3]))) / (1 - np.exp(-3))
    np.testing.assert_allclose(found, truth, atol=0.03)
    naive = (delay[came] <= 500).mean()
    assert naive - truth[0] > 0.08
    assert share_arrived(np.array([1]), np.array([2]), np.array([1])).tolist() == [1]  # too few to say


def test_late_outcomes_do_not_bias_the_prediction() -> None:
    rng = np.random.default_rng(3)
    n = 30_000
    x = rng.normal(size=(n, 2))
    chance = expit(x[:, 0] - 1)
    outcome = rng.random(n) < chance
    arrived = rng.choice([0.2, 0.6, 1.0], n)  # how much of the window had passed
    seen = outcome & (rng.random(n) < arrived)
    test = slice(24_000, None)

    def trained(weighted: bool) -> np.ndarray:
        parts = [
            examples_of(x[p], {"a": seen[p]}, {"a": arrived[p] if weighted else np.ones(len(x[p]))})
            for p in (slice(0, 18_000), slice(18_000, 24_000))
        ]
        return ranker_of({"a": {}}).fit(*parts).predict(x[test].astype(np.float32))[:, 0]

    assert trained(True).mean() == pytest.approx(chance[test].mean(), rel=0.05)
    assert trained(False).mean() < 0.75 * chance[test].mean()


@given(st.floats(0.1, 1), st.floats(0.01, 0.9))
def test_weights_keep_the_books(seen: float, p: float) -> None:
    """Of N rows with chance p, the weighted positives come to N·p and the weighted negatives to N·(1 − p)."""
    yes, no = observation_weights(np.array([1.0, 0.0]), np.array([seen, seen]), p)
    assert p * seen * yes == pytest.approx(p)
    assert (1 - p * seen) * no == pytest.approx(1 - p)


# ---------------------------------------------------------------- position


@pytest.fixture(scope="module")
def video() -> Any:
    return make_video(users=3_000, items=800, sessions=70_000, days=20, seed=5)


def test_examination_is_recovered_within_a_tenth(video: Any) -> None:
    dataset = video.dataset()
    found = estimate_examination(dataset, dataset.project.objectives["click"])
    assert found.method == "swaps"
    assert len(found.share) == len(EXAMINATION)
    np.testing.assert_allclose(found.share, EXAMINATION, rtol=0.1)
    assert ((found.low <= EXAMINATION * 1.02) & (found.high >= EXAMINATION * 0.98)).mean() >= 0.75


def test_harvest_finds_it_without_propensities() -> None:
    """Two engines order the same items differently; nobody wrote down how."""
    rng = np.random.default_rng(6)
    n, items, slots = 60_000, 12, 6
    quality = np.linspace(0.05, 0.5, items)
    orders = [np.argsort(-quality + rng.normal(0, 0.25, items))[:slots] for _ in range(8)]
    which = rng.integers(0, 8, n)
    shown = np.array(orders)[which]
    truth = 1 / (1 + 0.5 * np.arange(slots))
    click = rng.random((n, slots)) < quality[shown] * truth
    dataset = _log(shown, click)
    found = estimate_examination(dataset, dataset.project.objectives["click"])
    assert found.method == "harvest"
    np.testing.assert_allclose(found.share, truth, rtol=0.1)
    # the naive curve mistakes good items for good slots
    naive = click.mean(0) / click.mean(0)[0]
    assert np.abs(naive / truth - 1).max() > 0.15


def test_slates_that_were_certain_are_no_experiment() -> None:
    """Half of the log is drawn, half is one engine's best first: of the latter, lower slots look darker than they are."""
    rng = np.random.default_rng(8)
    n, items, slots = 30_000, 12, 6
    quality = np.linspace(0.05, 0.5, items)
    truth = 1 / (1 + 0.3 * np.arange(slots))
    drawn = np.argsort(-(np.log(quality) + rng.gumbel(size=(n, items))), axis=1)[:, :slots]
    left = 1 - np.cumsum(np.pad(quality[drawn] / quality.sum(), ((0, 0), (1, 0)))[:, :-1], axis=1)
    chance = quality[drawn] / quality.sum() / left
    certain = np.tile(np.argsort(-quality)[:slots], (n, 1))
    shown = np.concatenate([drawn, certain])
    click = rng.random(shown.shape) < quality[shown] * truth
    for propensity in (
        np.concatenate([chance, np.ones((n, slots))]),
        np.pad(chance, ((0, n), (0, 0)), constant_values=np.nan),
    ):
        dataset = _log(shown, click, propensity)
        found = estimate_examination(dataset, dataset.project.objectives["click"])
        assert found.method == "swaps"
        np.testing.assert_allclose(found.share, truth, rtol=0.12)
    # where all of it was certain, items in several slots are what is left to compare
    alone = _log(certain, click[n:], np.ones((n, slots)))
    assert estimate_examination(alone, alone.project.objectives["click"]).method == "harvest"


def _log(shown: np.ndarray, click: np.ndarray, propensity: np.ndarray | None = None) -> Dataset:
    import pyarrow as pa

    n, slots = shown.shape
    row, slot = np.divmod(np.arange(n * slots), slots)
    at = np.flatnonzero(click.ravel())
    time = 1_700_000_000 + row * 60
    events = pa.table(
        {
            "user_id": np.concatenate([row, row[at]]),
            "item_id": np.concatenate([shown.ravel(), shown.ravel()[at]]),
            "timestamp": np.concatenate([time, time[at] + 5]),
            "kind": ["impression"] * (n * slots) + ["click"] * len(at),
            "position": np.concatenate([slot, np.full(len(at), -1)]),
        }
    )
    columns = {"timestamp": "timestamp", "kind": "kind", "position": "position"}
    if propensity is not None:
        none = np.full(len(at), np.nan)
        chance = np.concatenate([propensity.ravel(), none])
        events = events.append_column("slate", [np.concatenate([row, np.full(len(at), -1)])])
        events = events.append_column("propensity", pa.array(chance, from_pandas=True))
        columns |= {"slate": "slate", "propensity": "propensity"}
    project = parse_project(
        {"data": {"columns": columns}, "objectives": {"click": {"events": ["click"], "window": "30s"}}}
    )
    return Dataset.from_frames(events, None, None, project)


def test_weights_for_position_rank_better() -> None:
    """An old engine put items in order of a feature that means nothing. Without weights the ranker takes it for quality."""
    rng = np.random.default_rng(7)
    n, slots = 4_000, 10
    x = rng.normal(size=(n, slots, 3))
    x = np.take_along_axis(
        x, np.argsort(-x[:, :, 1] + rng.normal(0, 0.5, (n, slots)), axis=1)[:, :, None], axis=1
    )
    wanted = expit(1.2 * x[:, :, 0] - 1.5)
    share = 1 / (1 + np.arange(slots))
    click = rng.random((n, slots)) < wanted * share
    flat, examined = x.reshape(-1, 3), np.tile(share, n)
    cut = 3_000 * slots
    test = slice(3_500 * slots, None)
    scores = {}
    for weights in (False, True):
        parts = [
            examples_of(flat[p], {"click": click.ravel()[p]}, None, examined[p])
            for p in (slice(0, cut), slice(cut, 3_500 * slots))
        ]
        ranker = ranker_of(
            {"click": {}}, examples="impressions", position_bias="weights" if weights else "none"
        ).fit(*parts)
        predicted = ranker.predict(flat[test].astype(np.float32))[:, 0]
        scores[weights] = np.corrcoef(predicted, wanted.ravel()[test])[0, 1]
        if weights:  # and it predicts what the top slot would bring
            assert predicted.mean() == pytest.approx(wanted.ravel()[test].mean(), rel=0.1)
    assert scores[True] > scores[False] + 0.1
    assert scores[True] > 0.9


# ---------------------------------------------------------------- heads, lists, warm starts


def test_joint_heads_are_as_good_and_save_and_load(tmp_path: Any) -> None:
    rng = np.random.default_rng(8)
    n = 16_000
    x = rng.normal(size=(n, 5))
    x[:, 4] = rng.integers(0, 30, n)
    effect = rng.normal(size=30)[x[:, 4].astype(int)]
    chance = expit(x[:, 0] + effect - 1)
    yes = rng.random(n) < chance
    stars = np.where(yes, 3 + x[:, 1] + effect + rng.normal(size=n), np.nan)
    parts = [
        examples_of(x[p], {"yes": yes[p], "stars": stars[p]}, types=["q"] * 4 + ["c"])
        for p in (slice(0, 10_000), slice(10_000, 13_000))
    ]
    test = x[13_000:].astype(np.float32)
    found = {}
    for heads in ("joint", "separate"):
        ranker = ranker_of({"yes": {}, "stars": {"kind": "grade"}}, heads=heads).fit(*parts)
        predicted = ranker.predict(test)
        found[heads] = _auc(predicted[:, 0], yes[13_000:])
        assert np.corrcoef(predicted[:, 1], (3 + x[:, 1] + effect)[13_000:])[0, 1] > 0.9, heads
        ranker.save(tmp_path / heads)
        again = GBDTRanker.load(tmp_path / heads, ranker.settings, ranker.objectives)
        np.testing.assert_array_equal(predicted, again.predict(test))
        unseen = test.copy()
        unseen[:, 4] = 99  # a category that came after training
        assert np.isfinite(ranker.predict(unseen)).all()
    assert abs(found["joint"] - found["separate"]) < 0.02
    auto = ranker_of({"yes": {}, "stars": {"kind": "grade"}}).fit(*parts)
    assert set(auto.explained_) == {"joint", "separate"}
    assert all(0.05 < share < 1 for shares in auto.explained_.values() for share in shares.values())
    auto.save(tmp_path / "auto")
    again = GBDTRanker.load(tmp_path / "auto", auto.settings, auto.objectives)
    assert again.heads_ == auto.heads_ in {"joint", "separate"}
    np.testing.assert_array_equal(auto.predict(test), again.predict(test))


def test_listwise_orders_and_is_calibrated() -> None:
    rng = np.random.default_rng(9)
    n = 12_000
    x = rng.normal(size=(n, 3))
    chance = expit(1.5 * x[:, 0] - 1)
    yes = rng.random(n) < chance
    parts = [examples_of(x[p], {"yes": yes[p]}) for p in (slice(0, 8_000), slice(8_000, 10_000))]
    predicted = (
        ranker_of({"yes": {"loss": "listwise"}}).fit(*parts).predict(x[10_000:].astype(np.float32))[:, 0]
    )
    assert _auc(predicted, yes[10_000:]) > 0.78
    assert expected_calibration_error(predicted, yes[10_000:].astype(float), np.ones(2_000)) < 0.05


def test_a_ranker_goes_on_from_an_earlier_one() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(6_000, 3))
    yes = rng.random(6_000) < expit(x[:, 0])
    parts = [examples_of(x[p], {"yes": yes[p]}) for p in (slice(0, 4_000), slice(4_000, 6_000))]
    first = ranker_of({"yes": {}}, trees=30).fit(*parts)
    second = ranker_of({"yes": {}}, trees=30).fit(*parts, earlier=first)
    assert len(second.ensemble_.models[0].forest.roots) >= len(first.ensemble_.models[0].forest.roots)
    assert (
        np.corrcoef(first.predict(parts[1].matrix)[:, 0], second.predict(parts[1].matrix)[:, 0])[0, 1] > 0.98
    )
    other = ranker_of({"no": {}}, trees=30)  # other objectives: begun anew
    assert other.fit(
        *(replace(p, labels={"no": p.labels["yes"]}, arrived={"no": p.arrived["yes"]}) for p in parts)
    ).ensemble_.models


# ---------------------------------------------------------------- weighing


def test_product_needs_all_objectives_to_be_good() -> None:
    predictions = np.array([[0.5, 1.0], [0.05, 30.0], [0.3, 9.0]], np.float32)
    scales = np.array([0.1, 10.0])
    by_sum = UtilityWeights(np.array([1.0, 2.0]), scales).utility(predictions)
    by_product = UtilityWeights(np.array([1.0, 1.0]), scales, "product").utility(predictions)
    assert np.argmax(by_sum) == 1
    np.testing.assert_allclose(by_product, [5 * 0.1, 0.5 * 3, 3 * 0.9], rtol=1e-5)
    assert np.argmax(by_product) == 2


@given(st.integers(0, 2**31), st.floats(0.0, 0.9), st.integers(1, 20))
def test_a_guard_rail_holds_wherever_it_can(seed: int, least: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.random((60, 2)).astype(np.float32)
    wish = UtilityWeights(np.array([1.0, 0.0]), np.array([0.5, 0.5]), "sum", ((1, least),))
    utility = wish.utility(predictions)
    order = np.argsort(-wish.guarded(utility, predictions, n), kind="stable")[:n]
    possible = np.sort(predictions[:, 1])[::-1][:n].mean()
    reached = predictions[order, 1].mean()
    assert reached >= min(least, possible) - 1e-6
    free = np.argsort(-utility, kind="stable")[:n]
    if predictions[free, 1].mean() >= least:  # nothing to pay for
        assert set(order.tolist()) == set(free.tolist())


def test_two_guard_rails_at_once() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.random((200, 3)).astype(np.float32)
    wish = UtilityWeights(np.array([1.0, 0.0, 0.0]), np.full(3, 0.5), "sum", ((1, 0.6), (2, 0.6)))
    order = np.argsort(-wish.guarded(wish.utility(predictions), predictions, 10), kind="stable")[:10]
    assert (predictions[order].mean(0)[1:] >= 0.6 - 1e-6).all()
    assert predictions[order, 0].mean() > 0.5


def test_requests_for_weighing_are_checked() -> None:
    assert resolve_guard_rails({"b": 0.2}, {}, ["a", "b"]) == ((1, 0.2),)
    assert resolve_guard_rails(None, {"a": 0.1}, ["a", "b"]) == ((0, 0.1),)
    for call in (
        lambda: resolve_guard_rails({"c": 1.0}, {}, ["a"]),
        lambda: resolve_guard_rails({"a": float("nan")}, {}, ["a"]),
        lambda: resolve_combine("max", "sum"),
    ):
        with pytest.raises(RequestError):
            call()


def test_guard_rails_reach_a_slate(recommender: Any) -> None:
    free = recommender.recommend(user="u00001", n=5)
    rating = np.mean([r.predictions["rating"] for r in free])
    asked = float(rating) + 0.2
    held = recommender.recommend(user="u00001", n=5, at_least={"rating": asked})
    assert held.guard_rails["rating"]["asked"] == asked
    assert held.guard_rails["rating"]["reached"] > rating
    assert free.guard_rails == {}
    product = recommender.recommend(user="u00001", n=5, combine="product")
    assert len(product) == 5
    assert product.items[0].score > 0


# ---------------------------------------------------------------- profile


def leaky(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, 3))
    yes = rng.random(n) < expit(1.5 * x[:, 0] - 1)
    return x, yes


def test_a_leak_is_named_and_honest_features_are_not() -> None:
    rng = np.random.default_rng(11)
    x, yes = leaky(rng, 8_000)
    honest = profile_of(examples_of(x, {"yes": yes}))
    assert honest.suspects() == []
    assert 0.7 < honest.auc["yes"]["f0"] < 0.9
    assert honest.auc["yes"]["f1"] == pytest.approx(0.5, abs=0.05)
    plants: dict[str, Callable[[], np.ndarray]] = {
        "copy": lambda: yes + rng.normal(0, 0.05, len(yes)),
        "missing": lambda: np.where(yes, 1.0, np.nan),  # written only where the answer is yes
        "rare": lambda: np.where(yes, 7.0, rng.integers(0, 6, len(yes))),
    }
    for name, plant in plants.items():
        x[:, 2] = plant()
        found = profile_of(examples_of(x, {"yes": yes})).suspects()
        assert [(f, o) for f, o, _ in found] == [("f2", "yes")], name


def test_drift_is_measured() -> None:
    rng = np.random.default_rng(12)
    x, yes = leaky(rng, 8_000)
    profile = profile_of(examples_of(x, {"yes": yes}))
    same = profile.drift(rng.normal(size=(4_000, 3)).astype(np.float32), ["f0", "f1", "f2"])
    assert max(same.values()) < 0.02
    moved = rng.normal(size=(4_000, 3)).astype(np.float32)
    moved[:, 1] += 1
    moved[rng.random(4_000) < 0.4, 2] = np.nan
    drift = profile.drift(moved, ["f0", "f1", "f2"])
    assert drift["f0"] < 0.02
    assert drift["f1"] > 0.25
    assert drift["f2"] > 0.25
    assert stability(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert stability(np.array([0.5, 0.5]), np.array([0.75, 0.25])) == pytest.approx(0.25 * np.log(3))


def test_worlds_repeat_and_the_video_world_has_its_conflict() -> None:
    for make in (make_movies, make_video):
        small = {"users": 200, "items": 150, "sessions": 500, "days": 10, "seed": 4}
        assert make(**small).events.equals(make(**small).events)
    world = make_video(users=400, items=600, sessions=500, days=10)
    who, what = np.repeat(np.arange(400), 600), np.tile(np.arange(600), 400)
    click, seconds = (world.truths[o](who, what).reshape(400, 600) for o in ("click", "seconds"))
    bait = np.array(
        [
            t.startswith(("You won't", "Gone", "They don't", "Number 7", "Must"))
            for t in world.items["title"].to_pylist()
        ]
    )
    per_click = seconds / click
    assert click[:, bait].mean() > 1.5 * click[:, ~bait].mean()
    assert per_click[:, bait].mean() < 0.5 * per_click[:, ~bait].mean()

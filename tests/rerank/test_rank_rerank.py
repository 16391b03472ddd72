"""Labels, leaks, calibration, utility, and the re-rankers, which permute or select and never invent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shortlist.config.objectives import Objective
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.data.split import stage_cuts
from shortlist.data.times import NO_TIME
from shortlist.errors import LeakError, RequestError
from shortlist.features.feature_set import FeatureSet
from shortlist.metrics.prediction import expected_calibration_error
from shortlist.rank.calibration import fit_calibration
from shortlist.rank.labels import labels
from shortlist.rank.training_set import ExampleSettings, TrainingSet, Window, make_training_set
from shortlist.rank.utility import UtilityWeights, resolve_weights
from shortlist.recommender import Recommender
from shortlist.rerank.exposure import cap_exposure
from shortlist.rerank.filters import allowed_items
from shortlist.rerank.freshness import boost_fresh
from shortlist.rerank.mmr import mmr
from shortlist.retrieve import Popular


def log_of(rows: list[tuple[int, int, int, float]]) -> Log:
    user, item, time, value = (np.array(c) for c in zip(*rows, strict=True))
    n = len(rows)
    return Log(
        ["play"],
        user.astype(np.int32),
        item.astype(np.int32),
        time.astype(np.int64),
        np.zeros(n, np.int16),
        value.astype(np.float32),
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int16),
        np.full(n, np.nan, np.float32),
    )


LOG = log_of([(0, 0, 1_000, 2.0), (0, 0, 5_000, 4.0), (0, 1, 90_000, 1.0), (1, 0, 2_000, 5.0)])


def test_labels_by_hand() -> None:
    users, items, moments = (
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 0, 1, 0, 1]),
        np.array([500, 1_000, 500, 2_500, 0]),
    )
    minute = {"events": ["play"], "window": "1m"}
    assert labels(LOG, Objective(**minute), users, items, moments).tolist() == [1, 1, 0, 0, 0]
    assert labels(LOG, Objective(kind="amount", **minute), users, items, moments).tolist() == [6, 4, 0, 0, 0]
    grades = labels(LOG, Objective(kind="grade", **minute), users, items, moments)
    assert grades[:2].tolist() == [2, 4]
    assert np.isnan(grades[2:]).all()
    assert labels(
        LOG, Objective(events=["play"], window="1m", at_least=3.0), users, items, moments
    ).tolist() == [1, 1, 0, 0, 0]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 100), st.integers(1, 5)),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(-5, 105),
)
def test_labels_against_a_loop(
    rows: list[tuple[int, int, int, int]], user: int, item: int, moment: int
) -> None:
    rows = sorted(rows, key=lambda r: r[2])
    log = log_of([(u, i, t * 1000, float(v)) for u, i, t, v in rows])
    followed = [v for u, i, t, v in rows if (u, i) == (user, item) and moment < t <= moment + 30]
    ask = np.array([user]), np.array([item]), np.array([moment * 1000])
    assert labels(log, Objective(events=["play"], window="30s"), *ask)[0] == float(bool(followed))
    assert labels(log, Objective(kind="amount", events=["play"], window="30s"), *ask)[0] == sum(followed)


def test_a_leak_is_an_error(dataset: Dataset, project: Project, recommender: Recommender) -> None:
    cuts = stage_cuts(dataset.log, project.evaluate)
    with pytest.raises(LeakError, match="would contain the labels"):
        make_training_set(
            dataset,
            recommender.model.retrievers,
            FeatureSet.from_project(project, dataset),
            Window(cuts.ranker, cuts.validation, cuts.end),
            ExampleSettings.of(project),
        )


def _from_slates(
    rows: list[tuple[str, str, int, str, int, int]], rank: dict[str, Any], rerank: dict[str, Any]
) -> TrainingSet:
    """Examples of the log after its 500th second; rows: user, item, second, kind, slate, position."""
    names = ("user_id", "item_id", "timestamp", "kind", "slate", "position")
    late = [(user, item, 1_700_000_000 + at, *rest) for user, item, at, *rest in rows]
    events = pa.table({n: list(column) for n, column in zip(names, zip(*late, strict=True), strict=True)})
    settings = {
        "data": {"columns": {name: name for name in names[2:]}},
        "items": {"id": "item_id", "attributes": {"used_up": "number"}},
        "objectives": {"play": {"events": ["play"], "window": "1m"}},
        "retrieve": {"sources": [{"model": "popular"}]},
        "rank": {"examples": "impressions", **rank},
        "rerank": rerank,
        "features": [{"name": "slot", "kind": "position"}],
    }
    items = pa.table({"item_id": ["a", "b", "c", "d"], "used_up": [1.0] * 4})
    project = parse_project(settings)
    dataset = Dataset.from_frames(events, items, None, project)
    start = int(dataset.log.time[0]) + 500_000
    past = dataset.before(start)
    sources = {"popular": Popular().fit(past)}
    return make_training_set(
        dataset,
        sources,
        FeatureSet.from_project(project, dataset).fit(past),
        Window(start, start + 1_000_000, start),
        ExampleSettings.of(project),
    )


@pytest.mark.parametrize(
    ("rerank", "left_out"),
    [({}, {("u", "a")}), ({"show_seen": True}, set()), ({"show_again": "used_up"}, set())],
)
def test_items_that_requests_exclude_are_no_examples(
    rerank: dict[str, Any], left_out: set[tuple[str, str]]
) -> None:
    """An engine showed u what u had taken, and u passed it over: that says nothing of what u would take for the first time."""
    shown = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]
    rows = [("u", "a", 10, "play", -1, -1), ("v", "c", 11, "play", -1, -1)]
    rows += [
        (user, item, 1_000 + 10 * n, "impression", 1 + n // 2, n % 2) for n, (user, item) in enumerate(shown)
    ]
    rows += [("u", "b", 1_020, "play", -1, -1), ("w", "a", 2_000, "play", -1, -1)]
    found = _from_slates(rows, {}, rerank)
    expected = [pair for pair in shown if pair not in left_out]
    assert len(found.weights) == len(expected)
    assert found.labels["play"].sum() == 1  # u took b
    slots = found.matrix[:, found.names.index("slot")].tolist()
    assert sorted(slots) == sorted(float(shown.index(pair) % 2) for pair in expected)


def test_some_candidates_that_were_not_shown_stand_beside_slates() -> None:
    rows = [("u", "a", 10, "play", -1, -1), ("v", "d", 11, "play", -1, -1), ("w", "c", 12, "play", -1, -1)]
    rows += [("u", "b", 1_000, "impression", 1, 0), ("u", "c", 1_020, "play", -1, -1)]
    rows += [("w", "a", 2_000, "play", -1, -1)]
    found = _from_slates(rows, {"unshown": 5}, {})
    # u had a; b was shown; c and d were not, and c was played nevertheless
    assert sorted(found.labels["play"].tolist()) == [0, 0, 1]
    assert found.request.tolist() == [0, 0, 0]
    assert found.weights.tolist() == [1, 1, 1]
    assert len(_from_slates(rows, {"unshown": 1}, {}).weights) == 2


def test_calibration_recovers_a_known_bend() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=20_000)
    truth = 1 / (1 + np.exp(-(0.5 * margin - 1)))
    label = (rng.random(20_000) < truth).astype(float)
    raw = 1 / (1 + np.exp(-margin))
    line = fit_calibration("probability", raw, label, np.ones(20_000), "platt")
    assert (line.slope, line.offset) == pytest.approx((0.5, -1), abs=0.06)
    assert line(raw).mean() == pytest.approx(label.mean(), abs=1e-3)
    amount = fit_calibration("amount", np.array([2.0] * 30), np.array([4.0] * 30), np.ones(30))
    assert amount(np.array([1.0, 3.0])).tolist() == [2, 6]
    grade = fit_calibration("grade", np.array([3.0] * 30), np.array([4.0] * 30), np.ones(30))
    assert grade(np.array([2.0])).tolist() == [3]


def test_isotonic_bends_where_platt_cannot_and_never_ties() -> None:
    rng = np.random.default_rng(1)
    raw = rng.random(40_000)
    truth = np.where(raw < 0.5, 0.1, 0.1 + 0.5 * (raw - 0.5))  # flat, then rising: no logistic line
    label = (rng.random(40_000) < truth).astype(float)
    one = np.ones(40_000)
    errors = {
        method: float(np.abs(fit_calibration("probability", raw, label, one, method)(raw) - truth).mean())
        for method in ("platt", "isotonic", "auto")
    }
    assert errors["isotonic"] < 0.01 < errors["platt"]
    assert errors["auto"] == errors["isotonic"]
    curve = fit_calibration("probability", raw, label, one, "isotonic")
    assert (np.diff(curve(np.linspace(0.001, 0.999, 500)).astype(np.float64)) > 0).all()
    assert expected_calibration_error(truth, label, one) < 0.01
    assert expected_calibration_error(truth + 0.1, label, one) == pytest.approx(0.1, abs=0.01)


def test_play_predictions_are_calibrated_on_validation(
    dataset: Dataset, project: Project, recommender: Recommender
) -> None:
    cuts = stage_cuts(dataset.log, project.evaluate)
    fresh = {
        n: type(r)(r.config).fit(dataset.before(cuts.ranker)) for n, r in recommender.model.retrievers.items()
    }
    held = make_training_set(
        dataset,
        fresh,
        recommender.model.features,
        Window(cuts.validation, cuts.end, cuts.ranker),
        ExampleSettings.of(project),
    )
    predicted = recommender.model.ranker.predict(held.matrix)[:, 0]
    happened = np.average(held.labels["play"], weights=held.weights)
    assert np.average(predicted, weights=held.weights) == pytest.approx(happened, rel=0.05)


def test_weights() -> None:
    assert resolve_weights({"b": 2}, {"a": 1.0, "b": 0.0}).tolist() == [1, 2]
    np.testing.assert_allclose(
        UtilityWeights(np.array([1.0, 0.5]), np.array([0.1, 20.0])).utility(
            np.array([[0.1, 10.0]], np.float32)
        ),
        [1.25],
        rtol=1e-6,
    )
    for bad, field in (
        ({"c": 1}, "weights.c"),
        ({"a": float("nan")}, "weights.a"),
        ({"a": 0}, "weights"),
        ({"a": True}, "weights.a"),
    ):
        with pytest.raises(RequestError) as error:
            resolve_weights(bad, {"a": 1.0, "b": 0.0})
        assert error.value.field == field


@settings(deadline=None)  # the first call may compile
@given(
    hnp.arrays(np.float64, 12, elements=st.floats(-5, 5)),
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.integers(1, 15),
)
def test_mmr_permutes(utility: np.ndarray, seed: int, strength: float, n: int) -> None:
    order = mmr(utility, np.random.default_rng(seed).random((12, 3)).astype(np.float32), strength, n)
    assert sorted(order.tolist()) == list(range(12))
    if strength == 0:
        assert (np.diff(utility[order]) <= 0).all()


def test_mmr_by_hand() -> None:
    utility, vectors = np.array([1.0, 0.9, 0.5]), np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert mmr(utility, vectors, 0.0, 3).tolist() == [0, 1, 2]
    assert mmr(utility, vectors, 0.5, 3).tolist() == [0, 2, 1]  # the second is a twin of the first


def test_freshness_by_hand() -> None:
    worth = boost_fresh(
        np.array([1.0, 1.0, 1.0, -1.0]), np.array([1_000, 0, NO_TIME, 1_000]), 1_000, 1.0, 1_000
    )
    np.testing.assert_allclose(worth, [2.0, 1.5, 1.0, 0.0])


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=20), st.integers(1, 3), st.integers(1, 10))
def test_exposure_keeps_its_promise(makers: list[int], cap: int, n: int) -> None:
    provider = np.array(makers, np.int32)
    chosen = cap_exposure(np.arange(len(makers)), provider, cap, n)
    assert len(set(chosen.tolist())) == len(chosen) <= n
    assert all((provider[chosen] == m).sum() <= cap for m in range(4))
    assert (np.diff(chosen) > 0).all()


def test_rules(dataset: Dataset) -> None:
    items = dataset.items
    comedies = allowed_items(items, {"genres": {"any": ["Comedy"]}}, None)
    assert comedies is not None
    assert all(
        ("Comedy" in items.attributes["genres"].show(i)) == bool(comedies[i]) for i in range(len(items))
    )
    late = allowed_items(items, {"arrived": {"min": "2026-01-10"}, "minutes": {"max": 100}}, None)
    assert late is not None
    assert all(
        items.attributes["arrived"].show(i) >= "2026-01-10" and items.attributes["minutes"].show(i) <= 100
        for i in np.flatnonzero(late).tolist()
    )
    for bad, field in (
        ({"colour": {"any": []}}, "filters.colour"),
        ({"minutes": {"max": "x"}}, "filters.minutes.max"),
        ({"genres": {"any": "Comedy"}}, "filters.genres.any"),
        ({"genres": {"min": 1}}, "filters.genres"),
        ({"genres": 1}, "filters.genres"),
    ):
        with pytest.raises(RequestError) as error:
            allowed_items(items, bad, None)
        assert error.value.field == field

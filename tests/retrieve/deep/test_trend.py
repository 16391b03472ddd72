"""What is popular now as a term of the scores: by hand, learned where demand moves, stale requests, bundles, new items, the index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.entities import EntityChange
from shortlist.errors import BundleError
from shortlist.retrieve import Requests, Transformer, TwoTower, load_retriever
from shortlist.retrieve.deep import learn_trend as learning
from shortlist.retrieve.deep.later_visits import LaterVisits, before, last_days
from shortlist.retrieve.deep.learn_trend import (
    LaterChoices,
    RecentCounts,
    learn_trend,
    learned_weights,
    recency,
)
from shortlist.retrieve.deep.trend import DAY, visits_after
from shortlist.retrieve.kernels import coarse
from support.deep import TINY, cycles
from support.interactions import make_requests

FIRST = 18_000
"""A day, counted from 1970."""
SPAN, HOT = 12, 4
"""Items of a season, and how many of the last one there are: items 20 to 23."""


def seasons(users: int = 240) -> Dataset:
    """Return users of six seasons of twelve days, each with four items that are taken in no other; a visit every third day."""
    rng, rows = np.random.default_rng(0), []
    for user in range(users):
        start = rng.integers(0, 60)
        for visit in range(4):
            day = start + 3 * visit
            item = HOT * (day // SPAN) + int(rng.integers(0, HOT))
            rows.append((f"u{user}", f"i{item:02d}", 1.6e9 + 86_400.0 * day + float(rng.integers(0, 40_000))))
    names = ("user_id", "item_id", "timestamp")
    events = pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
    items = pa.table({"item_id": [f"i{i:02d}" for i in range(24)], "shelf": ["a", "b"] * 12})
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"shelf": "category"}},
        }
    )
    return Dataset.from_frames(events, items, project=project)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return seasons()


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> Transformer:
    return Transformer(**{**TINY, "validation": 0.5}).fit(dataset)


def asked(dataset: Dataset, after: int, users: int = 60) -> Requests:
    """Return the requests of some users so many milliseconds after the newest event."""
    moment = int(dataset.log.time[-1]) + after
    return Requests.of_users(dataset, np.arange(users), np.full(users, moment, np.int64), exclude_seen=False)


def without(model: Transformer) -> Transformer:
    plain = model._shared()
    plain.trend_ = None
    plain._prepare()
    return plain


def test_visits_by_hand() -> None:
    pauses = np.array([0, DAY // 24 - 1, DAY // 24, DAY - 1, DAY, 30 * DAY - 1, 30 * DAY])
    assert visits_after(pauses).tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_recency_by_hand() -> None:
    """Of 10 events of a window 6 fall on an item with P(i) = 0.2: log((6 + 20 · 0.2) / ((10 + 20) · 0.2)) = log(10 / 6)."""
    counts = np.array([[6.0], [0.0], [0.0]])
    found = recency(counts, np.array([10.0, 0.0, 5.0]), np.array([0.2]))
    np.testing.assert_allclose(found, [[np.log(10 / 6), 0, np.log(20 / 25), np.log(0.2)]])


def test_counts_are_those_before_the_moment() -> None:
    time = np.array([0, 5 * DAY, 6 * DAY, 6 * DAY + 1], np.int64)
    recent = RecentCounts(np.array([0, 1, 1, 0], np.int32), time, 2)
    np.testing.assert_array_equal(recent.counts(6 * DAY + 1), [[0, 1], [1, 2], [1, 2]])
    np.testing.assert_array_equal(recent.counts(6 * DAY + 2), [[1, 1], [2, 2], [2, 2]])
    np.testing.assert_allclose(recent.usual(), [3 / 6, 3 / 6])
    assert recent.before(6 * DAY).time.tolist() == [0, 5 * DAY]


def test_the_last_days_by_hand() -> None:
    """Whole days that hold a twentieth of the events, or more; at most about thirty; none where all is of one day."""
    hour = DAY // 24
    even = np.arange(0, 100 * DAY, hour)
    assert last_days(even) == 95 * DAY
    assert last_days(np.arange(0, 1000 * DAY, DAY)) == 969 * DAY
    assert last_days(np.arange(0, 2 * DAY, hour)) == DAY
    assert last_days(np.arange(0, DAY, hour)) is None
    assert last_days(np.full(50, 7 * DAY)) is None
    assert last_days(np.empty(0, np.int64)) is None


def test_later_visits_by_hand() -> None:
    """Of user a: the first event of the last day, after five days, and the first one within that visit. b has nothing before; c has a first
    event there, and a second one at once. d is not asked for later."""
    days: dict[str, list[float]] = {
        "a": [1, 5, 10.0, 10.01, 10.02],
        "b": [10.3],
        "c": [10.4, 10.41],
        "d": [2, 9],
    }
    rows = [
        (user, f"{user}{at}", 86_400.0 * (FIRST + day))
        for user, of in days.items()
        for at, day in enumerate(of)
    ]
    names = ("user_id", "item_id", "timestamp")
    dataset = Dataset.from_frames(pa.table({n: [row[at] for row in rows] for at, n in enumerate(names)}))
    weights = np.ones(len(rows), np.float32)
    later = LaterVisits.of(dataset, weights, (FIRST + 10) * DAY, 0)
    names = dataset.items.ids.values.to_pylist()
    assert [names[item] for item in later.target] == ["a2", "a3", "c1"]
    histories = later.requests.histories
    read = [names[item] for item in histories.item]
    assert read == ["a0", "a1", "a0", "a1", "a2", "c0"]
    assert np.diff(histories.indptr).tolist() == [2, 3, 1]
    assert later.visits.tolist() == [2, 0, 0]
    np.testing.assert_array_equal(later.requests.weights, np.ones(6))
    np.testing.assert_allclose(later.requests.moments / DAY - FIRST, [10, 10.01, 10.41])
    parts = [part.target.tolist() for _, part in later.parts()]
    assert parts == [later.target.tolist()]
    assert len(before(dataset, (FIRST + 10) * DAY).log) == 4


def test_weights_are_found_that_made_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 draws from a logit with known weights, and nearly the likelihood; the penalty is small beside them."""
    monkeypatch.setattr(learning, "HEAD", 0.01)
    rng, true = np.random.default_rng(0), np.array([1.5, 0.5, 0.0, 1.0, 0.8])
    inputs = rng.normal(size=(5_000, 12, 5))
    noisy = inputs @ true + rng.gumbel(size=(5_000, 12))
    taken = noisy == noisy.max(1, keepdims=True)
    found = learned_weights(LaterChoices(inputs, np.ones_like(taken), taken), learning.ALONE)
    np.testing.assert_allclose(found, true, atol=0.1)


def test_the_objective_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two items the one with the larger input is taken in 300 of 400 cases. For q = 1/4 the derivative of 300 p^q + 100 (1 − p)^q is 0
    where (p / (1 − p))^(3/4) = 3: the weight is log(3) / 0.75."""
    monkeypatch.setattr(learning, "PENALTY", 1e-9)
    inputs = np.zeros((400, 2, 5))
    inputs[:, 0, 0] = 1
    taken = np.zeros((400, 2), np.bool_)
    taken[:300, 0] = taken[300:, 1] = True
    found = learned_weights(LaterChoices(inputs, np.ones_like(taken), taken), learning.ALONE)
    np.testing.assert_allclose(found, [np.log(3) / 0.75, 0, 0, 0, 0], atol=1e-4)


def test_candidates_are_proposed_by_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """One proposal of each: item 4 by the network, 2 by the last day, 3 by the week and month; 5 was taken and is none."""
    monkeypatch.setattr(learning, "PROPOSED", 1)
    item = np.array([3, 3, 3, 2, 2], np.int32)
    time = np.array([0, 1, 2, 5 * DAY, 5 * DAY], np.int64)
    requests = replace(make_requests([0]), moments=np.array([6 * DAY], np.int64))
    scores = np.array([[9, 0, 1, 2, 3, 0.5]], np.float32)  # item 0 is in the history
    later = LaterVisits(np.array([5], np.int32), requests)
    found = LaterChoices.of(lambda _: scores.copy(), later, RecentCounts(item, time, 6), 6 * DAY)
    assert found.inputs[0, found.there[0], 0].tolist() == [1, 2, 3]
    assert not found.taken.any()
    assert found.gains(learning.ALONE).tolist() == [0]


def test_it_is_learned_from_days_that_the_network_does_not_know(model: Transformer, dataset: Dataset) -> None:
    """The weights follow from a network of the events before the last days."""
    weights = np.ones(len(dataset.log), np.float32)
    whole = RecentCounts.of(dataset, weights)
    moment = last_days(whole.time)
    assert moment is not None
    past = before(dataset, moment)
    earlier = Transformer(**{**TINY, "epochs": 1}).fit(past)
    later = LaterVisits.of(dataset, weights, moment, 0)
    trend, _ = learn_trend(
        earlier.score, later, RecentCounts.of(past, weights[: len(past.log)]), moment, whole
    )
    assert trend is not None
    assert model.trend_ is not None
    np.testing.assert_allclose(model.trend_.weights, trend.weights)
    np.testing.assert_allclose(model.trend_.terms, trend.terms)


def test_what_is_popular_now_comes_first(model: Transformer, dataset: Dataset) -> None:
    """The last season has a sixth of the events; its items are first after a pause, and were not without the term."""
    requests = asked(dataset, 2 * DAY)
    latest = slice(20, 24)
    plain, own = without(model).score(requests), model.score(requests)
    assert np.mean([set(np.argsort(-row)[:HOT].tolist()) == {20, 21, 22, 23} for row in own]) > 0.95
    rise = own[:, latest].mean() - own[:, :20].mean() - plain[:, latest].mean() + plain[:, :20].mean()
    assert rise > 0.5
    assert model.trend_ is not None
    assert model.trend_.weights[2, 1:4].sum() > 0.3


def test_it_is_told(dataset: Dataset) -> None:
    steps: list[str] = []
    Transformer(**{**TINY, "validation": 0.5}).fit(dataset, lambda step, _: steps.append(step))
    (told,) = (step for step in steps if "trend: ndcg" in step)
    alone, after = (float(told.split()[at]) for at in (-3, -1))
    assert after > alone


@pytest.mark.parametrize("after", [-1, 31 * DAY])
def test_other_times_are_served_by_the_network_alone(
    model: Transformer, dataset: Dataset, after: int
) -> None:
    requests = asked(dataset, after)
    np.testing.assert_array_equal(model.score(requests), without(model).score(requests))
    items = np.array([[3, 21, -1]] * len(requests))
    np.testing.assert_array_equal(
        model.score_items(requests, items), without(model).score_items(requests, items)
    )


def test_it_can_be_switched_off_and_needs_held_out_events(dataset: Dataset) -> None:
    assert Transformer(**TINY, trend=False).fit(dataset).trend_ is None
    assert Transformer(**TINY).fit(dataset).trend_ is None
    steps: list[str] = []
    few = seasons(30)
    model = Transformer(**{**TINY, "validation": 0.5}).fit(few, lambda step, _: steps.append(step))
    assert model.trend_ is None
    assert any("later events are too few" in step for step in steps)


def test_a_log_of_one_day_has_none() -> None:
    steps: list[str] = []
    model = Transformer(**{**TINY, "validation": 0.5}).fit(cycles(), lambda step, _: steps.append(step))
    assert model.trend_ is None
    assert any("all events are of one day" in step for step in steps)


@pytest.mark.parametrize("few", [False, True])
def test_all_ways_to_ask_agree(
    model: Transformer, dataset: Dataset, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests within a visit, after a pause, too late, and without a history, in one batch."""
    newest = int(dataset.log.time[-1])
    moments = newest + np.array([1, 2 * DAY, 31 * DAY, 5], np.int64)
    requests = replace(make_requests([0, 5], [20], [3], []), moments=moments)
    requests.histories.time[:] = newest
    scores = model.score(requests)
    items = np.tile(np.arange(24), (4, 1))
    np.testing.assert_allclose(model.score_items(requests, items), scores, rtol=1e-5, atol=1e-5)
    if few:  # as on large catalogues, which are read in bytes first
        monkeypatch.setattr(coarse, "LEAST_ITEMS", 1)
        monkeypatch.setattr(coarse, "ITEMS_PER_WANTED", 1)
    best = model.retrieve(requests, 24)
    assert (best.item[3] == -1).all()
    for row in range(3):
        expected = scores[row, best.item[row]]
        np.testing.assert_allclose(best.score[row], expected, rtol=1e-5, atol=1e-6 * few)
    assert np.isneginf(scores[3]).all()
    for row in range(3):
        alone = model.score(requests.rows(row, row + 1))[0]
        np.testing.assert_allclose(alone, scores[row], rtol=1e-4, atol=1e-4)


def test_a_bundle_keeps_it_and_new_items_have_none(
    model: Transformer, dataset: Dataset, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    loaded = load_retriever(tmp_path / "model")
    requests = asked(dataset, DAY)
    np.testing.assert_array_equal(loaded.score(requests), model.score(requests))
    np.testing.assert_allclose(model.in_bytes().score(requests), model.score(requests), atol=0.3)
    items = dataset.items.with_changes([EntityChange(24, "new", {"shelf": "a"})])
    assert model.trend_ is not None
    for one in (model, loaded):
        longer = one.with_items(items)
        scores = longer.score(requests)
        np.testing.assert_array_equal(scores[:, :24], one.score(requests))
        visit = visits_after(requests.moments - last_times(requests))
        stale = requests.moments.copy() + 40 * DAY
        plain = longer.score(Requests(requests.histories, requests.weights, stale))[:, 24]
        expected = plain * model.trend_.weights[visit, 0] + model.trend_.of_none[visit]
        np.testing.assert_allclose(scores[:, 24], expected, rtol=1e-4, atol=1e-5)


def last_times(requests: Requests) -> NDArray[np.int64]:
    return requests.histories.time[requests.histories.indptr[1:] - 1]


DAMAGES: dict[str, Any] = {
    "fewer items": ("terms", lambda a: a[:-1]),
    "not numbers": ("terms", lambda a: np.full_like(a, np.inf)),
    "fewer weights": ("weights", lambda a: a[:, :-1]),
    "another type": ("newest", lambda a: a.astype(np.float64)),
    "no value for new items": ("of_none", lambda a: a[:0]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_trend_is_refused(model: Transformer, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / "model")
    array, change = DAMAGES[name]
    file = tmp_path / "model" / "trend" / f"{array}.npy"
    np.save(file, change(np.load(file)))
    with pytest.raises(BundleError, match="is damaged"):
        load_retriever(tmp_path / "model")


def test_an_index_finds_what_exact_search_finds(dataset: Dataset) -> None:
    pytest.importorskip("faiss")
    settings = {**TINY, "validation": 0.5}
    exact = Transformer(**settings).fit(dataset)
    indexed = Transformer(**settings, exact_items=10, recall=1.0).fit(dataset)
    for requests in (asked(dataset, DAY), asked(dataset, 40 * DAY)):
        a, b = indexed.retrieve(requests, 5), exact.retrieve(requests, 5)
        np.testing.assert_allclose(a.score, b.score, rtol=1e-4)


def test_two_towers_have_it(dataset: Dataset) -> None:
    settings: dict[str, Any] = {"width": 8, "hidden": 8, "epochs": 2, "min_events": 0, "validation": 0.5}
    towers = TwoTower(**settings).fit(dataset)
    assert towers.trend_ is not None
    best = towers.retrieve(asked(dataset, 2 * DAY), HOT).item
    assert np.mean(best >= 20) > 0.9

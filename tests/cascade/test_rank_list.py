"""Given lists: every item comes back, unknown ones by their fields; features are those of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import shortlist
from shortlist.cascade.given_items import MOST, ItemList
from shortlist.cascade.rank_list import score_lists
from shortlist.cascade.run import Cascade
from shortlist.data.dataset import Dataset
from shortlist.errors import RequestError
from shortlist.evaluate.policies import log_events
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.list_members import list_members
from shortlist.rank.past_requests import shown_slates
from shortlist.rank.training_set import Window, make_training_set
from shortlist.requests import RecommendRequest
from support.given_lists import ITEMS, MORE_FEATURES, list_log, list_project


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset.from_frames(list_log(), ITEMS, None, list_project())


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> shortlist.Recommender:
    return shortlist.Recommender(list_project()).fit(dataset)


def priced(n: int, first: float = 100.0) -> list[dict[str, Any]]:
    """The first n items, cheaper from one to the next."""
    return [{"item": f"i{k}", "price": first - 5.0 * k, "score": 1.0} for k in range(n)]


def test_every_item_comes_back_in_order(fitted: shortlist.Recommender) -> None:
    slate = fitted.rank("u1", priced(15))
    assert sorted(one.item for one in slate) == sorted(f"i{k}" for k in range(15))
    scores = [one.score for one in slate]
    assert scores == sorted(scores, reverse=True)
    assert {one.item for one in slate.items[:3]} <= {"i12", "i13", "i14"}  # the cheapest
    assert all(one.reason and set(one.predictions) == {"click"} for one in slate)
    assert slate.given == {
        "price": pytest.approx([100.0 - 5 * int(one.item[1:]) for one in slate]),
        "score": [1.0] * 15,
    }
    assert slate.policy.endswith("-list")


def test_given_numbers_decide(fitted: shortlist.Recommender) -> None:
    for cheap in ("i3", "i7"):
        items = [{"item": f"i{k}", "price": 15.0 if f"i{k}" == cheap else 80.0} for k in range(10)]
        assert fitted.rank("u1", items).items[0].item == cheap


def test_items_the_user_had_are_ranked(fitted: shortlist.Recommender, dataset: Dataset) -> None:
    had = dataset.items.ids.ids(np.unique(dataset.histories.item[: dataset.histories.indptr[1]]))
    user = dataset.users.ids.id(0)
    assert {one.item for one in fitted.rank(user, had)} == set(had)


def test_an_unknown_item_is_ranked_by_its_fields(fitted: shortlist.Recommender) -> None:
    new = {"item": "n1", "title": "New one", "price": 5.0, "score": 1.0, "cat": "a", "tags": ["x", "unheard"]}
    slate = fitted.rank("u1", [*priced(8), new])
    first = slate.items[0]
    assert (first.item, first.title, first.reason, first.sources) == ("n1", "New one", "New here", {})
    assert slate.unknown_items == ["n1"]
    assert slate.warnings == ["items: ranked by their fields alone, because the catalogue has no item 'n1'"]


def test_attributes_that_are_sent_in_vain_are_named(fitted: shortlist.Recommender) -> None:
    """Items of the catalogue have their own; the order is that without what was sent."""
    slate = fitted.rank("u1", [{**one, "cat": "z"} for one in priced(5)])
    assert [one.item for one in slate] == [one.item for one in fitted.rank("u1", priced(5))]
    (warning,) = slate.warnings
    assert warning.startswith("items: cat was ignored for items of the catalogue")
    assert "data.given" in warning
    assert fitted.rank("u1", [{**one, "cat": None} for one in priced(5)]).warnings == []


def test_an_unknown_item_without_fields_is_last(fitted: shortlist.Recommender) -> None:
    slate = fitted.rank("u1", ["blank", *priced(6), {"item": "blank 2", "title": "Two"}])
    assert [one.item for one in slate.items[-2:]] == ["blank", "blank 2"]
    assert slate.items[-1].title == "Two"
    assert slate.items[-1].score <= slate.items[5].score
    [warning] = slate.warnings
    assert warning.startswith(
        "items: put last, because they have no fields and the catalogue has no item 'blank'"
    )
    only = fitted.rank("u1", ["blank"])
    assert [one.item for one in only] == ["blank"]


@pytest.mark.parametrize(
    "request_", [{"user": "u1"}, {"history": ["i2", "i5"]}, {}], ids=["user", "visitor", "nobody"]
)
def test_an_unknown_item_has_the_features_of_an_added_one(
    fitted: shortlist.Recommender, request_: dict[str, Any]
) -> None:
    """Described in a request, an item has the same features as after it was added to the catalogue, but for its sources."""
    fields = {"cat": "b", "tags": ["y"], "stars": 3.5, "words": "red hat", "vector": [0.0, 1.0]}
    recommender = shortlist.Recommender.of(fitted.model)
    known = len(recommender.model.features.names([]))
    listed = [
        {"item": "i1", "price": 9.0},
        {"item": "n1", "price": 20.0, **fields},
        {"item": "i2", "price": 30.0},
    ]
    request = RecommendRequest(**request_, context={"device": "tv", "seen": "i2"})
    described = matrix_of(recommender, request, listed)
    recommender.change_item("n1", {"attributes": fields})
    added = matrix_of(recommender, request, listed)
    names = recommender.model.features.names([])
    differ = [
        n
        for n, a, b in zip(names, described.T[:known], added.T[:known], strict=True)
        if not np.array_equal(a, b, True)
    ]
    # the catalogue knows since when it has the item, and has its words in its vocabulary
    assert not differ


def matrix_of(
    recommender: shortlist.Recommender, request: RecommendRequest, items: list[dict[str, Any]]
) -> np.ndarray:
    """The features of a list, in the order of the list."""
    from shortlist.cascade.given_items import read_list

    model, state = recommender.model, recommender.state
    resolved = Cascade.resolve(model, state, [request])
    found = score_lists(model, state, resolved, [read_list(items, state.catalogue.items, ["price", "score"])])
    return found.scored.matrix[np.argsort(found.place)]


def test_features_of_a_given_list_are_those_of_training(dataset: Dataset) -> None:
    """The training set over logged lists, and the same lists given to a live recommender at their moments."""
    project = list_project()
    project = project.model_copy(update={"features": [*project.features, *MORE_FEATURES]})
    recommender = shortlist.Recommender(project).fit(dataset.before(int(dataset.log.time[-1]) - 20_000_000))
    model, state = recommender.model, recommender.state
    start, end = int(model.dataset.log.time[-1]) + 1, int(dataset.log.time[-1]) + 1
    settings = ExampleSettings.of(project)
    window = Window(start, end, start)
    training = make_training_set(dataset, model.retrievers, model.features, window, settings)
    past = shown_slates(dataset, start, end, project.rank, np.random.default_rng(0))
    assert past.shown is not None
    members = list_members(dataset, past.shown)
    assert 10 < len(past) < 60
    until, compared = start, 0
    for number in np.argsort(past.moments, kind="stable").tolist():
        moment = int(past.moments[number])
        low, high = np.searchsorted(dataset.log.time, [until, moment])
        recommender.replay(log_events(dataset, np.arange(low, high)))
        until = moment
        if not members.is_list[number]:
            continue
        row = int(past.shown[number][0])
        context = {name: a.show(row) for name, a in dataset.log.context.items() if a.show(row) is not None}
        request = RecommendRequest(dataset.users.ids.id(int(past.users[number])), context=context, now=moment)
        part = slice(int(members.indptr[number]), int(members.indptr[number + 1]))
        listed = ItemList(members.item[part], {name: values[part] for name, values in members.given.items()})
        found = score_lists(model, state, Cascade.resolve(model, state, [request]), [listed])
        online = found.scored.matrix[np.argsort(found.place)]
        offline = training.matrix[training.request == number]
        differ = [
            name
            for name, a, b in zip(training.names, offline.T, online.T, strict=True)
            if not np.array_equal(a, b, True)
        ]
        assert not differ, (number, differ)
        compared += 1
    assert compared > 10


def test_lists_of_several_requests_are_scored_together(
    fitted: shortlist.Recommender, dataset: Dataset
) -> None:
    model, state = fitted.model, fitted.state
    now = fitted.now()
    lists = [
        ItemList(np.array(codes, np.int32), {"price": np.array(prices, np.float32)})
        for codes, prices in (([3, 1, 7], [10.0, 20.0, 30.0]), ([5], [7.0]), ([-1, 2], [1.0, 2.0]))
    ]
    requests = [RecommendRequest(user, now=now) for user in ("u1", None, "u2")]
    resolved = Cascade.resolve(model, state, requests)
    together = score_lists(model, state, resolved, lists)
    for number, one in enumerate(lists):
        alone = score_lists(model, state, [resolved[number]], [one])
        part = together.scored.of(number)
        a, b = np.argsort(together.place[part]), np.argsort(alone.place)
        np.testing.assert_array_equal(together.scored.rows.item[part][a], one.item)
        np.testing.assert_array_equal(together.scored.matrix[part][a], alone.scored.matrix[b])


@pytest.mark.parametrize(
    ("items", "field", "message"),
    [
        ([{"item": "i1", "prize": 3}], "items.0.prize", "did you mean 'price'"),
        (["i1", {"item": "i1"}], "items.1.item", "twice, as items.0 too"),
        ([{"item": "new"}, "new"], "items.1.item", "twice, as items.0 too"),
        (["i1", {"item": "i2", "price": "9"}], "items.1.price", "expected a finite number or null, got '9'"),
        ([{"item": "i2", "price": True}], "items.0.price", "expected a finite number"),
        ([{"item": "i2", "price": float("nan")}], "items.0.price", "expected a finite number"),
        ([{"item": "i2", "price": 10**400}], "items.0.price", "expected a finite number"),
        ([{"price": 3.0}], "items.0.item", "an item needs its id"),
        ([None], "items.0.item", "an item needs its id"),
        (["i1", 3.5], "items.1.item", "a whole number or a text"),
        ([{"item": "new", "stars": "many"}], "items.0.stars", "expected a number"),
        ([{"item": "new", "title": 7}], "items.0.title", "a title is a text"),
        ([], "items", "items must be 1 to 2,000 items"),
        (["i1"] * (MOST + 1), "items", "are 2,001"),
        ("i1", "items", "items must be a list"),
        (7, "items", "items must be a list"),
    ],
)
def test_a_wrong_list_is_refused(fitted: shortlist.Recommender, items: Any, field: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        fitted.rank("u1", items)
    assert error.value.field == field
    assert message in error.value.message


def test_options_without_effect_are_refused(fitted: shortlist.Recommender) -> None:
    with pytest.raises(RequestError, match="a given list is ranked as a whole, so filters has no effect"):
        fitted.rank("u1", ["i1"], filters={})  # type: ignore[call-arg]
    with pytest.raises(RequestError, match="a request has no such field"):
        fitted.rank("u1", ["i1"], weight={})  # type: ignore[call-arg]


def test_numbers_of_numpy_and_whole_numbers_are_taken(fitted: shortlist.Recommender) -> None:
    plain = fitted.rank("u1", [{"item": "i1", "price": 20.0}, {"item": "i2", "price": None}])
    numpy = fitted.rank("u1", np.array([{"item": "i1", "price": np.float32(20)}, {"item": "i2"}]))
    assert [(r.item, r.score) for r in plain] == [(r.item, r.score) for r in numpy]


def test_a_slate_without_a_list_is_predicted_as_well(dataset: Dataset) -> None:
    """Without the share of lists that lose their numbers, what `recommend` predicts is further from the truth."""
    errors = {}
    clicks = 1 / 10  # one item of each list of ten
    for share in (0.0, 0.3):
        project = list_project(rank={"without_list": share})
        full = Dataset.from_frames(list_log().filter(complete()), ITEMS, None, project)
        recommender = shortlist.Recommender(project).fit(full)
        slates = recommender.recommend(
            users=full.users.ids.ids(np.arange(30)), n=40, context={"device": "tv"}
        )
        mean = np.mean([one.predictions["click"] for slate in slates for one in slate])
        errors[share] = abs(mean - clicks)
    assert errors[0.3] < errors[0.0]
    assert errors[0.3] < 0.03


def complete() -> Any:
    """The rows of lists with given numbers."""
    table = list_log()
    return pa.array([int(slate[1:]) % 10 > 0 for slate in table.column("slate").to_pylist()])

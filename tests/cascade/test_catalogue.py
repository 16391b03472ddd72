"""Catalogue snapshots: what a batch of changes does, and what it leaves alone."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.state import LiveState
from shortlist.errors import RequestError
from shortlist.recommender import Recommender

ADDED = ItemChange("new", "A new film", {"genres": ["Drama"]})
RETIRED = ItemChange("m00002", retired=True)
RENAMED = ItemChange("m00003", "Another title")


@pytest.fixture
def state(bundle: Path) -> LiveState:
    """A live state of its own."""
    return Recommender.load(bundle).state


def test_a_snapshot_stays_as_it_is(state: LiveState) -> None:
    """Three changes make the next catalogue; the one before keeps its length, titles and retired items."""
    before = state.catalogue
    size, title = len(before.items), before.items.titles[before.items.ids.code("m00003")]
    state.change_items([ADDED, RETIRED, RENAMED])
    after = state.catalogue
    assert len(after.items) == size + 1
    code = after.items.ids.code("new")
    assert code == size
    assert after.items.titles[code] == "A new film"
    assert after.items.attributes["genres"].show(code) == ["Drama"]
    assert after.retired.sum() == 1
    assert after.retired[after.items.ids.code("m00002")]
    assert after.items.titles[after.items.ids.code("m00003")] == "Another title"
    assert len(before.items) == size
    assert before.items.ids.code("new") == -1
    assert not before.retired.any()
    assert before.items.titles[before.items.ids.code("m00003")] == title


def test_the_last_of_several_changes_of_one_item_counts(state: LiveState) -> None:
    state.change_items([ADDED, ItemChange("new", retired=True), ItemChange("new", "Renamed", retired=False)])
    code = state.catalogue.items.ids.code("new")
    assert state.catalogue.items.titles[code] == "Renamed"
    assert not state.catalogue.retired[code]
    assert state.catalogue.items.attributes["genres"].show(code) == ["Drama"]


def test_a_wrong_change_names_its_place(state: LiveState) -> None:
    """Nothing of the batch is applied."""
    before = state.catalogue
    with pytest.raises(RequestError) as error:
        state.check_changes(
            [ADDED, ItemChange("m00001", attributes={"genre": ["Drama"]})], "items.{}.", start=7
        )
    assert error.value.field is not None
    assert error.value.field.startswith("items.8.")
    assert "genres" in error.value.message  # the closest name
    assert state.catalogue is before


def test_changes_prepared_beside_requests_equal_changes_made_at_once(bundle: Path) -> None:
    """The prepared catalogue is taken where the base is unchanged, and computed anew where it is not."""
    direct, ahead, late = (Recommender.load(bundle).state for _ in range(3))
    changes = [ADDED, RETIRED, RENAMED]
    direct.change_items(changes)
    prepared = ahead.prepare_changes(changes)
    ahead.change_items(changes, prepared)
    assert ahead.catalogue is prepared.result

    outdated = late.prepare_changes(changes)
    late.change_items([ItemChange("other", "Came in between")])
    late.change_items(changes, outdated)
    assert late.catalogue is not outdated.result
    assert late.catalogue.items.ids.code("other") >= 0

    other = direct.prepare_changes([ItemChange("one")])
    direct.change_items([ItemChange("two")], other)  # prepared for something else
    assert direct.catalogue.items.ids.code("one") == -1
    assert direct.catalogue.items.ids.code("two") >= 0
    for state in (ahead, late):
        items = state.catalogue.items
        assert items.titles[items.ids.code("new")] == "A new film"
        np.testing.assert_array_equal(
            state.catalogue.retired[: len(ahead.catalogue.retired)], ahead.catalogue.retired
        )


def test_memory_returns_after_many_changes_and_a_model_swap(bundle: Path) -> None:
    """Old snapshots are kept alive by nothing, and neither is a model that serves no more.

    Without the garbage collector: a server takes what it has loaded out of its rounds.
    """
    recommender = Recommender.load(bundle)
    snapshots = []
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            recommender.state.change_items([ItemChange(f"new-{number}", "Another", {"genres": ["Drama"]})])
            recommender.recommend(user="u00001", n=5)
            snapshots.append(weakref.ref(recommender.state.catalogue))
        assert [snapshot() is not None for snapshot in snapshots] == [False] * 19 + [True]
        model, dataset = weakref.ref(recommender.model), weakref.ref(recommender.dataset)
        counters = [weakref.ref(one) for one in recommender.state.counters.counters.values()]
        recommender = Recommender.load(bundle)
        recommender.recommend(user="u00001", n=5)
        assert model() is None
        assert dataset() is None
        assert [counter() for counter in counters] == [None] * len(counters)
        assert snapshots[-1]() is None
    finally:
        gc.enable()


def test_room_for_added_items(state: LiveState, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items than there is room for are refused before they are stored; changes of present items never are."""
    monkeypatch.setattr("shortlist.cascade.catalogue.SPARE_ITEMS", 3)
    state.change_items([ADDED])
    state.catalogue.check_room(["a", "b", "a", "new", "m00001"])
    with pytest.raises(RequestError, match="1 items were added since training, and there is room for 3"):
        state.catalogue.check_room(["a", "b", "c"])
    state.change_items([ItemChange("a"), ItemChange("b")])
    state.catalogue.check_room(["a", "m00001"])
    with pytest.raises(RequestError, match="train again to add 1 more"):
        state.catalogue.check_room(["c"])

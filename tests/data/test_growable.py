"""Sequences that share memory with longer ones: earlier views never change."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.growable import GrowableArray, GrowableIndex, GrowableList, Vocabulary


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 9), max_size=4)), max_size=12))
def test_every_snapshot_stays_as_it_was(steps: list[tuple[int, list[int]]]) -> None:
    """Extend arbitrary earlier snapshots, not only the newest one."""
    arrays = [GrowableArray(np.arange(3))]
    lists, truth = [GrowableList([0, 1, 2])], [[0, 1, 2]]
    for chosen, more in steps:
        which = chosen % len(truth)
        arrays.append(arrays[which].extended(np.array(more, np.int64)))
        lists.append(lists[which].extended(more))
        truth.append(truth[which] + more)
    assert [a.array.tolist() for a in arrays] == truth
    assert [list(a) for a in lists] == truth


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.text(max_size=2), max_size=4)), max_size=12))
def test_an_index_finds_only_its_own_values(steps: list[tuple[int, list[str]]]) -> None:
    views, truth = [Vocabulary(["a", "b"])], [["a", "b"]]
    for chosen, more in steps:
        which = chosen % len(truth)
        views.append(views[which].extended(more))
        truth.append(list(dict.fromkeys(truth[which] + more)))
    everything = {word for words in truth for word in words}
    for view, words in zip(views, truth, strict=True):
        assert list(view) == words
        assert isinstance(view, Vocabulary)
        assert {word: view.place(word) for word in everything} == {
            word: words.index(word) if word in words else -1 for word in everything
        }


def test_appends_to_the_newest_view_copy_nothing() -> None:
    first = GrowableArray(np.zeros((4, 2), np.float32)).with_room(100)
    second = first.extended(np.ones((50, 2)))
    assert np.shares_memory(first.array, second.array)
    assert (first.room, second.room, len(second)) == (0, 50, 54)
    other = first.extended(np.full((1, 2), 7))  # the room belongs to `second`
    assert not np.shares_memory(first.array, other.array)
    assert (second.array[4:] == 1).all()
    assert second.with_room(50) is second


def test_changed_rows_are_a_copy() -> None:
    old = GrowableArray(np.arange(4)).with_room(3)
    new = old.with_rows(np.array([1]), np.array([9]))
    assert (old.array.tolist(), new.array.tolist(), new.room) == ([0, 1, 2, 3], [0, 9, 2, 3], 3)


def test_threads_never_share_the_spare_room() -> None:
    base = GrowableArray(np.zeros(1, np.int64)).with_room(10_000)
    found: list[GrowableArray[np.int64]] = []

    def extend(number: int) -> None:
        view = base
        for _ in range(200):
            view = view.extended(np.full(3, number))
        found.append(view)

    threads = [threading.Thread(target=extend, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for view in found:
        assert len(view) == 601
        assert len(np.unique(view.array[1:])) == 1


def test_an_outgrown_buffer_is_freed() -> None:
    old = GrowableArray(np.zeros(1000)).with_room(1)
    buffer = weakref.ref(old.array.base)
    new = old.extended(np.zeros(2))
    assert buffer() is not None
    del old
    gc.collect()
    assert buffer() is None
    assert len(new) == 1002


def test_copies_carry_only_their_own_view() -> None:
    view = GrowableArray(np.arange(3)).with_room(1000)
    for copied in (copy.deepcopy(view), pickle.loads(pickle.dumps(view))):
        assert copied.array.tolist() == [0, 1, 2]
        assert copied.room == 0
    words = Vocabulary(["a"])
    words.extended(["b"])
    assert list(copy.deepcopy(words)) == ["a"]
    assert list(pickle.loads(pickle.dumps(GrowableList([1])))) == [1]


def test_sequences_behave_as_lists() -> None:
    index, plain = GrowableIndex("abc"), GrowableList("abc")
    for one in (index, plain):
        assert (one[0], one[-1], one[1:], one[::-1], one == ["a", "b", "c"]) == (
            "a", "c", ["b", "c"], ["c", "b", "a"], True,
        )  # fmt: skip
        for outside in (3, -4):
            with pytest.raises(IndexError):
                one[outside]
    assert index.index("b") == 1
    with pytest.raises(ValueError, match="'x' is not in the index"):
        index.index("x")
    assert repr(index) == "GrowableIndex(3 values)"

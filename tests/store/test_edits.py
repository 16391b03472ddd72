"""The log of operators' decisions: its fold, what it refuses, and two operators at once, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import EditError
from shortlist.store.edits import (
    Action,
    Edit,
    SettingsHistory,
    approve,
    last_edit,
    propose,
    read_history,
    reject,
    undo,
)
from shortlist.store.event_store import EventStore

MORE, LESS = {"weights": {"play": 2.0}}, {"weights": {"play": 0.5}}


def test_propose_approve_undo(store_target: str) -> None:
    store = EventStore(store_target)
    assert (read_history(store), last_edit(store)) == (SettingsHistory(), 0)
    first = propose(store, MORE, {"people": 3}, 0, "more plays", "anna")
    assert read_history(store).settings == {}, "a proposal has no effect"
    approve(store, first, "agreed", "ben")
    second = propose(store, LESS, {}, first, "fewer", "anna")
    third = propose(store, {}, {}, first, "as in the bundle", "anna")
    approve(store, second, "", "ben")
    history = read_history(store)
    assert (history.serving, history.settings) == (second, LESS)
    assert history.states == {first: "approved", second: "approved", third: "open"}
    undo(store, second, "a mistake", "ben")
    history = read_history(store)
    assert (history.serving, history.settings) == (first, MORE)
    approve(store, third, "", "ben")
    assert (read_history(store).serving, read_history(store).settings) == (third, {})
    undo(store, third, "", "ben")
    undo(store, first, "", "ben")
    assert (read_history(store).serving, read_history(store).settings) == (0, {})
    assert [(e.action, e.by) for e in read_history(store).edits][:2] == [
        ("propose", "anna"),
        ("approve", "ben"),
    ]
    store.close()
    again = EventStore(store_target)
    assert read_history(again).proposal(first).body["preview"] == {"people": 3}
    assert last_edit(again) == read_history(again).edits[-1].row
    again.close()


def test_what_is_refused(store_target: str) -> None:
    store = EventStore(store_target)
    first, second = (propose(store, MORE, {}, 0, "x", "anna") for _ in range(2))
    approve(store, first, "", "ben")
    cases: list[tuple[Callable[[], int], str]] = [
        (lambda: approve(store, first, "", "ben"), "was approved already"),
        (lambda: approve(store, second, "", "ben"), f"proposal {first} serves now; reject it"),
        (
            lambda: propose(store, LESS, {}, 0, "x", "anna"),
            "serves now; propose it again on the present settings",
        ),
        (
            lambda: undo(store, second, "", "ben"),
            f"does not serve, so it cannot be undone; proposal {first} serves",
        ),
        (lambda: reject(store, first, "", "ben"), "was approved already"),
    ]
    for decide, sentence in cases:
        with pytest.raises(EditError, match=sentence) as refused:
            decide()
        assert not refused.value.missing
    with pytest.raises(EditError, match="no proposal 99") as refused:
        approve(store, 99, "", "ben")
    assert refused.value.missing
    reject(store, second, "", "ben")
    assert read_history(store).states[second] == "rejected"
    assert len(read_history(store).edits) == 4, "nothing was stored of what was refused"
    store.close()


@given(st.lists(st.sampled_from(["propose", "approve", "reject", "undo"]), max_size=30))
def test_the_fold_is_a_stack(actions: list[Action]) -> None:
    """Any sequence that the store would accept: what serves is the last approved proposal that was not undone."""
    rows: list[Edit] = []
    stack, waiting = [0], list[int]()
    for row, action in enumerate(actions, 1):
        if action == "propose":
            rows.append(Edit(row, 0, action, stack[-1], {"settings": {"weights": {"play": row}}}, "", "a"))
            waiting.append(row)
        elif action in {"approve", "reject"} and waiting:
            rows.append(Edit(row, 0, action, waiting[-1], {}, "", "b"))
            stack += [waiting[-1]] if action == "approve" else []
            waiting.pop()
        elif action == "undo" and len(stack) > 1:
            rows.append(Edit(row, 0, action, stack.pop(), {}, "", "b"))
        history = SettingsHistory.of(rows)
        assert history.serving == stack[-1]
        assert history.settings == ({"weights": {"play": stack[-1]}} if stack[-1] else {})
        assert [row for row, state in history.states.items() if state == "open"] == waiting

"""The queue of events of the Python client, without any I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist_client.errors import ApiError
from shortlist_client.queue import EventQueue
from shortlist_client.requests import EventBody


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def event(item: str, **more: Any) -> EventBody:
    made: Any = {"user": "u", "item": item, "kind": "play", **more}
    return made  # type: ignore[no-any-return]


def a_queue(*items: str, batch_size: int = 50) -> tuple[EventQueue, list[tuple[int, list[Any]]], Clock]:
    lost: list[tuple[int, list[Any]]] = []
    clock = Clock()
    queue = EventQueue(
        batch_size, lambda error, events: lost.append((error.status, [e["item"] for e in events])), clock
    )
    for item in items:
        queue.add(event(item))
    return queue, lost, clock


def items_of(batch: list[EventBody]) -> list[Any]:
    return [one["item"] for one in batch]


def test_events_stay_while_the_server_cannot_take_them() -> None:
    queue, lost, _ = a_queue("a", "b", "c", batch_size=2)
    assert queue.full
    assert items_of(queue.take()) == ["a", "b"]
    wait = queue.failed(ApiError("not now", 503, retry_after=20))
    assert wait is not None
    assert 20 <= wait <= 21.6
    assert not queue.full  # a full batch does not shorten the wait
    assert items_of(queue.take()) == ["a", "b"]
    queue.accepted()
    assert items_of(queue.take()) == ["c"]
    queue.accepted()
    assert (len(queue), queue.take(), lost) == (0, [], [])


def test_an_event_that_waited_has_the_time_at_which_it_happened() -> None:
    queue, _, clock = a_queue("a")
    queue.add(event("own", timestamp=5))
    assert "timestamp" not in queue.take()[0]
    queue.failed(ApiError("not now", 503))
    clock.now += 6
    assert [one.get("timestamp") for one in queue.take()] == [1_000_000, 5]
    # the clock of the client is ahead: the time of the server counts
    assert queue.failed(ApiError("ahead", 422, "events.0.timestamp")) is None
    assert [one.get("timestamp") for one in queue.take()] == [None, 5]
    # the caller's own time stays, and is refused
    assert queue.failed(ApiError("ahead", 422, "events.1.timestamp")) is None
    assert items_of(queue.take()) == ["a"]


def test_an_event_that_is_wrong_is_given_up_and_the_others_are_sent() -> None:
    queue, lost, _ = a_queue("a", "wrong", "c")
    queue.take()
    assert queue.failed(ApiError("no such item", 422, "events.1.item")) is None
    assert items_of(queue.take()) == ["a", "c"]
    assert lost == [(422, ["wrong"])]


@pytest.mark.parametrize("field", [None, "events", "events.7.item", "events.x.item", "n"])
def test_a_batch_that_is_refused_as_a_whole_is_given_up(field: str | None) -> None:
    queue, lost, _ = a_queue("a", "b")
    queue.take()
    assert queue.failed(ApiError("no", 403, field)) is None
    assert (len(queue), lost) == (0, [(403, ["a", "b"])])


def test_a_fault_of_the_server_that_does_not_pass_holds_up_nothing_for_ever() -> None:
    queue, lost, _ = a_queue("a")
    waits = []
    for _ in range(6):
        queue.take()
        waits.append(queue.failed(ApiError("fault", 500)) is not None)
    assert waits == [True] * 5 + [False]
    assert lost == [(500, ["a"])]


def test_at_most_ten_thousand_events_wait() -> None:
    queue, lost, _ = a_queue(*map(str, range(10_002)))
    assert (len(queue), lost) == (10_000, [(0, ["0"]), (0, ["1"])])


def test_what_json_cannot_hold_is_refused_where_it_is_tracked() -> None:
    queue, _, _ = a_queue()
    for value in (float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            queue.add(event("a", value=value))
    assert len(queue) == 0


@given(
    lengths=st.lists(st.integers(0, 30_000), min_size=1, max_size=12),
    faults=st.lists(st.sampled_from([0, 429, 503]), max_size=3),
)
def test_batches_keep_the_order_and_fit_what_servers_take(lengths: list[int], faults: list[int]) -> None:
    queue, _, _ = a_queue(batch_size=5)
    for number, length in enumerate(lengths):
        queue.add(event(str(number), context={"text": "é" * (length // 6)}))
    seen: list[Any] = []
    while batch := queue.take():
        assert len(batch) <= 5
        assert len(batch) == 1 or len(json.dumps({"events": batch})) < 65_536
        if faults:
            assert queue.failed(ApiError("", faults.pop())) is not None
        else:
            seen += items_of(batch)
            queue.accepted()
    assert seen == [str(number) for number in range(len(lengths))]

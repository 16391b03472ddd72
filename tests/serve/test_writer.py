"""The writer in front of a slow or failing store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import RequestError, StoreError
from shortlist.serve import writer as writing
from shortlist.serve.writer import BusyError, Writer
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent, StoredSlate


class SlowStore(EventStore):
    """A store whose writes take `pause` seconds, or fail while `down`."""

    pause, down = 0.3, False

    def write(
        self, events: Sequence[StoredEvent] = (), slates: Sequence[StoredSlate] = ()
    ) -> tuple[list[StoredEvent], int]:
        if self.down:
            raise StoreError("the event store cannot be used: disk full", "store")
        if events:
            time.sleep(self.pause)
        return super().write(events, slates)


def test_slow_store_refuses_events_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_EVENTS", 50)
    landed: list[str] = []

    async def go() -> list[int | str]:
        store = SlowStore(tmp_path / "e.sqlite")
        one = Writer(tmp_path, lambda _: store)
        one.follow(lambda news, _: landed.extend(e.event_id for _, e in news.events), 0, 0)
        one.start()
        batches = [[StoredEvent(f"{b}-{i}", "u", "i", "play", 1) for i in range(10)] for b in range(12)]

        async def add(batch: list[StoredEvent]) -> int | str:
            try:
                return await one.add(batch)
            except BusyError:
                return "busy"

        answers = await asyncio.gather(*(add(batch) for batch in batches))
        assert one.size == 0
        again = await add(batches[0])
        assert again == 0, "sent again, it is there already"
        store.down = True
        with pytest.raises(StoreError):
            await one.add([StoredEvent("never", "u", "i", "play", 1)])
        one.keep(StoredSlate("kept", "u", 1, "p", [], []))
        while one.fault is None:
            await asyncio.sleep(0.02)
        store.down = False
        while one.fault is not None or not list(store.slates()):
            await asyncio.sleep(0.02)
        one.stop()
        assert not one._thread.is_alive()
        assert [s.slate_id for s in store.slates()] == ["kept"]
        assert sorted(e.event_id for e in store.events()) == sorted(landed)
        assert "never" not in landed
        return answers

    answers = asyncio.run(asyncio.wait_for(go(), 60))
    assert answers.count(10) == 5
    assert answers.count("busy") == 7, "more than fifty waiting events are refused"
    assert len(landed) == 50


@pytest.mark.parametrize("value", ["half \ud83e", "a\0b", 2**70])
def test_a_row_that_the_database_refuses_harms_no_other(store_target: str, value: str | int) -> None:
    """Batches of others in the same transaction are stored; its own sender is refused, and its slate is dropped."""
    events = [StoredEvent(f"{n}", "u", "i", "play", 1) for n in range(4)]
    text = value if isinstance(value, str) else "fine"
    bad = StoredEvent(text, "u", "i", text, value if isinstance(value, int) else 1, slate=text)

    async def go() -> list[Any]:
        one = Writer(store_target)
        one.follow(lambda news, _: landed.extend(e.event_id for _, e in news.events), 0, 0)
        for slate_id in ("first", text, "last"):
            one.keep(StoredSlate(slate_id, "u", value if isinstance(value, int) else 1, "p", [], []))
        adding = [asyncio.create_task(one.add(batch)) for batch in (events[:2], [bad], events[2:])]
        await asyncio.sleep(0)
        one.start()
        answers = await asyncio.gather(*adding, return_exceptions=True)
        assert await one.add([StoredEvent("later", "u", "i", "play", 1)]) == 1
        await asyncio.sleep(0)
        assert one.fault is None
        dropped.append(one.dropped_slates)
        one.stop()
        return answers

    landed: list[str] = []
    dropped: list[int] = []
    answers = asyncio.run(asyncio.wait_for(go(), 30))
    store = EventStore(store_target)
    stored, slates = [e.event_id for e in store.events()], [s.slate_id for s in store.slates()]
    store.close()
    if text == "a\0b" and "://" not in store_target:  # SQLite can hold it; the door refuses it all the same
        assert answers == [2, 1, 2]
        return
    assert answers[::2] == [2, 2]
    assert isinstance(answers[1], RequestError)
    assert stored == landed == ["0", "1", "2", "3", "later"]
    if isinstance(value, str):
        assert (slates, dropped) == (["first", "last"], [1])

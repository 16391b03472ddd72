"""The writer in front of a slow or failing store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from shortlist.errors import StoreError
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

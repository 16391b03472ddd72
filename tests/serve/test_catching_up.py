"""A model that is loaded aside while rows come in misses none of them, in their order."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shortlist.recommender import Recommender
from shortlist.serve.live_models import LiveModels, LoadedModel, load_model
from shortlist.serve.writer import Writer
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation, StoredEvent

USERS = ["u00001", "u00002", "a new user"]
ITEMS = ["m00001", "m00002", "m00003"]
ADDED = "added while serving"
EXCHANGES = 6


@pytest.fixture(scope="module")
def base(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


@pytest.fixture(autouse=True)
def _loads_at_once(base: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading gives a new live state of one model, so that many loads take no time."""
    monkeypatch.setattr(Recommender, "load", lambda _: Recommender.of(base.model))


def content(loaded: LoadedModel) -> dict[str, Any]:
    """What the rows left in a state: histories, items and genres, and how often each genre was played."""
    state = loaded.recommender.state
    catalogue = state.catalogue
    return {
        "histories": {user: state.histories.since(user) for user in state.histories.users_since()},
        "erased": sorted(state.erased),
        "titles": list(catalogue.items.titles)[-3:],
        "retired": catalogue.retired.tolist(),
        "genres": [catalogue.items.attributes["genres"].show(row) for row in range(4)],
    }


class OtherServer(threading.Thread):
    """Another server on the same store: events, erasures and changes of items, as fast as it can."""

    def __init__(self, target: Path, start: int) -> None:
        super().__init__()
        self.target, self.begin, self.stopped = target, start, threading.Event()

    def run(self) -> None:
        """Write until stopped."""
        store, random_ = EventStore(self.target), random.Random(5)
        n = 0
        while not self.stopped.is_set():
            n += 1
            user = random_.choice(USERS)
            played = StoredEvent(f"other{n}", user, random_.choice(ITEMS), "play", self.begin + n % 7, 4.0)
            store.write([played])
            if n % 20 == 0:
                store.erase(user, self.begin, "test")
            if n % 3 == 0:
                body = {"attributes": {"genres": [random_.choice(["Drama", "Horror"])]}, "at": self.begin}
                store.add_operations([Operation(self.begin, "item", random_.choice(ITEMS), body, "test")])
            time.sleep(
                0.005
            )  # SQLite's lock goes to whoever asks next: without a pause, the others never get it
        store.close()


def test_models_are_exchanged_beside_events_and_erasures(
    base: Recommender, bundle: Path, tmp_path: Path
) -> None:
    """Models take over while two servers write; afterwards the live state is that of a rebuild."""
    target, start = tmp_path / "e.sqlite", base.dataset.log.time[-1].item()

    async def go() -> LoadedModel:
        writer = Writer(target)
        live = LiveModels(load_model(bundle, writer, warm=False))
        writer.follow(live.land, live.serving.row, live.serving.operation)
        writer.start()
        other = OtherServer(target, start)
        other.start()
        for turn in range(EXCHANGES):
            loading = asyncio.create_task(asyncio.to_thread(load_model, bundle, writer, False))
            n = 0
            while not loading.done() or n < 4:
                n += 1
                user = USERS[n % 3]
                event = StoredEvent(f"{turn}-{n}", user, ITEMS[n % 2], "play", start + n % 5, 4.0)
                await writer.add([event])
                if n == 2:
                    await writer.erase(user, start, "test")
            fresh = await loading
            event = StoredEvent(f"{turn}", "u00002", "m00002", "play", start, 4.0)
            sending = asyncio.create_task(writer.add([event]))
            await live.catch_up(fresh, writer)
            live.serve(fresh)
            await sending
        other.stopped.set()
        other.join()
        await asyncio.sleep(0.5)  # two looks of the store's thread
        writer.stop()
        await asyncio.sleep(0)
        return live.serving

    serving = asyncio.run(asyncio.wait_for(go(), 120))
    writer = Writer(target)
    assert content(serving) == content(load_model(bundle, writer, warm=False))
    writer.stop()


def test_the_last_event_was_erased(base: Recommender, bundle: Path, tmp_path: Path) -> None:
    """The row that the serving model read last is gone, and no model has to wait for it."""
    start = base.dataset.log.time[-1].item()

    async def go() -> LoadedModel:
        writer = Writer(tmp_path / "e.sqlite")
        live = LiveModels(load_model(bundle, writer, warm=False))
        writer.follow(live.land, live.serving.row, live.serving.operation)
        writer.start()
        await writer.add([StoredEvent("last", "u00001", "m00001", "play", start)])
        await writer.erase("u00001", start, "test")
        fresh = await asyncio.to_thread(load_model, bundle, writer, False)
        await live.catch_up(fresh, writer)
        live.serve(fresh)
        await writer.add([StoredEvent("next", "u00002", "m00001", "play", start)])
        writer.stop()
        return fresh

    fresh = asyncio.run(asyncio.wait_for(go(), 10))
    assert list(fresh.recommender.state.histories.users_since()) == ["u00002"]
    assert fresh.recommender.state.erased == {"u00001"}


def test_a_change_waits_for_the_events_before_it(base: Recommender, bundle: Path, tmp_path: Path) -> None:
    """An event and a change of its item, written by another server between two reads, count in the order of their rows."""
    target, start = tmp_path / "e.sqlite", base.dataset.log.time[-1].item()
    store = EventStore(target)
    add = Operation(start, "item", ADDED, {"title": ADDED, "at": start}, "test")
    store.write([StoredEvent("1", "u00001", "m00001", "play", start)])
    store.write([StoredEvent("2", "u00001", ADDED, "play", start)])  # there is no such item yet
    store.add_operations([add])
    store.write([StoredEvent("3", "u00001", ADDED, "play", start)])
    events, operations = store.rows_since(0, 0, limit=1)
    assert ([row for row, _ in events], operations) == ([1], [])
    events, operations = store.rows_since(1, 0, limit=1)
    assert ([row for row, _ in events], [o.what for _, o in operations]) == ([2], ["item"])
    loaded = LoadedModel(Recommender.of(base.model), bundle)
    more = True
    while more:
        rows = store.rows_since(loaded.row, loaded.operation, limit=1)
        loaded.take(*rows)
        more = any(rows)
    assert loaded.not_replayed == 1
    assert len(loaded.recommender.state.histories.since("u00001")) == 2
    store.close()

"""Servers that are killed under load: no acknowledged event is lost."""

from __future__ import annotations

import random
import threading
import time
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.recommender import Recommender
from shortlist.serve.live_models import LoadedModel, load_model
from shortlist.serve.writer import Writer
from shortlist.store.event_store import EventStore
from support.http import call
from support.servers import Server
from support.waiting import wait_for


class Sender(threading.Thread):
    """Sends batches continuously, some of them twice, and records the acknowledged events."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(daemon=True)
        self.url, self.label, self.rng = url, name, random.Random(name)
        self.acknowledged: dict[str, int] = {}
        self.sent, self.stopped = 0, False

    def run(self) -> None:
        batch: list[dict[str, Any]] = []
        while not self.stopped:
            if not batch or self.rng.random() > 0.2:
                batch = [self.event() for _ in range(self.rng.randint(1, 8))]
            try:
                status, answer = call(f"{self.url}/v1/events", {"events": batch})
            except (OSError, urllib.error.URLError, ConnectionError):
                time.sleep(0.01)  # the server is down: send the same batch again
                continue
            if status == 200:
                assert answer["accepted"] + answer["repeated"] == len(batch)
                self.acknowledged |= {e["event_id"]: e["value"] for e in batch}
                batch = []

    def event(self) -> dict[str, Any]:
        self.sent += 1
        return {
            "event_id": f"{self.label}-{self.sent}",
            "user": f"u{self.rng.randint(0, 40):05d}",
            "item": f"m{self.rng.randint(0, 250):05d}",
            "kind": "play",
            "value": self.rng.randint(1, 9_000),
            "timestamp": 1_000_000_000_000 + self.rng.randint(0, 10**11),
        }


def same_counters(one: Recommender, other: Recommender) -> None:
    assert one.state.counters.counters
    now = max(one.now(), other.now())
    for aggregate, counter in one.state.counters.counters.items():
        twin = other.state.counters.counters[aggregate]
        counter.advance(now)
        twin.advance(now)
        if counter.index is None:
            keys = np.arange(one.model.features.encoder.size(aggregate.by))
        else:
            assert twin.index is not None
            keys = np.union1d(counter.index.table.keys_by_slot(), twin.index.table.keys_by_slot())
        for name in ("n", "total", "last"):
            a, b = (getattr(c, name)[c.slots(keys)] for c in (counter, twin))
            there = (counter.n[counter.slots(keys)] > 0) | (name == "n")
            np.testing.assert_array_equal(a[there], b[there], f"{aggregate} {name}")
    users = one.state.histories.users_since()
    assert set(users) == set(other.state.histories.users_since())
    for user in users:
        assert one.state.histories.since(user) == other.state.histories.since(user)


@pytest.mark.parametrize(("where", "kills"), [("sqlite", 4), ("postgresql", 2)])
def test_no_acknowledged_event_is_lost_when_killed_under_load(
    bundle: Path, tmp_path: Path, request: pytest.FixtureRequest, full: bool, where: str, kills: int
) -> None:
    """No acknowledged event is lost or stored twice, and the live state equals one rebuilt from the store."""
    kills = {"sqlite": 40, "postgresql": 10}[where] if full else kills
    target = (
        tmp_path / "events.sqlite" if where == "sqlite" else request.getfixturevalue("postgres").database()
    )
    server = Server(bundle, target)
    senders = [Sender(server.url, f"s{n}") for n in range(3)]
    for sender in senders:
        sender.start()
    rng = random.Random(1)
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 0.4))
        server.kill()
        server.start()
    wait_for(lambda: sum(len(s.acknowledged) for s in senders) > 10 * kills, "enough acknowledged events")
    for sender in senders:
        sender.stopped = True
    for sender in senders:
        sender.join(30)
    acknowledged = {i: v for sender in senders for i, v in sender.acknowledged.items()}
    assert len(acknowledged) > 10 * kills
    store = EventStore(target)
    stored = list(store.events())
    assert len({e.event_id for e in stored}) == len(stored), "an event was stored twice"
    held = {e.event_id: e.value for e in stored}
    assert not set(acknowledged) - set(held), "an acknowledged event was lost"
    assert all(held[i] == value for i, value in acknowledged.items())
    last = store.events_since(0, 10**9)[-1][0]
    assert call(f"{server.url}/readyz")[1]["row"] == last
    for person in ("u00001", "u00017"):  # the server's own live state
        known = call(f"{server.url}/v1/users/{person}/history?n=200")[1]
        mine = sum(e.user == person for e in stored)
        assert known["events"] >= mine
    server.kill()
    writer = Writer(target)
    rebuilt = load_model(bundle, writer, warm=False)
    writer.stop()
    live = LoadedModel(Recommender.load(bundle), bundle)
    rows = store.events_since(0, 10**9)
    while rows:  # a few at a time, as a server does
        n = rng.randint(1, 9)
        live.take(rows[:n], [])
        rows = rows[n:]
    same_counters(rebuilt.recommender, live.recommender)
    store.close()

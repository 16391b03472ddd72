"""What happens when things go wrong: kills, a store that is away, slow or full, a clock that goes back; replicas; models that change."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.bundle.registry import Models
from shortlist.errors import BundleError, StoreError
from shortlist.recommender import Recommender
from shortlist.serve import writer as writing
from shortlist.serve.live_models import Live, Loaded, load
from shortlist.serve.model_check import faults
from shortlist.serve.writer import BusyError, Writer
from shortlist.store.event_store import EventStore
from shortlist.store.records import StoredEvent, StoredSlate
from support.bundles import copy_bundle
from support.http import call
from support.postgres import Postgres
from support.servers import Server


class Sender(threading.Thread):
    """Sends batches all the time, some of them twice, and remembers what was acknowledged."""

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
                time.sleep(0.01)  # dead at the moment: the same batch again
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
    assert one.counts.counters
    now = max(one.now(), other.now())
    for aggregate, counter in one.counts.counters.items():
        twin = other.counts.counters[aggregate]
        counter.advance(now)
        twin.advance(now)
        if counter.index is None:
            keys = np.arange(one.features.encoder.size(aggregate.by))
        else:
            assert twin.index is not None
            keys = np.union1d(counter.index.table.keys_by_slot(), twin.index.table.keys_by_slot())
        for name in ("n", "total", "last"):
            a, b = (getattr(c, name)[c.slots(keys)] for c in (counter, twin))
            there = (counter.n[counter.slots(keys)] > 0) | (name == "n")
            np.testing.assert_array_equal(a[there], b[there], f"{aggregate} {name}")
    assert dict(one.people.since) == dict(other.people.since)


@pytest.mark.parametrize(("where", "kills"), [("sqlite", 6), ("postgresql", 3)])
def test_killed_again_and_again_under_load(
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
    time.sleep(0.3)
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
    rebuilt = load(bundle, store, warm=False)
    live = Loaded(Recommender.load(bundle), bundle)
    rows = store.events_since(0, 10**9)
    while rows:  # as a server takes them: a few at a time
        n = rng.randint(1, 9)
        live.take(rows[:n], [])
        rows = rows[n:]
    same_counters(rebuilt.recommender, live.recommender)
    store.close()


def test_replicas_see_each_other_and_people_are_not_pinned(bundle: Path, postgres: Postgres) -> None:
    target = postgres.database()
    one, two = Server(bundle, target), Server(bundle, target, "--workers", "2")
    try:
        slow = []
        for n in range(10):
            asked, told = (one, two) if n % 2 else (two, one)
            person = f"wanderer{n}"
            item = call(f"{asked.url}/v1/recommend", {"user": person})[1]["items"][0]["item"]
            event = {"user": person, "item": item, "kind": "play", "value": 5000}
            assert call(f"{told.url}/v1/events", {"events": [event]})[1]["accepted"] == 1
            started = time.monotonic()
            while item in {
                i["item"] for i in call(f"{asked.url}/v1/recommend", {"user": person})[1]["items"]
            }:
                assert time.monotonic() - started < 5
                time.sleep(0.02)
            slow.append(time.monotonic() - started)
        assert float(np.median(slow)) < 1.0, slow
        price = {"attributes": {}, "retired": True}
        assert call(f"{one.url}/v1/items/m00005", price, method="PUT")[0] == 200
        time.sleep(1.0)
        shown = call(f"{two.url}/v1/recommend", {"n": 200})[1]["items"]
        assert "m00005" not in {i["item"] for i in shown}
    finally:
        one.stop()
        two.stop()


def test_with_the_store_away_recommendations_go_on(bundle: Path) -> None:
    own = Postgres()
    server = Server(bundle, own.database())
    event = {"user": "u00001", "item": "m00001", "kind": "play", "value": 9.0, "event_id": "x"}
    try:
        assert call(f"{server.url}/readyz")[1]["status"] == "ready"
        own.stop("immediate")
        status, answer = call(f"{server.url}/v1/events", {"events": [event]})
        assert (status, answer["field"]) == (503, None)
        assert "127.0.0.1" not in answer["error"]
        ready = call(f"{server.url}/readyz")[1]
        assert (ready["status"], len(ready["reasons"])) == ("degraded", 1)
        assert all(call(f"{server.url}/v1/recommend", {"user": f"u{n:05d}"})[0] == 200 for n in range(20))
        assert "shortlist_store_up 0.0" in call(f"{server.url}/metrics")[1]
        own.start()
        for _ in range(100):
            status, answer = call(f"{server.url}/v1/events", {"events": [event]})
            if status == 200:
                break
            time.sleep(0.2)
        assert (status, answer["accepted"]) == (200, 1)
        assert call(f"{server.url}/readyz")[1]["status"] == "ready"
        time.sleep(0.8)
        kept = EventStore(server.store)
        assert len(list(kept.slates())) >= 20, "slates waited until the store was back"
        kept.close()
    finally:
        server.stop()
        own.remove()


class Slow(EventStore):
    """A disk that takes its time."""

    pause, down = 0.3, False

    def write(self, batch: list[StoredEvent], shown: list[StoredSlate]) -> tuple[list[StoredEvent], int]:
        if self.down:
            raise StoreError("the event store cannot be used: disk full", "store")
        if batch:
            time.sleep(self.pause)
        return super().write(batch, shown)


def test_a_slow_store_pushes_back_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST", 50)
    landed: list[str] = []

    async def go() -> list[int | str]:
        store = Slow(tmp_path / "e.sqlite")
        one = Writer(store, lambda news: landed.extend(e.event_id for _, e in news.events))
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
        one.show(StoredSlate("kept", "u", 1, "p", [], []))
        await asyncio.sleep(0.7)
        assert one.trouble is not None
        store.down = False
        await asyncio.sleep(1.2)
        assert one.trouble is None
        one.stop()
        assert [s.slate_id for s in store.slates()] == ["kept"]
        assert sorted(e.event_id for e in store.events()) == sorted(landed)
        assert "never" not in landed
        return answers

    answers = asyncio.run(go())
    assert answers.count(10) == 5
    assert answers.count("busy") == 7, "more than fifty waiting events are refused"
    assert len(landed) == 50


def test_the_clock_may_go_back(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    fresh = Recommender.load(bundle)
    start = fresh.now()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert fresh.now() >= start
    item = fresh.recommend(user="late", n=1).items[0].item
    fresh.observe("late", item, "play", value=9.0)
    assert item not in {r.item for r in fresh.recommend(user="late", n=5).items}
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert fresh.now() > start
    assert fresh.recommend(user="late", n=3).items


# ---------------------------------------------------------------- models


def test_a_folder_of_models(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    models = Models(folder)
    with pytest.raises(BundleError, match="no bundle that may serve"):
        models.current()
    for number in (1, 2, 3):
        copy_bundle(bundle, folder / f"b{number}", f"v{number}", 1_000 * number)
    assert models.current().version == "v3"
    models.serves("v3")
    assert models.promote("v1").version == models.current().version == "v1"
    models.serves("v1")
    assert models.rollback().version == "v3"
    assert {m.version: m.rejected != "" for m in models.list()} == {"v1": True, "v2": False, "v3": False}
    models.release()
    models.reject("v3", "worse")
    assert models.current().version == "v2"
    models.try_on("v3", 0.2)
    models.shadow("v2")
    assert models.state()["canary"] == {"version": "v3", "share": 0.2}
    with pytest.raises(BundleError, match="v9"):
        models.promote("v9")
    with pytest.raises(BundleError, match="is one bundle"):
        Models(bundle).shadow(None)
    (folder / "models.json").write_text("{")
    with pytest.raises(BundleError, match="cannot be read"):
        models.current()


def test_what_the_check_finds(bundle: Path, tmp_path: Path, recommender: Recommender) -> None:
    assert faults(Recommender.load(bundle), recommender) == []

    def edit(folder: Path) -> None:
        path = folder / "ranker" / "ranker.json"
        meta = json.loads(path.read_text())
        for name, calibration in meta["calibration"].items():
            if name == "seconds":
                calibration["slope"] *= 50
        path.write_text(json.dumps(meta))

    wild = Recommender.load(copy_bundle(bundle, tmp_path / "wild", "wild", 1, edit))
    found = faults(wild, recommender)
    assert len(found) == 1
    assert "mean seconds" in found[0]
    flat = Recommender.load(bundle)
    monotone = flat.ranker.predict
    flat.ranker.predict = lambda matrix: np.full_like(monotone(matrix), np.nan)  # type: ignore[method-assign]
    assert any("not finite" in fault for fault in faults(flat, recommender))


def test_models_change_under_load_and_nobody_notices(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    copy_bundle(bundle, folder / "b1", "v1", 1_000)
    server = Server(folder, tmp_path / "e.sqlite")
    failed: list[Any] = []
    versions: set[str] = set()
    answered = [0]
    stop = threading.Event()

    def ask(which: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            status, answer = call(
                f"{server.url}/v1/recommend", {"user": f"u{(7 * n + which) % 500:05d}", "n": 5}
            )
            answered[0] += 1
            if status != 200 or len(answer["items"]) != 5:
                failed.append((status, answer))
            else:
                versions.add(answer["model_version"])
            item = answer["items"][0]["item"] if status == 200 else "m00001"
            event = {
                "user": f"w{which}",
                "item": item,
                "kind": "play",
                "value": 10.0,
                "event_id": f"{which}-{n}",
            }
            status, answer = call(f"{server.url}/v1/events", {"events": [event]})
            if (status, answer) != (200, {"accepted": 1, "repeated": 0}):
                failed.append((status, answer))

    def until(version: str) -> None:
        for _ in range(200):
            if call(f"{server.url}/healthz")[1]["model_version"] == version:
                return
            time.sleep(0.1)
        raise AssertionError(f"{version} did not take over: {call(f'{server.url}/readyz')}")

    threads = [threading.Thread(target=ask, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    try:
        until("v1")
        copy_bundle(bundle, folder / "b2", "v2", 2_000)
        until("v2")
        # one that is damaged is turned down, and the one that serves goes on
        broken = copy_bundle(bundle, folder / "b3", "v3", 3_000)
        (broken / "ranker" / "ranker.json").write_text("{}")
        for _ in range(100):
            if Models(folder).state()["rejected"]:
                break
            time.sleep(0.1)
        assert "checksum" in Models(folder).state()["rejected"]["v3"]
        assert call(f"{server.url}/healthz")[1]["model_version"] == "v2"
        assert call(f"{server.url}/v1/admin/models/rollback", {})[0] == 200
        until("v1")
        status, said = call(f"{server.url}/v1/admin/models/promote", {"version": "v2"})
        assert (status, said) == (200, {"version": "v2"})
        until("v2")
        copy_bundle(bundle, folder / "b4", "v4", 4_000)
        assert call(f"{server.url}/v1/admin/models/canary", {"version": "v4", "share": 0.5})[0] == 200
        for _ in range(100):
            if call(f"{server.url}/readyz")[1]["canary"] == "v4":
                break
            time.sleep(0.1)
        versions.clear()
        time.sleep(1.5)
        assert versions == {"v2", "v4"}
        who = {f"u{n:05d}": call(f"{server.url}/v1/recommend", {"user": f"u{n:05d}"})[1] for n in range(40)}
        again = {u: call(f"{server.url}/v1/recommend", {"user": u})[1]["model_version"] for u in who}
        assert again == {u: a["model_version"] for u, a in who.items()}, "a person stays with a model"
        assert 8 <= sum(v == "v4" for v in again.values()) <= 32
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
        server.stop()
    assert not failed, failed[:3]
    assert answered[0] > 100
    # after all these changes the live state is still that of the store
    store = EventStore(tmp_path / "e.sqlite")
    assert len(list(store.events())) == len({e.event_id for e in store.events()}) >= answered[0] - 3
    what = [o.body["version"] for _, o in store.operations_since(0) if o.what == "model"]
    assert what == ["v1", "v2", "v4"]


def test_a_canary_takes_its_share(recommender: Recommender, bundle: Path) -> None:
    other = Recommender.load(bundle)
    live = Live(Loaded(recommender, bundle), Loaded(other, bundle), 0.3)
    share = np.mean([live.of(f"u{n}") is other for n in range(4000)])
    assert 0.26 < share < 0.34
    assert live.of(None) is recommender

"""Several servers on one store, and a store that is unavailable."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from shortlist.store.event_store import EventStore
from support.http import call
from support.postgres import Postgres
from support.servers import Server
from support.waiting import wait_for


def test_replicas_see_events_of_each_other(bundle: Path, postgres: Postgres) -> None:
    target = postgres.database()
    one, two = Server(bundle, target), Server(bundle, target, "--workers", "2")
    try:
        slow = []
        for n in range(10):
            reader, writer = (one, two) if n % 2 else (two, one)
            person = f"wanderer{n}"
            item = call(f"{reader.url}/v1/recommend", {"user": person})[1]["items"][0]["item"]
            event = {"user": person, "item": item, "kind": "play", "value": 5000}
            assert call(f"{writer.url}/v1/events", {"events": [event]})[1]["accepted"] == 1
            started = time.monotonic()
            while item in {
                i["item"] for i in call(f"{reader.url}/v1/recommend", {"user": person})[1]["items"]
            }:
                assert time.monotonic() - started < 30
                time.sleep(0.02)
            slow.append(time.monotonic() - started)
        assert float(np.median(slow)) < 5.0, slow
        price = {"attributes": {}, "retired": True}
        assert call(f"{one.url}/v1/items/m00005", price, method="PUT")[0] == 200

        def shown() -> set[str]:
            return {i["item"] for i in call(f"{two.url}/v1/recommend", {"n": 200})[1]["items"]}

        wait_for(lambda: "m00005" not in shown(), "the other server retires the item")
    finally:
        one.stop()
        two.stop()


def test_recommendations_continue_without_the_store(bundle: Path) -> None:
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

        def accepted() -> int:
            status, answer = call(f"{server.url}/v1/events", {"events": [event]})
            return int(answer["accepted"]) if status == 200 else 0

        assert wait_for(accepted, "the store is used again") == 1
        wait_for(lambda: call(f"{server.url}/readyz")[1]["status"] == "ready", "the server is ready")
        store = EventStore(server.store)
        wait_for(lambda: len(list(store.slates())) >= 20, "the slates that waited are stored")
        store.close()
    finally:
        server.stop()
        own.remove()

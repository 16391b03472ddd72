"""How long requests wait while 1,000 items are added to, or changed in, a catalogue of a million by one `PUT /v1/items`.

One connection requests slates all the time. The table states the longest answer during each PUT and the 300 ms after it
(when it has an effect), beside the longest answer of spans of the same length without any change.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from serve import Running  # type: ignore[attr-defined]  # not tests/serve

ITEMS, TURNS, AFTER = 1000, 8, 0.3
HEAD = [
    "| during | PUT answered, ms | longest request, ms: median | worst |",
    "| --- | --- | --- | --- |",
]


class Requests:
    """A connection that requests one slate after the other on a thread of its own."""

    def __init__(self, port: int, users: int) -> None:
        self.port, self.users = port, users
        self.spans: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        rng, connection = (
            np.random.default_rng(0),
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=30),
        )
        while not self._stopped.is_set():
            body = json.dumps({"user": int(rng.integers(self.users)), "n": 20})
            started = time.perf_counter()
            connection.request("POST", "/v1/recommend", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            self.spans.append((started, time.perf_counter()))
        connection.close()

    def longest(self, start: float, end: float) -> float:
        """Milliseconds of the longest answer that overlaps a span."""
        return max(1000 * (b - a) for a, b in self.spans if b >= start and a <= end)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


def body_of(items: list[int]) -> str:
    """The body of a PUT that sets the title and all six attributes of some items."""
    rng = np.random.default_rng(items[0])
    attributes = {"rating": 4.0, "stock": 3, "added": "2026-09-01T00:00:00Z"}
    return json.dumps(
        {
            "items": [
                {
                    "item": item,
                    "title": f"Item {item}, again",
                    "attributes": {
                        **attributes,
                        "category": f"c{rng.integers(100)}",
                        "brand": f"b{rng.integers(2000)}",
                        "price": round(float(rng.uniform(1, 99)), 2),
                    },
                }
                for item in items
            ]
        }
    )


def measure(server: Running, items: int, users: int) -> list[str]:
    """The table, as lines of Markdown, for a running server with a catalogue of `items` items."""
    requests, rng = Requests(server.port, users), np.random.default_rng(1)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    time.sleep(2)
    found: dict[str, list[tuple[float, float]]] = {}

    def put(what: str, body: str | None) -> None:
        started = time.perf_counter()
        if body is None:
            time.sleep(0.1)
        else:
            connection.request("PUT", "/v1/items", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
        ended = time.perf_counter()
        time.sleep(AFTER + 0.2)
        found.setdefault(what, []).append(
            (1000 * (ended - started), requests.longest(started, ended + AFTER))
        )

    for turn in range(TURNS):
        put("no change", None)
        put(f"{ITEMS:,} items added", body_of(list(range(items + ITEMS * turn, items + ITEMS * (turn + 1)))))
        put("no change", None)
        put(f"{ITEMS:,} items changed", body_of(rng.choice(items, ITEMS, replace=False).tolist()))
    requests.stop()
    rows = []
    for what, measured in found.items():
        took, longest = np.array(measured).T
        answered = "" if what == "no change" else f"{np.median(took):.0f}"
        rows.append(f"| {what} | {answered} | {np.median(longest):.1f} | {longest.max():.1f} |")
    return [*HEAD, *rows]

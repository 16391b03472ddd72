"""Requests that run beside what a test does to the servers."""

from __future__ import annotations

import threading
from typing import Any

from support.http import call


class Load:
    """Three threads that request slates and send events until they are stopped.

    Attributes
    ----------
    answered : int
        Number of requests.
    accepted : int
        Number of events that the server stored.
    failed : list
        Status and body of each response that was not as expected.
    versions : set of str
        Versions of the models that answered.
    """

    def __init__(self, url: str) -> None:
        self.url, self.answered, self.accepted = url, 0, 0
        self.failed: list[Any] = []
        self.versions: set[str] = set()
        self.stopped, self.counting = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(which,)) for which in range(3)]
        for thread in self.threads:
            thread.start()

    def run(self, which: int) -> None:
        """Alternate between a request and an event about the first item of its slate, fifty times a second at most."""
        n = 0
        while not self.stopped.wait(0.02):
            n += 1
            user = f"u{(7 * n + which) % 500:05d}"
            status, slate = call(f"{self.url}/v1/recommend", {"user": user, "n": 5})
            with self.counting:
                self.answered += 1
            item = "m00001"
            if status == 200 and len(slate["items"]) == 5:
                self.versions.add(slate["model_version"])
                item = slate["items"][0]["item"]
            else:
                self.failed.append((status, slate))
            event = {
                "user": f"w{which}",
                "item": item,
                "kind": "play",
                "value": 10.0,
                "event_id": f"{which}-{n}",
            }
            answer = call(f"{self.url}/v1/events", {"events": [event]})
            if answer == (200, {"accepted": 1, "repeated": 0}):
                with self.counting:
                    self.accepted += 1
            else:
                self.failed.append(answer)

    def stop(self) -> None:
        """Stop the threads, each after its current request."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)

"""The cascade is re-entrant: threads and a model check never change each other's answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.slates import Slate
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.serve.model_check import faults_of
from support.sizes import size

THREADS = 8
REQUESTS = size(720, 10_000)  # four times as many as there are different ones, at least
USERS = size(30, 50)


def content(slate: Slate) -> list[tuple[Any, float, tuple[float, ...], str]]:
    return [(r.item, r.score, tuple(r.predictions.values()), r.reason) for r in slate]


def request_of(number: int, users: list[Any], now: int) -> RecommendRequest:
    """Requests of several kinds: users, a visitor, a history, another size, a filter, another weight."""
    user = users[number % len(users)]
    kinds = (
        RecommendRequest(user, 10, now=now),
        RecommendRequest(user, 5, now=now, weights={"seconds": 3.0}),
        RecommendRequest(None, 10, now=now),
        RecommendRequest(None, 10, now=now, history=["m00001", "m00007", "m00012"]),
        RecommendRequest(user, 8, now=now, diversity=0.7),
        RecommendRequest(user, 10, now=now, filters={"genres": {"none": ["Horror"]}}),
    )
    return kinds[number % len(kinds)]


@pytest.fixture
def background_check(recommender: Recommender, bundle: Path) -> Iterator[list[list[str]]]:
    """A model check that runs all the time, as it does beside a server's requests."""
    found: list[list[str]] = []
    stop = threading.Event()

    def check() -> None:
        fresh = Recommender.load(bundle)
        while not stop.wait(0.2):
            found.append(faults_of(fresh, recommender))

    thread = threading.Thread(target=check)
    thread.start()
    yield found
    stop.set()
    thread.join()


def test_eight_threads_and_a_model_check(
    recommender: Recommender, dataset: Dataset, background_check: list[list[str]]
) -> None:
    """Requests from eight threads, each equal to the same request alone."""
    users = dataset.users.ids.ids(np.arange(USERS))
    now = recommender.now()
    distinct = 6 * USERS  # the requests repeat after so many
    alone = [content(recommender.recommend(request_of(number, users, now))) for number in range(distinct)]
    wrong: list[int] = []

    def ask(numbers: range) -> None:
        for number in numbers:
            slate = recommender.recommend(request_of(number, users, now))
            if content(slate) != alone[number % distinct]:
                wrong.append(number)

    with ThreadPoolExecutor(THREADS) as pool:
        share = REQUESTS // THREADS
        list(pool.map(ask, [range(t * share, (t + 1) * share) for t in range(THREADS)]))
    assert wrong == []
    assert all(
        content(recommender.recommend(request_of(number, users, now))) == alone[number]
        for number in range(0, distinct, 7)
    ), "later requests are wrong too"
    assert background_check
    assert not any(background_check)


def test_events_and_requests_at_the_same_time(bundle: Path, dataset: Dataset) -> None:
    """While one thread adds events, others ask: afterwards the state is the same as without them."""
    quiet, busy = Recommender.load(bundle), Recommender.load(bundle)
    users = dataset.users.ids.ids(np.arange(20))
    items = dataset.items.ids.ids(np.arange(40))
    now = busy.now()
    events = [(users[at % 20], items[(7 * at) % 40], now + at) for at in range(400)]
    done = threading.Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            busy.recommend(users[asked % 20], now=now + 1_000)
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        for user, item, moment in events:
            busy.observe(user, item, "play", timestamp=moment, value=60.0)
        done.set()
        assert all(future.result() > 0 for future in asking)
    for user, item, moment in events:
        quiet.observe(user, item, "play", timestamp=moment, value=60.0)
    for user in users:
        assert content(busy.recommend(user, now=now + 1_000)) == content(
            quiet.recommend(user, now=now + 1_000)
        )
    for counter in busy.state.counters.counters.values():
        assert (counter.n >= 0).all()

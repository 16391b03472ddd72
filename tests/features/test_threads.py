"""Any number of threads may compute matrices at once: computation keeps nothing on shared objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import KeyRows
from shortlist.features.rows import FeatureRows
from support.feature_cases import feature_set, make, requests_for_all_items

THREADS = 8
REQUESTS = 40


def random_dataset(seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    events = [
        (
            str(rng.choice(["u", "v", "w"])),
            str(rng.choice(["a", "b", "c"])),
            float(rng.integers(1_000, 4_000)),
            str(rng.choice(["play", "play", "show"])),
            float(np.float32(rng.normal())),
        )
        for _ in range(400)
    ]
    return make(events, devices=[str(d) for d in rng.choice(["tv", "phone"], len(events))])


def request(dataset: Dataset, number: int, now: int) -> FeatureRows:
    """Three requests of a batch: users and visitors, with histories of different lengths."""
    rng = np.random.default_rng(number)
    users = rng.integers(-1, 3, 3).astype(np.int32)
    ends = rng.integers(now - 3_000_000, now, 3)
    history = as_of(dataset.histories, rng.integers(0, 3, 3), ends)
    return requests_for_all_items(dataset, users, np.full(3, now), history)


def use_another(seed: int, stop: Event) -> int:
    """Fit, count, update and compute with objects of its own until it is stopped; return the number of rounds."""
    rounds = 0
    while not stop.is_set():
        dataset = random_dataset(seed + rounds % 3)
        features = feature_set(dataset).fit(dataset)
        counters, items = features.counters(dataset), features.item_features(dataset.items)
        for second in (4_100, 4_400, 9_000):
            counters.advance(second * 1_000)
            features.online_matrix(request(dataset, second, second * 1_000), counters, items)
            rows = np.arange(len(dataset.log))
            events = KeyRows.of_events(dataset.log, rows, items.attributes)
            counters.add_many("play", events, dataset.log.time + second, dataset.log.value)
            items.update([0, 1, 2], dataset.items)
        assert all(counter.n.min() >= 0 for counter in counters.counters.values())
        rounds += 1
    return rounds


@pytest.mark.parametrize("seed", [0, 1])
def test_threads_compute_the_same_matrices_as_one(seed: int) -> None:
    dataset = random_dataset(seed)
    features: FeatureSet = feature_set(dataset).fit(dataset)
    counters, items = features.counters(dataset), features.item_features(dataset.items)
    now = 4_000_000
    counters.advance(now)

    def compute(number: int) -> NDArray[np.float32]:
        return features.online_matrix(request(dataset, number, now), counters, items)

    alone = [compute(number) for number in range(REQUESTS)]
    stop = Event()
    with ThreadPoolExecutor(THREADS + 1) as threads:
        other = threads.submit(use_another, seed + 10, stop)
        try:
            work = [n for k in range(THREADS) for n in np.roll(np.arange(REQUESTS), 5 * k).tolist()]
            together = list(threads.map(compute, work))
        finally:
            stop.set()
        assert other.result() >= 1
    for number, matrix in zip(work, together, strict=True):
        np.testing.assert_array_equal(matrix, alone[number])
    for counter in counters.counters.values():
        assert counter.n.min() >= 0


def test_a_matrix_changes_neither_counters_nor_items() -> None:
    dataset = random_dataset(5)
    features = feature_set(dataset).fit(dataset)
    counters, items = features.counters(dataset), features.item_features(dataset.items)
    counters.advance(4_000_000)
    before = {a: (c.head, c.n.copy(), c.ring_n.copy()) for a, c in counters.counters.items()}
    columns = items.columns.copy()
    features.online_matrix(request(dataset, 1, 50_000_000), counters, items)
    for aggregate, (head, n, ring) in before.items():
        counter = counters.counters[aggregate]
        assert counter.head == head
        np.testing.assert_array_equal(counter.n, n)
        np.testing.assert_array_equal(counter.ring_n, ring)
    np.testing.assert_array_equal(items.columns, columns)

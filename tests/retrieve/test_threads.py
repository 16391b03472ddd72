"""A fitted model answers many threads at once, each as if it were alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.retrieve import ALS, RETRIEVERS, SLIM, Fuse, Neighbours, Requests, Retriever
from support.interactions import make_requests
from support.retrievers import made

THREADS = 8
REPEATS = 40


def fitted(name: str, dataset: Dataset) -> Retriever:
    if name == "blend":
        return Fuse({"slim": SLIM(), "als": ALS(factors=8), "neighbours": Neighbours()}).fit(dataset)
    return made(name).fit(dataset)


@pytest.mark.parametrize("name", [*RETRIEVERS, "blend"])
def test_eight_threads_get_the_answers_of_one(name: str, dataset: Dataset) -> None:
    model = fitted(name, dataset)
    rng = np.random.default_rng(0)
    n = len(dataset.items)
    histories = [rng.integers(0, n, rng.integers(1, 30)).tolist() for _ in range(THREADS)]
    wanted = rng.integers(0, n, (1, 50))

    def requests(row: int) -> Requests:
        seen = np.array(histories[row])
        return make_requests(histories[row], excluded_indptr=np.array([0, len(seen)]), excluded=seen)

    def answer(row: int) -> list[np.ndarray]:
        found = model.retrieve(requests(row), 50)
        return [found.item, found.score, model.score_items(requests(row), wanted)]

    single = [answer(row) for row in range(THREADS)]

    def wrong(row: int) -> int:
        return sum(
            not all(np.array_equal(a, b) for a, b in zip(answer(row), single[row], strict=True))
            for _ in range(REPEATS)
        )

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(wrong, range(THREADS))) == 0

"""A recommender in other processes: forked before and after use, spawned, preloaded by a server, in joblib, in asyncio."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from support.processes import HELD, Answer, answers, inherited_answers, loaded_answers

USERS = 12


@pytest.fixture(scope="module")
def asked(dataset: Dataset, recommender: Recommender) -> tuple[list[Any], int, Answer]:
    """Users, a moment, and the expected answers; a batch has used every thread pool by then."""
    users, now = dataset.users.ids.ids(np.arange(USERS)), recommender.now()
    return users, now, answers(recommender, users, now)


def test_forked_after_a_batch(recommender: Recommender, asked: tuple[list[Any], int, Answer]) -> None:
    """The parent has used its threads; eight children inherit the model, and the parent goes on."""
    users, now, expected = asked
    HELD[:] = [recommender]
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(inherited_answers, [users] * 8, [now] * 8, timeout=120))
    assert all(one == expected for one in found)
    assert answers(recommender, users, now) == expected


def test_preloaded_and_forked_by_hand(bundle: Path, asked: tuple[list[Any], int, Answer]) -> None:
    """As a server that loads the model once and forks its workers from it."""
    users, now, expected = asked
    preloaded = Recommender.load(bundle)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            try:
                os._exit(0 if answers(preloaded, users, now) == expected else 1)
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert answers(preloaded, users, now) == expected


def test_spawned_with_a_pickled_recommender(
    recommender: Recommender, asked: tuple[list[Any], int, Answer]
) -> None:
    users, now, expected = asked
    copied: Recommender = pickle.loads(pickle.dumps(recommender))
    assert answers(copied, users, now) == expected
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(answers, recommender, users, now).result(120) == expected


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(
    backend: str, bundle: Path, recommender: Recommender, asked: tuple[list[Any], int, Answer]
) -> None:
    users, now, expected = asked
    work = (
        [joblib.delayed(loaded_answers)(bundle, users, now)] * 2
        if backend == "loky"
        else [joblib.delayed(answers)(recommender, users, now)] * 8
    )
    assert all(one == expected for one in joblib.Parallel(2, backend=backend)(work))


def test_asyncio(recommender: Recommender, asked: tuple[list[Any], int, Answer]) -> None:
    """Coroutines on one loop, and calls that the loop hands to threads."""
    users, now, expected = asked

    async def alone(user: Any) -> list[tuple[Any, float]]:
        await asyncio.sleep(0)
        return [(r.item, r.score) for r in recommender.recommend(user, n=5, now=now)]

    async def main() -> tuple[Answer, Answer]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(4) as pool:
            handed = [loop.run_in_executor(pool, answers, recommender, users, now) for _ in range(8)]
            return await asyncio.gather(*map(alone, users)), [
                s for one in await asyncio.gather(*handed) for s in one
            ]

    coroutines, threads = asyncio.run(main())
    assert coroutines == expected
    assert threads == expected * 8

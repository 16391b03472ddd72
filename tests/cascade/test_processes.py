"""A recommender in other processes: forked before and after use, spawned, preloaded by a server, in joblib, in asyncio."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
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
FORKED_TRAINING = """
import os, signal
import numpy as np, xgboost
from shortlist.data import forks

def train():
    rng = np.random.default_rng(0)
    data = xgboost.DMatrix(rng.normal(size=(5_000, 8)), rng.random(5_000))
    return xgboost.train({"tree_method": "hist"}, data, 3).save_raw()

expected = train()
child = os.fork()
if not child:
    signal.alarm(30)
    os._exit(0 if train() == expected else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0)
"""


def exit_code_of_fork(work: Callable[[], bool], seconds: int = 60) -> int:
    """Fork, and return 0 where `work` returned true in the child in time."""
    child = os.fork()
    if not child:
        signal.alarm(seconds)  # the child is ended where it waits for ever
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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
    codes = [exit_code_of_fork(lambda: answers(preloaded, users, now) == expected) for _ in range(3)]
    assert codes == [0, 0, 0]
    assert answers(preloaded, users, now) == expected


def test_forked_beside_busy_threads(bundle: Path, asked: tuple[list[Any], int, Answer]) -> None:
    """Other threads answer, take in events and change items: the child inherits no lock that they hold, and no half change."""
    users, now, _ = asked
    recommender = Recommender.load(bundle)
    item, kind = recommender.dataset.items.ids.id(0), recommender.dataset.log.kinds[0]
    stop = threading.Event()

    def repeat(call: Callable[[], object]) -> None:
        while not stop.is_set():
            call()

    def observe() -> None:
        recommender.observe(users[0], item, kind)

    def change() -> None:
        recommender.change_item(item, {"title": "changed"})

    def works() -> bool:
        observe()
        change()
        return len(answers(recommender, users, now)) == USERS

    calls: list[Callable[[], object]] = [observe, change, lambda: recommender.recommend(users=users, n=5)]
    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    try:
        codes = [exit_code_of_fork(works, 20) for _ in range(5)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 5


def test_training_in_a_forked_process() -> None:
    """OpenMP has used two threads in the parent; the child must not wait for them."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", FORKED_TRAINING], check=True, env=environment, timeout=60)


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

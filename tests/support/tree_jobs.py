"""Jobs of boosting for tests, and two processes that carry them out together."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import xgboost as xgb
from scipy.special import expit

from shortlist.config.rank import RankSettings
from shortlist.distributed.tree_rows import blocks_of_rows
from shortlist.distributed.tree_worker import TreeWork, grown_together
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.gbdt.train import Boosting
from shortlist.rank.gbdt.tree_job import TreeJob
from shortlist.rank.targets import Head, Target

CLICK, BUY = Head("click", "probability", "logistic", None), Head("buy", "probability", "chain", "click")
LISTWISE = Head("click", "probability", "listwise", None)
SETTINGS = RankSettings(depth=3, learning_rate=0.1, min_child_weight=5)


def data_of(heads: list[Head], rows: int, seed: int, parent: bool = False) -> BoostingData:
    """Rows of requests of different length, with categories, unknown values and weights."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 40, (rows, 5)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, 4] = rng.integers(0, 8, rows)
    click = rng.random(rows) < expit(np.nan_to_num(values[:, 0]) / 10 + (values[:, 4] == 3) - 2)
    labels = {"click": click, "buy": click & (rng.random(rows) < 0.4)}
    weight = rng.uniform(0.5, 3, rows)
    targets = [
        Target(head.name, head.loss, labels[head.name].astype(float), weight, np.ones(rows)) for head in heads
    ]
    request = np.sort(rng.integers(0, rows // 6, rows))
    features = BinnedFeatures(values, [*("q" * 4), "c" if len(heads) == 1 else "q"])
    return BoostingData(features, request, targets, rng.random(rows).astype(np.float32) if parent else None)


def job_of(heads: list[Head], rows: int = 3_000, trees: int = 12, parent: bool = False) -> TreeJob:
    data = [data_of(heads, size, seed, parent) for seed, size in enumerate((rows, rows // 2))]
    return Boosting(heads, SETTINGS, 0, 1, *data).job(trees)[0]


class _Context:
    """A task of a stage with two tasks, as PySpark tells of it."""

    def __init__(self, number: int, pipe: Connection) -> None:
        self.number, self.pipe = number, pipe

    def partitionId(self) -> int:  # noqa: N802 - PySpark's
        return self.number

    def getTaskInfos(self) -> list[Any]:  # noqa: N802 - PySpark's
        return [SimpleNamespace(address="127.0.0.1:1"), SimpleNamespace(address="127.0.0.1:2")]

    def allGather(self, message: str) -> list[str]:  # noqa: N802 - PySpark's
        self.pipe.send(message)
        other = self.pipe.recv()
        return [message, other] if self.number == 0 else [other, message]

    def barrier(self) -> None:
        self.allGather("")


def worker(number: int, pipe: Connection, jobs: list[tuple[TreeWork, pa.Table]], out: Connection) -> None:
    """Grow the trees of some jobs as one of two workers, and send the models."""
    context = _Context(number, pipe)
    found = [grown_together(work.job_of(iter(blocks.to_batches()), 1), context, 2) for work, blocks in jobs]
    # at the end: the other worker must not wait until this one's models are read
    out.send([bytes(model.save_raw("json")) for model in found])


def grown_by_two(jobs: list[TreeJob]) -> list[list[xgb.Booster]]:
    """Return the models of each of two processes, which grow them together."""
    tasks: list[list[tuple[TreeWork, pa.Table]]] = [[], []]
    for job in jobs:
        assert job.validation is not None
        sides = ((False, job.training), (True, job.validation))
        blocks = [block for side, rows in sides for block in blocks_of_rows(rows, side, [0, 1])]
        for number in range(2):
            own = [block for block in blocks if block.column("worker")[0].as_py() == number]
            tasks[number].append((TreeWork.of(job), pa.Table.from_batches(own)))
    context = multiprocessing.get_context("spawn")
    pipes, outs = context.Pipe(), [context.Pipe() for _ in tasks]
    processes = [
        context.Process(target=worker, args=(number, pipes[number], tasks[number], outs[number][1]))
        for number in range(2)
    ]
    for process in processes:
        process.start()
    found = []
    for out, _ in outs:
        assert out.poll(120)
        found.append([xgb.Booster(model_file=bytearray(saved)) for saved in out.recv()])
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    return found

"""Trees of the ranker that grow on executors (`spark.ranker`).

The driver makes the examples and keeps them as one matrix. For each model, of an objective or of all, it sends them to the executors as
compressed blocks, and gets back the trees. Starts, weights, calibration and choices between models are made on the driver, from the same
arrays as on one machine: the bundle has the same files, and the same code loads and serves it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shortlist.config.project import Project
from shortlist.config.spark import SparkSettings
from shortlist.data.progress import Share
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.slots import SlotsLostError, collected_at_once, has_slots, task_slots
from shortlist.distributed.tree_rows import blocks_of_rows
from shortlist.distributed.tree_worker import MODEL, TreeWork
from shortlist.errors import EngineError, ProjectError
from shortlist.rank.gbdt.tree_job import Grow, TreeJob, grow_here
from shortlist.threads import available_cores, thread_limit

if TYPE_CHECKING:
    import xgboost as xgb

MANY_ROWS = 1_000_000
"""`auto`: with fewer training rows, trees grow on the driver. The way over Spark costs some ten seconds of a processor for so many, and growing them 25."""
ROWS_A_WORKER = 10_000
"""A worker has at least about so many training rows: with fewer, adding up the histograms of workers takes longer than making them."""
ATTEMPTS = 3
"""How often a model is begun where the cluster loses executors."""
AGAIN_SECONDS = 10.0
"""How long the number of slots stays the same before a model is begun anew."""
START_SECONDS = 60.0
"""How long is waited for the first executor."""
DYNAMIC = "spark.dynamicAllocation.enabled"


class TreesOnExecutors:
    """Grows trees on the executors of a Spark session; see `Grow`.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, not of Spark Connect.
    settings
        `ranker` says when; `ranker_workers` bounds the number of workers.
    """

    def __init__(self, session: Any, settings: SparkSettings) -> None:
        self.session, self.settings = session, settings

    def __repr__(self) -> str:
        return f"TreesOnExecutors({self.settings.ranker!r})"

    def __call__(self, job: TreeJob, report: Share | None = None) -> xgb.Booster:
        """Carry out a job.

        Raises
        ------
        EngineError
            No executor is there, executors died again and again, or their Python lacks something.
        """
        if not self._is_for_executors(len(job.training)):
            return grow_here(job, report)
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._wait_for_another()
            workers = self.workers(len(job.training))
            try:
                return self._grown(job, workers)
            except SlotsLostError as lost:
                said = f" ({lost})" if str(lost) else ""
        raise EngineError(
            f"{ATTEMPTS} times, executors died while the trees of the ranker grew{said}. Give each more memory "
            '(spark.executor.memoryOverhead), or let the driver grow them: spark.ranker = "driver"',
            field="spark.ranker",
        )

    def _wait_for_another(self) -> None:
        """Wait until the number of slots is that of some seconds before: a dead executor has gone, and another one may have come."""
        before = -1
        while (now := task_slots(self.session)) != before:
            before = now
            time.sleep(AGAIN_SECONDS)

    def _is_for_executors(self, rows: int) -> bool:
        """Return whether so many rows go to the executors."""
        if self.settings.ranker != "auto":
            return self.settings.ranker == "executors"
        return rows >= MANY_ROWS and task_slots(self.session) > (thread_limit() or available_cores())

    def workers(self, rows: int) -> int:
        """Return how many tasks share the rows: at most as many as run at a time, or they would wait for each other for ever."""
        until = time.monotonic() + START_SECONDS
        while not (slots := task_slots(self.session)) and time.monotonic() < until:
            time.sleep(1.0)
        if not slots:
            raise EngineError(
                'the ranker is to be trained on executors, and the cluster has none; start workers, or set spark.ranker = "driver"',
                field="spark.ranker",
            )
        most = min(slots, self.settings.ranker_workers or slots)
        return max(min(most, rows // ROWS_A_WORKER), 1)

    def _grown(self, job: TreeJob, workers: int) -> xgb.Booster:
        import xgboost

        keys = self.keys(workers)
        blocks = pa.Table.from_batches(_blocks(job, keys))
        frame = self.session.createDataFrame(blocks).repartition(workers, "worker")
        trees = frame.mapInArrow(on_executors(TreeWork.of(job).grow), MODEL, barrier=True)
        found = collected_at_once(self.session, trees, workers).column("model")
        return xgboost.Booster({"nthread": 1}, model_file=bytearray(found[0].as_py()))

    def keys(self, workers: int) -> list[int]:
        """Return a key of each worker: a number that Spark's hash sends to its partition."""
        from pyspark.sql import functions as sql

        key = sql.col("id").cast("int")
        part = sql.pmod(sql.hash(key), sql.lit(workers))
        found: dict[int, int] = {}
        for begin in range(0, 1_000 * workers, 20 * workers):
            numbers = self.session.range(begin, begin + 20 * workers, 1, 1)
            table = numbers.select(key.alias("key"), part.alias("part")).toArrow()
            for number, worker in zip(*(column.to_pylist() for column in table.columns), strict=True):
                found.setdefault(worker, number)
            if len(found) == workers:
                return [found[worker] for worker in range(workers)]
        raise AssertionError("a hash that reaches no partition")


def _blocks(job: TreeJob, keys: list[int]) -> Iterator[pa.RecordBatch]:
    yield from blocks_of_rows(job.training, False, keys)
    if job.validation is not None:
        yield from blocks_of_rows(job.validation, True, keys)


def ranker_growth(session: Any, project: Project) -> Grow | None:
    """Return what grows the trees of a project's ranker; None: this process.

    Raises
    ------
    ProjectError
        `spark.ranker = "executors"`, and the ranker is not of trees, or the session cannot do that.
    """
    settings = project.spark
    if settings.ranker == "driver":
        return None
    problem = ""
    if project.rank.model != "gbdt":
        problem = f"rank.model = {project.rank.model!r} is trained on one machine"
    elif not has_slots(session):
        problem = "over Spark Connect (sc://), the driver cannot ask how many tasks run at a time, and workers that wait for each other need to know"
    elif str(session.conf.get(DYNAMIC, "false")).lower() == "true":
        problem = f"tasks that begin together need a fixed number of executors: set {DYNAMIC} to false"
    if not problem:
        return TreesOnExecutors(session, settings)
    if settings.ranker == "auto":
        return None
    raise ProjectError(
        f'{project.where("spark.ranker")}spark.ranker = "executors": {problem}. "auto" and "driver" train the ranker on the driver',
        field="spark.ranker",
    )

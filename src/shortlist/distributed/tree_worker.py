"""One of the processes that grow the same trees: a task in barrier mode, which is a worker of XGBoost.

This is the way of `xgboost.spark`: all tasks begin together, the first one runs XGBoost's tracker, and the workers add up the histograms of
their rows at each level of a tree. The estimators of `xgboost.spark` take an objective by its name and one label a row. Here each
worker runs `TreeJob.grow`, the code of one machine, so that chains of objectives, listwise losses and joint trees grow on executors, too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.distributed.tree_rows import RowShape
from shortlist.rank.gbdt.tree_job import TreeJob
from shortlist.threads import set_threads

MODEL = "model binary"
"""What the first worker returns: one row."""


@dataclass(frozen=True, repr=False)
class TreeWork:
    """A job of boosting as it travels to executors.

    Attributes
    ----------
    job
        Without rows and without the model that it begins with.
    shape
        What blocks do not say of the rows.
    stops
        Whether validation rows end boosting.
    begun
        The model to which trees are added, as XGBoost saves it; None: there is none.
    """

    job: TreeJob
    shape: RowShape
    stops: bool
    begun: bytes | None

    @classmethod
    def of(cls, job: TreeJob) -> TreeWork:
        """Make it from a job."""
        shape = RowShape.of(job.training)
        begun = None if job.begun is None else bytes(job.begun.save_raw("json"))
        return cls(job.with_rows(shape.no_rows(), None), shape, job.validation is not None, begun)

    def job_of(self, batches: Iterator[pa.RecordBatch], threads: int) -> TreeJob:
        """Return the job with the rows of a worker, and the model that it begins with."""
        training, validation = self.shape.rows(batches)
        return self.job.with_rows(training, validation if self.stops else None, self.begun, threads)

    def grow(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Grow the trees together with the other tasks of the stage. Runs on an executor."""
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        threads = max(context.cpus(), 1)
        set_threads(threads)
        job = self.job_of(batches, threads)
        workers = len(context.getTaskInfos())
        model = grown_together(job, context, workers) if workers > 1 else job.grow()
        if context.partitionId() == 0:
            saved = bytes(model.save_raw("json"))
            yield pa.RecordBatch.from_arrays([pa.array([saved], pa.binary())], names=["model"])


def grown_together(job: TreeJob, context: Any, workers: int) -> Any:
    """Grow trees as one of the workers of a stage, and return the model that all of them have."""
    from xgboost import collective

    def total(number: float) -> float:
        return float(collective.allreduce(np.array([number], np.float64), collective.Op.SUM)[0])

    said = _tracker(context, workers) if context.partitionId() == 0 else {}
    # each attempt of the stage has a tracker of its own, on the executor of its first task
    arguments = json.loads(context.allGather(json.dumps(said))[0])
    with collective.CommunicatorContext(**arguments, dmlc_task_id=str(context.partitionId())):
        model = job.grow(total=total)
    context.barrier()
    return model


def _tracker(context: Any, workers: int) -> dict[str, Any]:
    """Start XGBoost's tracker, through which workers find each other, and return what they need to reach it."""
    from xgboost.tracker import RabitTracker

    host = context.getTaskInfos()[0].address.rpartition(":")[0].strip("[]")
    tracker = RabitTracker(n_workers=workers, host_ip=host, sortby="task")
    tracker.start()
    threading.Thread(target=tracker.wait_for, name="xgboost-tracker", daemon=True).start()
    return dict(tracker.worker_args())

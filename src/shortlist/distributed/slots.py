"""How many tasks a cluster runs at a time, and jobs that need some of them at once.

A stage in barrier mode begins when all its tasks can run together. Where an executor has died and none takes its place, Spark waits for
ever: here the driver sees it and ends the job.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from shortlist.engines.job_error import job_error

SECONDS = 0.5
"""How often the number of slots is looked at."""
LOST_SECONDS = 45.0
"""How long a job waits for another executor in place of one that died."""

END_SECONDS = 10.0
"""How long a job that is cancelled may take to end."""


_DIED = re.compile(r"ExecutorLostFailure|Python worker exited unexpectedly|XGBoostError")
"""Says that an executor or its Python has died, or that the other workers of XGBoost have lost it."""


class SlotsLostError(Exception):
    """A job that needs several tasks at once has ended, because an executor died."""


def has_slots(session: Any) -> bool:
    """Return whether the driver can ask how many tasks run at a time: Spark Connect does not tell."""
    return hasattr(type(session), "sparkContext") and "connect" not in type(session).__module__


def task_slots(session: Any) -> int:
    """Return how many tasks of the session's cluster can run at the same time, with the executors that it has now."""
    context = session.sparkContext._jsc.sc()  # noqa: SLF001 - PySpark has no other way to its JVM
    profile = context.resourceProfileManager().defaultResourceProfile()
    return int(context.maxNumConcurrentTasks(profile))


def collected_at_once(session: Any, frame: Any, slots: int) -> pa.Table:
    """Return the rows of a frame whose last stage is in barrier mode and has so many tasks.

    Raises
    ------
    SlotsLostError
        An executor died: Spark does not repeat such a stage; or the cluster had fewer slots for `LOST_SECONDS`.
    EngineError
        The job failed.
    """
    context, tag = session.sparkContext, f"shortlist-{uuid.uuid4().hex}"
    found: list[pa.Table] = []
    failed: list[Exception] = []

    def run() -> None:
        context.addJobTag(tag)
        try:
            found.append(frame.toArrow())
        except Exception as error:  # noqa: BLE001 - errors of jobs have no class of their own here
            failed.append(error)

    thread = threading.Thread(target=run, name="shortlist-job", daemon=True)
    thread.start()
    if not _ends_with(thread, lambda: task_slots(session) >= slots, LOST_SECONDS):
        context.cancelJobsWithTag(tag)
        # a job that has not begun cannot be cancelled: Spark gives it up after ten minutes
        thread.join(END_SECONDS)
        if not found:  # it may have ended at that moment
            raise SlotsLostError
    if failed:
        said = job_error(failed[0])
        if _DIED.search(str(failed[0])):
            raise SlotsLostError(said.message)
        raise said from None
    return found[0]


def _ends_with(thread: threading.Thread, enough: Callable[[], bool], seconds: float) -> bool:
    """Wait for a thread; False where there was not enough for so many seconds."""
    missing_since: float | None = None
    while True:
        thread.join(SECONDS)
        if not thread.is_alive():
            return True
        now = time.monotonic()
        if enough():
            missing_since = None
        elif missing_since is None:
            missing_since = now
        elif now - missing_since > seconds:
            return False

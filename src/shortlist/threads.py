"""How many threads the libraries use and how these threads wait: decided here, for all of them.

A thread of OpenMP that has finished its part of a loop waits for the others. By default it waits actively: it occupies a core for
some milliseconds after each loop. Boosting runs thousands of short loops, so that two trainings on one machine spend most of their
time in each other's way. `wait_passively` lets such threads sleep instead; it has an effect on libraries that are loaded later,
which is why `import shortlist` calls it first.

The number of threads is left to each library unless the user or the container limits it. NumPy, SciPy, XGBoost, faiss, Numba, Arrow
and DuckDB read that limit from here, because each of them has a setting of its own.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

from shortlist.errors import ShortlistError

VARIABLE = "SHORTLIST_THREADS"
"""Environment variable that limits the number of threads, also of the worker processes of a server."""
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which users say themselves how OpenMP waits."""
FEW_CORES = 2
"""Up to this many cores are used whatever others do: with two, half of them is as slow as both shared."""
SAMPLE_SECONDS, TICKS = 0.1, 100
"""How long is measured which cores are busy, and the ticks of a second in which Linux counts."""
OPENMP = ("xgboost", "faiss")
"""Modules that bring OpenMP and keep their threads."""
_LIBRARIES = ("numpy", "scipy", "sklearn", "faiss", "xgboost", "pyarrow")
"""Modules that bring threads of their own: BLAS, OpenMP, Arrow."""


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads of OpenMP sleep while they wait, unless the environment says how they wait."""
    if not any(name in environment for name in WAITING):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"


class _Limit:
    """The limit of this process, and what it has changed in the libraries."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.forked = False
        self._applied: tuple[int | None, tuple[bool, ...]] = None, ()
        self._pools: Any = None
        self._arrow_threads = 0
        self._thread = threading.local()

    def set(self, number: int | None) -> None:
        """Set the limit; None: undo what a limit has changed."""
        self.number = number
        if number is None:
            self._restore()
            self._limit_numba(None)
        else:
            self.apply()

    def begin_in_child(self) -> None:
        """Remember that OpenMP would wait for threads that only the parent has."""
        self.forked = any(module in sys.modules for module in OPENMP)

    def apply(self) -> None:
        """Limit the libraries that are loaded. Repeated calls cost microseconds."""
        number = thread_limit()
        self._limit_numba(number)
        wanted = number, tuple(name in sys.modules for name in _LIBRARIES)
        if number is None or self._applied == wanted:
            return
        self._restore()
        from threadpoolctl import ThreadpoolController

        controller, most = ThreadpoolController(), dict[str, int]()
        for library in controller.info():
            most[library["prefix"]] = min(library["num_threads"], most.get(library["prefix"], number))
        self._pools = controller.limit(limits=most)
        if arrow := sys.modules.get("pyarrow"):
            self._arrow_threads = arrow.cpu_count()
            arrow.set_cpu_count(min(number, self._arrow_threads))
        self._applied = wanted

    def _restore(self) -> None:
        if self._pools is not None:
            self._pools.restore_original_limits()
        if self._arrow_threads:
            sys.modules["pyarrow"].set_cpu_count(self._arrow_threads)
        self._pools, self._arrow_threads, self._applied = None, 0, (None, ())

    def _limit_numba(self, number: int | None) -> None:
        """Limit the calling thread: Numba keeps the number for each thread."""
        numba = sys.modules.get("numba")
        limited = getattr(self._thread, "limited", False)
        if numba is None or (number is None and not limited):
            return
        most = numba.config.NUMBA_NUM_THREADS
        numba.set_num_threads(most if number is None else min(number, most))
        self._thread.limited = number is not None


_LIMIT = _Limit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LIMIT.begin_in_child)


def set_threads(number: int | None) -> None:
    """Limit the number of threads that computations of this process use.

    Training, evaluation, tuning and batches of requests follow the limit. It holds for all libraries that Shortlist computes
    with, also outside of Shortlist. The command line has the option `--threads`, and `SHORTLIST_THREADS` sets a limit from outside.

    Parameters
    ----------
    number
        At least 1; None: as many as there are cores that the process may use.

    Raises
    ------
    ShortlistError
        If the number is below 1.

    Examples
    --------
    >>> import shortlist
    >>> shortlist.set_threads(2)
    >>> shortlist.set_threads(None)
    """
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise ShortlistError(f"threads: {number!r} is no number of threads; use 1 or more", field="threads")
    _LIMIT.set(number)


def apply_thread_limit() -> None:
    """Limit libraries that were loaded after the limit was set. Long computations call it when they begin."""
    _LIMIT.apply()


def thread_limit() -> int | None:
    """Return the largest number of threads, or None: each library uses all cores.

    The limit comes from `set_threads`, else from `SHORTLIST_THREADS`, else from the processor time of the container, where it is
    less than the cores of the machine, which most libraries do not see.

    Raises
    ------
    ShortlistError
        If `SHORTLIST_THREADS` is no number of threads.
    """
    if _LIMIT.number is not None:
        return _LIMIT.number
    given = os.environ.get(VARIABLE)
    if not given:
        return _container_limit()
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise ShortlistError(
            f"{VARIABLE}={given}: must be a whole number of threads, 1 or more", field=VARIABLE
        )
    return int(given)


def openmp_threads() -> int:
    """Return what XGBoost and faiss take for the number of threads; 0: as OpenMP says, which reads OMP_NUM_THREADS.

    Without a limit, cores on which others compute are left to them: each loop ends with its slowest thread, so that one thread that
    shares its core doubles the time. Where more than half of the cores are busy, all are used, and shared. In a forked process it
    is one.
    """
    if _LIMIT.forked:
        return 1
    limit = thread_limit()
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    own = int(first) if first.isdigit() else 0
    if limit is not None:
        return min(limit, own) if own else limit
    if own or (cores := available_cores()) <= FEW_CORES:
        return 0
    free = cores - round(_busy_cores())
    return free if 2 * free > cores else 0


def _busy_cores() -> float:
    """Return how many of the cores that this process may use are busy, while it waits for a moment; 0 where nobody says."""
    before = _busy_ticks()
    time.sleep(SAMPLE_SECONDS)
    after = _busy_ticks()
    return sum(ticks - before.get(core, ticks) for core, ticks in after.items()) / TICKS / SAMPLE_SECONDS


def _busy_ticks() -> dict[int, int]:
    """Return the time that each core has been busy, without processes of low priority, which make room for others."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:  # no Linux
        return {}
    busy = {}
    for name, user, _nice, system, _idle, _waiting, *interrupts in (
        line.split()[:9] for line in lines if re.match(r"cpu\d", line)
    ):
        busy[int(name[3:])] = sum(map(int, (user, system, *interrupts)))
    allowed = os.sched_getaffinity(0)
    return {core: ticks for core, ticks in busy.items() if core in allowed}


def available_cores() -> int:
    """Return the number of cores that this process may use, by its affinity and by the limit of its container."""
    from joblib import cpu_count  # knows both versions of cgroups

    return int(cpu_count())


@cache
def _container_limit() -> int | None:
    """Return the cores of the container if they are fewer than those on which the process may run."""
    cores = available_cores()
    on = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores < on else None

"""Run a compiled kernel over rows, on one thread or on all.

A kernel here has the signature `kernel(low, high, *arguments)`, works on the rows low ≤ row < high, releases the
interpreter lock (`nogil`) and writes nothing that another range of rows reads. Few rows run on the caller's thread,
because handing them to another thread costs more than they do. Many are cut into parts for a pool of threads. One
compiled kernel serves both, so that nothing is compiled twice; and unlike Numba's own parallel loops, the pool may be
entered by several threads at once. A call uses as many threads of the pool as the limit of the moment allows.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from shortlist.data.scratch import ScratchPool
from shortlist.threads import thread_limit

SERIAL_ROWS = 8
"""Up to this many rows run on the caller's thread."""
PARTS_PER_THREAD = 8
"""More parts than threads, because rows differ in cost."""


class _Threads:
    """The pool of worker threads of this process; made when it is first needed, and again after a fork."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(os.cpu_count(), "shortlist-kernel")
        return self._pool

    def forget(self) -> None:
        """Drop the pool: threads do not survive a fork."""
        self._pool = None


_THREADS = _Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_THREADS.forget)


def run_rows(
    n: int,
    kernel: Callable[..., Any],
    *arguments: Any,
    serial_rows: int = SERIAL_ROWS,
    scratch: ScratchPool[Any] | None = None,
) -> None:
    """Run a kernel over n rows.

    Parameters
    ----------
    n
        Number of rows.
    kernel
        A compiled function of `(low, high, *arguments)`.
    arguments
        Passed on to each call.
    serial_rows
        Up to this many rows run on the caller's thread.
    scratch
        Where given, each call leases a buffer and passes it after `high`.
    """
    if n <= serial_rows or (threads := _threads()) == 1:
        _run(kernel, 0, n, arguments, scratch)
        return
    cuts = np.linspace(0, n, min(n, PARTS_PER_THREAD * threads) + 1).astype(np.int64).tolist()
    parts = deque(pairwise(cuts))

    def work() -> None:
        while parts:
            try:
                low, high = parts.popleft()
            except IndexError:  # another thread took the last part
                return
            _run(kernel, low, high, arguments, scratch)

    pool = _THREADS.pool()
    for running in [pool.submit(work) for _ in range(threads)]:
        running.result()


def _threads() -> int:
    """Return the number of threads for one call; requests of a server are limited to one by Numba's number for their thread."""
    threads: int = numba.get_num_threads()
    return threads if threads == 1 else min(threads, thread_limit() or threads)


def _run(
    kernel: Callable[..., Any],
    low: int,
    high: int,
    arguments: tuple[Any, ...],
    scratch: ScratchPool[Any] | None,
) -> None:
    if scratch is None:
        kernel(low, high, *arguments)
    else:
        with scratch.lease() as buffer:
            kernel(low, high, buffer, *arguments)

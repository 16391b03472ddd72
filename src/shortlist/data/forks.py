"""Preparation of a forked process.

A fork copies the memory of a process and only one of its threads. A lock that another thread holds at that moment would be
held in the child for ever, and what the lock protects would be half changed. A fork therefore waits until it holds every
lock that is registered here, and the child begins with all of them free.

GNU OpenMP, with which XGBoost and faiss are built, waits in the child for threads that only the parent has. The child
therefore uses one OpenMP thread.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Protocol
from weakref import WeakSet

from shortlist.threads import OPENMP

FORK_SECONDS = 10.0
"""Seconds for which a fork waits at most: the thread that forks may itself hold one of the locks."""


class ForkLock(Protocol):
    """A lock whose holder may wait for other locks."""

    def take_for_fork(self, seconds: float) -> bool:
        """Wait until nobody else holds the lock. False after some seconds."""

    def leave_after_fork(self) -> None:
        """Release what `take_for_fork` took."""

    def begin_in_child(self) -> None:
        """Make the lock free, whoever held it."""


class ForkGuard:
    """Holds the registered locks while the process forks."""

    def __init__(self) -> None:
        self._registering = threading.Lock()
        self._locks: WeakSet[ForkLock] = WeakSet()
        self._leaves: WeakSet[threading.Lock] = WeakSet()
        self._taken: list[ForkLock] = []
        self._taken_leaves: list[threading.Lock] = []

    def add(self, lock: ForkLock) -> None:
        """Register a lock for as long as it exists."""
        with self._registering:
            self._locks.add(lock)

    def leaf_lock(self) -> threading.Lock:
        """Return a lock for moments in which a thread waits for nothing else."""
        lock = threading.Lock()
        with self._registering:
            self._leaves.add(lock)
        return lock

    def before(self) -> None:
        """Take every lock; the leaves last, because the holders of others may wait for them."""
        self._registering.acquire()
        end = time.monotonic() + FORK_SECONDS
        self._taken = [one for one in self._locks if one.take_for_fork(max(end - time.monotonic(), 0.0))]
        self._taken_leaves = [one for one in self._leaves if one.acquire(timeout=FORK_SECONDS)]

    def in_parent(self) -> None:
        """Release every lock."""
        for leaf in self._taken_leaves:
            leaf.release()
        for lock in self._taken:
            lock.leave_after_fork()
        self._taken, self._taken_leaves = [], []
        self._registering.release()

    def in_child(self) -> None:
        """Make every lock free, also one that could not be taken."""
        for leaf in self._taken_leaves:
            leaf.release()
        for lock in self._locks:
            lock.begin_in_child()
        self._taken, self._taken_leaves = [], []
        self._registering.release()


def _one_openmp_thread() -> None:
    """Limit the thread that forked; threads that the child starts have no part in the parent's pool."""
    if any(module in sys.modules for module in OPENMP):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "openmp")


fork_guard = ForkGuard()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=fork_guard.before,
        after_in_parent=fork_guard.in_parent,
        after_in_child=fork_guard.in_child,
    )
    os.register_at_fork(after_in_child=_one_openmp_thread)

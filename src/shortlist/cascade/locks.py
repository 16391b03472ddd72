"""Locks that let many threads read while one at a time writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from threadpoolctl import ThreadpoolController, threadpool_limits

from shortlist.data.forks import fork_guard


class ReadWriteLock:
    """Many readers or one writer; a waiting writer goes before new readers.

    Taking and releasing it without contention costs about a microsecond. It is not re-entrant: a thread that reads
    must not ask to write before it has finished reading.

    A fork waits for readers and writers, so that a child never inherits a half-made change.
    """

    def __init__(self) -> None:
        self.begin_in_child()
        fork_guard.add(self)

    def begin_in_child(self) -> None:
        """Make the lock free, whoever held it."""
        self._condition = threading.Condition(threading.Lock())
        self._readers = 0
        self._writing = self._forking = False
        self._writers_waiting = 0

    def read(self) -> Reading:
        """Hold the lock together with other readers, for the time of one `with` statement."""
        return Reading(self)

    def acquire_read(self) -> None:
        """Begin to read."""
        with self._condition:
            while self._writing or self._writers_waiting:
                self._condition.wait()
            self._readers += 1

    def release_read(self) -> None:
        """Finish reading."""
        with self._condition:
            self._readers -= 1
            if not self._readers and self._writers_waiting:
                self._condition.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._condition:
            self._writers_waiting += 1
            while self._writing or self._readers or self._forking:
                self._condition.wait()
            self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            self._end_writing()

    def _end_writing(self) -> None:
        with self._condition:
            self._writing = False
            self._condition.notify_all()

    def take_for_fork(self, seconds: float) -> bool:
        """Wait, before all other writers, until nobody reads or writes. False after some seconds."""
        with self._condition:
            self._forking = True
            self._writers_waiting += 1
            free = self._condition.wait_for(lambda: not (self._writing or self._readers), seconds)
            self._writers_waiting -= 1
            self._forking = False
            if free:
                self._writing = True
            else:
                self._condition.notify_all()
            return free

    def leave_after_fork(self) -> None:
        """Let others read and write again."""
        self._end_writing()

    def __getstate__(self) -> dict[str, object]:
        """Copies and pickles begin unlocked."""
        return {}

    def __setstate__(self, _state: dict[str, object]) -> None:
        self.__init__()  # type: ignore[misc]


class Reading:
    """Holds a `ReadWriteLock` for reading. A class, because a generator costs several times as much."""

    __slots__ = ("_lock",)

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire_read()

    def __exit__(self, *_: object) -> None:
        self._lock.release_read()

    def __repr__(self) -> str:
        return "Reading()"


class SingleThreadedBlas:
    """Keeps the BLAS libraries at one thread while at least one batch runs.

    A batch is split over the cores by the project's own kernels; the threads of BLAS would spin beside them after each
    product. The limit is a setting of the whole process, so calls that overlap share it: the first one sets it and the
    last one takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._kept = False
        self._limit: object = None
        self._controller: ThreadpoolController | None = None
        fork_guard.add(self)

    def keep(self) -> None:
        """Keep BLAS at one thread from now on, as servers do: calls then have nothing to set, which saves a tenth of a millisecond each."""
        threadpool_limits(1)
        self._kept = True

    def __call__(self) -> AbstractContextManager[None]:
        """Hold the limit."""
        return nullcontext() if self._kept else self._held()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self._running == 0:
                if self._controller is None:
                    self._controller = ThreadpoolController()  # looks through the loaded libraries once
                self._limit = self._controller.limit(limits=1)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running = max(
                    self._running - 1, 0
                )  # 0 already in a child that was forked inside of a batch
                if self._running == 0:
                    self._restore()

    def _restore(self) -> None:
        self._limit.restore_original_limits()  # type: ignore[attr-defined]

    def take_for_fork(self, seconds: float) -> bool:
        """Wait until no call is changing the limit. False after some seconds."""
        return self._lock.acquire(timeout=seconds)

    def leave_after_fork(self) -> None:
        """Let calls change the limit again."""
        self._lock.release()

    def begin_in_child(self) -> None:
        """Take back the limit of batches that run in the parent's threads."""
        self._lock = threading.Lock()
        if self._running:
            self._running = 0
            self._restore()


single_threaded_blas = SingleThreadedBlas()

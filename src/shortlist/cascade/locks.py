"""Locks that let many threads read while one at a time writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class ReadWriteLock:
    """Many readers or one writer; a waiting writer goes before new readers.

    Taking and releasing it without contention costs about a microsecond. It is not re-entrant: a thread that reads
    must not ask to write before it has finished reading.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._readers = 0
        self._writing = False
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
            while self._writing or self._readers:
                self._condition.wait()
            self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._condition.notify_all()

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
        self._limit: object = None
        self._controller: ThreadpoolController | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the limit."""
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
                self._running -= 1
                if self._running == 0:
                    self._limit.restore_original_limits()  # type: ignore[attr-defined]


single_threaded_blas = SingleThreadedBlas()

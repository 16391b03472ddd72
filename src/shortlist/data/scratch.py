"""Scratch memory that belongs to one call at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lease(Generic[T]):
    """A buffer for the time of one `with` statement. A class, because a generator costs several times as much."""

    __slots__ = ("_buffer", "_free", "_make")

    def __init__(self, free: deque[T], make: Callable[[], T]) -> None:
        self._free, self._make = free, make

    def __enter__(self) -> T:
        try:
            self._buffer = self._free.pop()  # atomic: two threads never get the same one
        except IndexError:
            self._buffer = self._make()
        return self._buffer

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._free.append(self._buffer)

    def __repr__(self) -> str:
        return "Lease()"


class ScratchPool(Generic[T]):
    """Buffers that are expensive to make and are reused, one call at a time.

    Some kernels need work space as long as the catalogue and leave it clean when they return. Making it anew for each
    request costs more than the request itself, and one shared buffer is corrupted as soon as two threads use it. A
    call therefore leases a buffer: it takes a free one, or makes one, and no other call sees it until it is returned.
    The pool holds at most as many buffers as there were calls at the same time.

    Parameters
    ----------
    make
        Makes a clean buffer.

    Examples
    --------
    >>> pool = ScratchPool(lambda: [0] * 3)
    >>> with pool.lease() as buffer:
    ...     len(buffer)
    3
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free: deque[T] = deque()

    def lease(self) -> Lease[T]:
        """Lend a clean buffer for one call. After an exception it is dropped, because it may not be clean."""
        return Lease(self._free, self._make)

    def __repr__(self) -> str:
        return f"ScratchPool({len(self._free)} free)"

    def __getstate__(self) -> dict[str, object]:
        """Copies and pickles carry no buffers."""
        return {"_make": self._make, "_free": deque()}

"""A table from large keys to small slots: memory for the keys that occur, not for all that could.

Person × category has a million combinations of which a few per person happen. Open addressing with linear probing in two
arrays; slot numbers are given in order of arrival and never change until `renumber`.
"""

from __future__ import annotations

import numba
import numpy as np


class Slots:
    """`of(keys)` → slots, −1 where a key has none (and for a key of −1); `put(keys)` gives one to each."""

    def __init__(self) -> None:
        self.keys = np.full(1024, -1, np.int64)
        self.slots = np.zeros(1024, np.int32)
        self.count = 0

    def of(self, keys: np.ndarray) -> np.ndarray:
        return _find(self.keys, self.slots, keys)

    def put(self, keys: np.ndarray) -> np.ndarray:
        size = len(self.keys)
        while (self.count + len(keys)) * 2 > size:
            size *= 2
        if size > len(self.keys):
            self._resize(size)
        answer, self.count = _put(self.keys, self.slots, keys, self.count)
        return answer

    def compact(self) -> Slots:
        """The same in as little memory as its keys need."""
        other, size = Slots(), 1024
        while self.count * 2 > size:
            size *= 2
        other._refill(self.listing(), size)
        return other

    def listing(self) -> np.ndarray:
        """The key of each slot, int64 (count,)."""
        used = self.keys >= 0
        keys = np.empty(self.count, np.int64)
        keys[self.slots[used]] = self.keys[used]
        return keys

    def _resize(self, size: int) -> None:
        self._refill(self.listing(), size)

    def renumber(self, kept: np.ndarray) -> None:
        """Keep only some slots (bool (count,)), numbered anew in the same order."""
        self._refill(self.listing()[kept], len(self.keys))

    def _refill(self, keys: np.ndarray, size: int) -> None:
        self.keys, self.slots = np.full(size, -1, np.int64), np.zeros(size, np.int32)
        _, self.count = _put(self.keys, self.slots, keys, 0)


@numba.njit(cache=True, nogil=True)
def _spread(key):  # type: ignore[no-untyped-def]
    """Fibonacci hashing (Knuth, vol. 3, 6.4) of runs of 64 keys, whose keys stay side by side: a request looks up one person with
    hundreds of items' categories, which are neighbouring keys, and so in a few lines of memory and not in hundreds.
    """
    run = ((np.uint64(key) >> np.uint64(6)) * np.uint64(11400714819323198485)) >> np.uint64(20)
    return (run << np.uint64(6)) | (np.uint64(key) & np.uint64(63))


@numba.njit(cache=True, nogil=True)
def _find(table, slots, keys):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    answer = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        if keys[i] < 0:
            answer[i] = -1
            continue
        if i and keys[i] == keys[i - 1]:
            answer[i] = answer[i - 1]
            continue
        at = _spread(keys[i]) & mask
        while table[at] != -1 and table[at] != keys[i]:
            at = (at + np.uint64(1)) & mask
        answer[i] = slots[at] if table[at] == keys[i] else -1
    return answer


@numba.njit(cache=True, nogil=True)
def _put(table, slots, keys, count):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    answer = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        at = _spread(keys[i]) & mask
        while table[at] != -1 and table[at] != keys[i]:
            at = (at + np.uint64(1)) & mask
        if table[at] == -1:
            table[at] = keys[i]
            slots[at] = count
            count += 1
        answer[i] = slots[at]
    return answer, count

"""A hash table from large keys to small slot numbers.

User × category has a million possible combinations, of which a few per user occur. The table needs memory for the keys
that occur only.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

SMALLEST_TABLE = 1024


class HashTable:
    """A hash table int64 → slot with open addressing and linear probing (Knuth, vol. 3, 6.4).

    Slots are numbered in the order of insertion and do not change until `renumber`. At most half of the places are used.

    Attributes
    ----------
    keys
        int64 (size,), the key in each place, −1 for a free one; the size is a power of two.
    slots
        int32 (size,), the slot of that key.
    count
        Number of keys.
    """

    def __init__(self) -> None:
        self.keys: NDArray[np.int64] = np.full(SMALLEST_TABLE, -1, np.int64)
        self.slots: NDArray[np.int32] = np.zeros(SMALLEST_TABLE, np.int32)
        self.count = 0

    def __repr__(self) -> str:
        return f"HashTable({self.count:,} keys)"

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, −1 for a key that is not there (and for the key −1)."""
        found: NDArray[np.int64] = _find(self.keys, self.slots, keys)
        return found

    def insert(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, new slots for new keys."""
        size = len(self.keys)
        while (self.count + len(keys)) * 2 > size:
            size *= 2
        if size > len(self.keys):
            self._refill(self.keys_by_slot(), size)
        slots: NDArray[np.int64]
        slots, self.count = _insert(self.keys, self.slots, keys, self.count)
        return slots

    def compact(self) -> HashTable:
        """Return a copy of the smallest possible size."""
        other, size = HashTable(), SMALLEST_TABLE
        while self.count * 2 > size:
            size *= 2
        other._refill(self.keys_by_slot(), size)
        return other

    def keys_by_slot(self) -> NDArray[np.int64]:
        """Return the key of each slot, int64 (count,)."""
        used = self.keys >= 0
        keys = np.empty(self.count, np.int64)
        keys[self.slots[used]] = self.keys[used]
        return keys

    def renumber(self, keep: NDArray[np.bool_]) -> None:
        """Remove all slots but those of a mask, bool (count,); the others keep their order."""
        self._refill(self.keys_by_slot()[keep], len(self.keys))

    def restore(self, keys: NDArray[np.int64], slots: NDArray[np.int32], count: int) -> None:
        """Replace the contents by arrays that were validated."""
        self.keys, self.slots, self.count = keys, slots, count

    def _refill(self, keys: NDArray[np.int64], size: int) -> None:
        self.keys, self.slots = np.full(size, -1, np.int64), np.zeros(size, np.int32)
        _, self.count = _insert(self.keys, self.slots, keys, 0)


@numba.njit(cache=True, nogil=True)
def _hash(key: int) -> np.uint64:
    """Fibonacci hashing of blocks of 64 keys; the keys of a block stay adjacent.

    A request looks up one user with the categories of hundreds of items. These are adjacent keys, so the request reads
    a few cache lines instead of hundreds.
    """
    block = ((np.uint64(key) >> np.uint64(6)) * np.uint64(11400714819323198485)) >> np.uint64(20)
    return (block << np.uint64(6)) | (np.uint64(key) & np.uint64(63))


@numba.njit(cache=True, nogil=True)
def _place(table: NDArray[np.int64], key: int) -> np.uint64:
    """Return the place of a key, or the free place where it would be inserted."""
    mask = np.uint64(len(table) - 1)
    place = _hash(key) & mask
    while table[place] != -1 and table[place] != key:
        place = (place + np.uint64(1)) & mask
    return place


@numba.njit(cache=True, nogil=True)
def _find(table: NDArray[np.int64], slots: NDArray[np.int32], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        if keys[i] < 0:
            found[i] = -1
        elif i and keys[i] == keys[i - 1]:
            found[i] = found[i - 1]
        else:
            place = _place(table, keys[i])
            found[i] = slots[place] if table[place] == keys[i] else -1
    return found


@numba.njit(cache=True, nogil=True)
def _insert(
    table: NDArray[np.int64], slots: NDArray[np.int32], keys: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], int]:
    found = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        place = _place(table, keys[i])
        if table[place] == -1:
            table[place] = keys[i]
            slots[place] = count
            count += 1
        found[i] = slots[place]
    return found, count

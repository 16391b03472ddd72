"""Counters on disk: a start does not count a log of millions of events again.

Each array is saved as it is in memory and memory-mapped when it is read: a start costs the validation only, and only what
is looked up takes memory. The arrays have some room for new keys at their ends. The hash tables that lead into arrays are
validated before use, whatever a file contains. If the files do not belong to the declared features, they are ignored and
the counters are made from the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

from shortlist.data.mapped import load_arrays, release_pages, save_arrays
from shortlist.errors import BundleError
from shortlist.features.aggregates import Aggregate
from shortlist.features.hash_table import HashTable
from shortlist.features.keys import KeyEncoder
from shortlist.features.window_counter import KeyIndex, WindowCounter

Counters = Mapping[Aggregate, WindowCounter]
Arrays = Mapping[str, NDArray[Any]]


def save_counters(counters: Counters, encoder: KeyEncoder, folder: Path) -> None:
    """Write counters to a folder: an index a key, the arrays of each counter, and their description."""
    folder.mkdir(parents=True, exist_ok=True)
    indexes = _indexes(counters)
    for number, index in enumerate(indexes):
        save_arrays(folder / f"keys-{number}", _table_arrays(index.table))
    for number, counter in enumerate(counters.values()):
        size = len(counter.n) if counter.index is None else _with_room(counter.index.table.count + 1)
        arrays: dict[str, NDArray[Any]] = dict(counter.arrays(size))
        arrays["head"] = np.asarray(counter.head, np.int64)
        if counter.pairs is not None:
            arrays["seen"] = counter.seen[: _with_room(counter.pairs.count)]
            arrays |= {f"pairs.{name}": array for name, array in _table_arrays(counter.pairs).items()}
        save_arrays(folder / f"{number}", arrays)
    text = json.dumps(_description(counters, encoder, indexes))
    (folder / "counters.json").write_text(text, encoding="utf-8")


def load_counters(counters: Counters, encoder: KeyEncoder, folder: Path) -> bool:
    """Fill new counters with saved ones; return whether the files belong to them. Raises `BundleError` on damaged files."""
    path = folder / "counters.json"
    if not path.exists():
        return False
    indexes = _indexes(counters)
    expected = json.loads(json.dumps(_description(counters, encoder, indexes)))
    if json.loads(path.read_text(encoding="utf-8")) != expected:
        return False
    for number, index in enumerate(indexes):
        _restore_table(index.table, load_arrays(folder / f"keys-{number}"))
    for number, counter in enumerate(counters.values()):
        _restore(counter, load_arrays(folder / f"{number}"))
    for index in indexes:
        if len({len(member.n) for member in index.members}) > 1:
            raise BundleError("counters of the same keys have different sizes")
    return True


def _with_room(count: int) -> int:
    """Return the number of saved slots: the next keys fit without a copy of the arrays."""
    return max(1024, count + count // 4)


def _restore(counter: WindowCounter, saved: Arrays) -> None:
    size = len(counter.n) if counter.index is None else saved["n"].size
    if counter.index is not None and size <= counter.index.table.count:
        raise BundleError("a counter has more keys than slots")
    arrays = {
        name: _checked(saved[name], (*array.shape[:-1], size), array.dtype)
        for name, array in counter.arrays(0).items()
    }
    seen = None
    if counter.pairs is not None:
        _restore_table(counter.pairs, {name: saved[f"pairs.{name}"] for name in ("keys", "slots", "count")})
        seen = _checked(saved["seen"], (saved["seen"].size,), np.int64)
        if len(seen) < counter.pairs.count:
            raise BundleError("a counter has more pairs than slots")
    counter.restore(arrays, int(_checked(saved["head"], (), np.int64)), seen)


def _indexes(counters: Counters) -> list[KeyIndex]:
    return list(dict.fromkeys(c.index for c in counters.values() if c.index is not None))


def _description(counters: Counters, encoder: KeyEncoder, indexes: list[KeyIndex]) -> list[list[object]]:
    """Describe the counters in order: files with the same description belong to them."""
    return [
        [
            repr(aggregate),
            c.sums,
            len(c.n) if c.index is None else indexes.index(c.index) - len(indexes),
            encoder.size(aggregate.by),
        ]
        for aggregate, c in counters.items()
    ]


def _table_arrays(table: HashTable) -> dict[str, NDArray[Any]]:
    table = table.compact()
    return {"keys": table.keys, "slots": table.slots, "count": np.asarray(table.count)}


def _restore_table(table: HashTable, saved: Arrays) -> None:
    size = saved["keys"].size
    keys = _checked(saved["keys"], (size,), np.int64)
    slots = _checked(saved["slots"], (size,), np.int32)
    count = int(_checked(saved["count"], (), np.int64))
    if size < 2 or size & (size - 1) or not 0 <= count <= size // 2:
        raise BundleError("the hash table of a counter has an impossible size")
    if not _is_valid(keys, slots, count):
        raise BundleError("the hash table of a counter has impossible slots")
    release_pages(keys)
    release_pages(slots)
    table.restore(keys, slots, count)


@numba.njit(cache=True, nogil=True)
def _is_valid(keys: NDArray[np.int64], slots: NDArray[np.int32], count: int) -> bool:
    """Return whether each key has its own slot below count, and all other places are free: every search then ends."""
    taken = np.zeros(count, np.uint8)
    used = 0
    for i in range(len(keys)):
        if keys[i] == -1:
            continue
        if keys[i] < 0 or slots[i] < 0 or slots[i] >= count or taken[slots[i]]:
            return False
        taken[slots[i]] = 1
        used += 1
    return used == count


def _checked(array: NDArray[Any], shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"an array of a counter is {array.dtype} {array.shape}; expected: {np.dtype(dtype)} {shape}"
        )
    return array

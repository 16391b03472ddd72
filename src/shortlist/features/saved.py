"""Counters on disk: what a log of millions of events comes to, so that a start need not count it again.

They are kept as they are in memory, each array by itself, and mapped when they are read: a start costs what checking costs, and only
what is looked at takes memory. Keys that may still come have some room at the ends. Whatever a file says, the tables that lead into
arrays are checked before anybody follows them. Where the files do not fit the features they are read for, nothing is taken from them and
the counters are made from the log.
"""

from __future__ import annotations

import json
from pathlib import Path

import numba
import numpy as np

from shortlist.data.mapped import load_arrays, save_arrays, release_pages
from shortlist.errors import BundleError
from shortlist.features.counter import Counter, Directory
from shortlist.features.online import LiveCounts
from shortlist.features.slots import Slots


def save_counts(live: LiveCounts, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    directories = _directories(live)
    for number, directory in enumerate(directories):
        save_arrays(folder / f"keys-{number}", _table(directory.slots))
    for number, counter in enumerate(live.counters.values()):
        size = len(counter.n) if counter.directory is None else _roomy(counter.directory.slots.count + 1)
        arrays = {name: getattr(counter, name)[..., :size] for name in Counter.ARRAYS}
        arrays["head"] = np.int64(counter.head)
        if counter.pairs is not None:
            arrays["seen"] = counter.seen[: _roomy(counter.pairs.count)]
            arrays |= {f"pairs.{name}": array for name, array in _table(counter.pairs).items()}
        save_arrays(folder / f"{number}", arrays)
    (folder / "counters.json").write_text(json.dumps(_plan(live, directories)), encoding="utf-8")


def load_counts(live: LiveCounts, folder: Path) -> bool:
    """Fill counters that were just made with what was kept; whether it fits them. Raises `BundleError` on what cannot be."""
    path = folder / "counters.json"
    if not path.exists():
        return False
    directories = _directories(live)
    if json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(_plan(live, directories))):
        return False
    for number, directory in enumerate(directories):
        _take_table(directory.slots, load_arrays(folder / f"keys-{number}"))
    for number, counter in enumerate(live.counters.values()):
        _restore(counter, load_arrays(folder / f"{number}"))
    for directory in directories:
        if len({len(member.n) for member in directory.members}) > 1:
            raise BundleError("counters of the same keys are of different sizes")
    return True


def _roomy(count: int) -> int:
    """What is kept for so many slots: the next keys come without everything being moved."""
    return max(1024, count + count // 4)


def _restore(counter: Counter, kept: dict[str, np.ndarray]) -> None:
    size = len(counter.n) if counter.directory is None else kept["n"].size
    if counter.directory is not None and size <= counter.directory.slots.count:
        raise BundleError("a counter has more keys than places")
    for name in Counter.ARRAYS:
        made = getattr(counter, name)
        setattr(counter, name, _like(kept[name], (*made.shape[:-1], size), made.dtype))
    counter.made += 1
    counter.head = int(_like(kept["head"], (), np.int64))
    if counter.pairs is not None:
        _take_table(counter.pairs, {name: kept[f"pairs.{name}"] for name in ("keys", "slots", "count")})
        counter.seen = _like(kept["seen"], (kept["seen"].size,), np.int64)
        if len(counter.seen) < counter.pairs.count:
            raise BundleError("a counter has more pairs than places")


def _directories(live: LiveCounts) -> list[Directory]:
    return list(dict.fromkeys(c.directory for c in live.counters.values() if c.directory is not None))


def _plan(live: LiveCounts, directories: list[Directory]) -> list[list[object]]:
    """What the counters are, in order: files fit where this is the same."""
    return [
        [
            repr(aggregate),
            c.sums,
            len(c.n) if c.directory is None else directories.index(c.directory) - len(directories),
            live.keys.size(aggregate.by),
        ]
        for aggregate, c in live.counters.items()
    ]


def _table(slots: Slots) -> dict[str, np.ndarray]:
    slots = slots.compact()
    return {"keys": slots.keys, "slots": slots.slots, "count": np.asarray(slots.count)}


def _take_table(slots: Slots, kept: dict[str, np.ndarray]) -> None:
    size = kept["keys"].size
    slots.keys = _like(kept["keys"], (size,), np.int64)
    slots.slots = _like(kept["slots"], (size,), np.int32)
    slots.count = int(_like(kept["count"], (), np.int64))
    if size < 2 or size & (size - 1) or not 0 <= slots.count <= size // 2:
        raise BundleError("a counter's table of keys has a size that it cannot have")
    if not _sound(slots.keys, slots.slots, slots.count):
        raise BundleError("a counter's table of keys leads to places that it cannot have")
    release_pages(slots.keys)
    release_pages(slots.slots)


@numba.njit(cache=True, nogil=True)
def _sound(keys, slots, count):  # type: ignore[no-untyped-def]
    """Whether each key has a slot of its own from 0 to count − 1, and all else is free: then no search runs for ever or outside."""
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


def _like(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"a counter's array is {array.dtype} {array.shape}; {np.dtype(dtype)} {shape} was expected"
        )
    return array

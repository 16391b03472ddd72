"""Counters on disk: what a log of millions of events comes to, so that a start need not count it again.

Only what is not empty is kept: the keys that ever occurred, and the rings of those whose window holds something. Each counter is one
npz without anything that could run; whatever a file says, rows are checked before they are used as places in arrays. Where a file does
not fit the features it is read for, nothing is taken from it and the counters are made from the log.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shortlist.errors import BundleError
from shortlist.features.counter import NEVER, Counter, Directory
from shortlist.features.live import LiveCounts
from shortlist.features.slots import Slots

PLAIN = ("n", "total", "value", "last")
RINGS = ("ring_n", "ring_total", "ring_low", "ring_high")


def save_counts(live: LiveCounts, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    directories = _directories(live)
    for number, directory in enumerate(directories):
        np.savez(folder / f"keys-{number}.npz", keys=directory.slots.listing())
    for number, counter in enumerate(live.counters.values()):
        rows = np.flatnonzero(counter.last != NEVER)
        arrays = {name: getattr(counter, name)[rows] for name in PLAIN}
        if counter.rings or counter.aggregate.extremes:
            warm = np.flatnonzero(arrays["n"] > 0)
            arrays |= {"warm": warm, **{name: getattr(counter, name)[rows[warm]] for name in RINGS}}
        if counter.pairs is not None:
            listed = counter.pairs.listing()
            arrays |= {"pairs": listed, "seen": counter.seen[: len(listed)]}
        np.savez(folder / f"{number}.npz", rows=rows, head=np.int64(counter.head), **arrays)
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
        with np.load(folder / f"keys-{number}.npz", allow_pickle=False) as kept:
            keys = _whole(kept["keys"], np.int64)
        _fill(directory.slots, keys)
        for member in directory.members:
            member.keep(slice(0), max(1024, 2 * (len(keys) + 1)))
    for number, counter in enumerate(live.counters.values()):
        with np.load(folder / f"{number}.npz", allow_pickle=False) as kept:
            _restore(counter, {name: kept[name] for name in kept.files})
    return True


def _restore(counter: Counter, kept: dict[str, np.ndarray]) -> None:
    rows = _whole(kept["rows"], np.int64)
    _within(rows, 1, len(counter.n) if counter.directory is None else counter.directory.slots.count + 1)
    counter.head = int(kept["head"])
    for name in PLAIN:
        getattr(counter, name)[rows] = _like(kept[name], (len(rows),), np.int64)
    if "warm" in kept:
        warm = _whole(kept["warm"], np.int64)
        _within(warm, 0, len(rows))
        for name in RINGS:
            target = getattr(counter, name)
            target[rows[warm]] = _like(kept[name], (len(warm), target.shape[1]), target.dtype)
    if counter.pairs is not None:
        listed = _whole(kept["pairs"], np.int64)
        _fill(counter.pairs, listed)
        counter.seen = np.full(max(1024, 2 * len(listed)), NEVER)
        counter.seen[: len(listed)] = _like(kept["seen"], (len(listed),), np.int64)


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


def _fill(slots: Slots, keys: np.ndarray) -> None:
    if len(keys) and keys.min() < 0:
        raise BundleError("a counter's keys are below zero")
    slots.put(keys)
    if slots.count != len(keys):
        raise BundleError("a counter's keys are there twice")


def _within(rows: np.ndarray, low: int, high: int) -> None:
    if len(rows) and not (rows.min() >= low and rows.max() < high):
        raise BundleError("a counter has rows that it cannot have")


def _whole(array: np.ndarray, dtype: type) -> np.ndarray:
    return _like(array, (array.size,), dtype)


def _like(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    if array.shape != shape or array.dtype != dtype:
        raise BundleError(
            f"a counter's array is {array.dtype} {array.shape}; {np.dtype(dtype)} {shape} was expected"
        )
    return array

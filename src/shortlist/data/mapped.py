"""Arrays on disk as they are in memory, so that a start need not read them.

Each array is one `.npy`. Large ones are mapped: their pages come in when they are first looked at, several processes of one machine
share them, and what a process changes is its own (copy on write) and never reaches the file. So a bundle must be replaced as a whole, as
`save` does, and not be written into while it is served.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SMALL = 65_536
"""Bytes up to which a file is just read: a mapping would cost more."""


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a folder. Raises `OSError` or `ValueError` where a file is not what it says."""
    return {file.stem: load_array(file) for file in sorted(folder.glob("*.npy"))}


def load_array(file: Path) -> np.ndarray:
    if file.stat().st_size <= SMALL:
        return np.asarray(np.load(file, allow_pickle=False))
    # as a plain array: `memmap` itself makes every later slice and reduction slower
    return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))


def unread(array: np.ndarray) -> None:
    """Let a mapped array's pages go that somebody, to check it, went through: they come again when they are looked at. Only for what was
    just loaded: changes would be lost.
    """
    mapped = getattr(array.base, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)

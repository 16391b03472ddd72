"""Arrays on disk as they are in memory, so that a start need not read them.

Each array is one `.npy` file. Large ones are mapped: their pages are read when they are first used, several processes
of one machine share them, and a process that writes to one writes to its own copy (copy on write), never to the file.
A bundle must therefore be replaced as a whole, as `save` does, and not be written into while it is served.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SMALL = 65_536
"""Files of up to this many bytes are read: mapping them would cost more."""


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write each array as `name.npy` in a folder, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """Read every array of a folder. Raises `OSError` or `ValueError` where a file is damaged."""
    return {file.stem: load_array(file) for file in sorted(folder.glob("*.npy"))}


def load_array(file: Path) -> NDArray[Any]:
    """Read one array, or map it where it is large. Raises `OSError` or `ValueError` where the file is damaged."""
    mode: Literal["c"] | None = None if file.stat().st_size <= SMALL else "c"
    try:
        # a plain array, because `numpy.memmap` makes every later slice and reduction slower
        return np.asarray(np.load(file, mmap_mode=mode, allow_pickle=False))
    except (ValueError, EOFError) as error:  # NumPy does not name the file
        raise ValueError(f"{file.name}: {error}") from None


def release_pages(array: NDArray[Any]) -> None:
    """Release the memory of a mapped array that was read once for a check; its pages are read again when used.

    Only for arrays that were just loaded: changes would be lost. Arrays that are not mapped stay as they are.
    """
    mapped = getattr(array.base, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)

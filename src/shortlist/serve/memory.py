"""Memory of this process: limits as people write them, and what is returned to the system."""

from __future__ import annotations

import ctypes
import gc
import re
import sys

import pyarrow as pa

from shortlist.errors import ShortlistError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)


def byte_size(text: str, field: str) -> int:
    """Return a size in bytes, as in `"4GB"` or `"500 MB"`. Raises `ShortlistError` naming the option."""
    found = SIZE.fullmatch(text.strip())
    size = 0 if found is None else int(float(found[1]) * UNITS[found[2].upper()])
    if size < 1:
        raise ShortlistError(f"{text!r} is not a size; write for example 4GB or 500MB", field=field)
    return size


def release_memory() -> None:
    """Return memory that is not used any more to the system; the C library would keep it."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def keep_what_is_there() -> None:
    """Take what is loaded out of the garbage collector's rounds: it stays, and looking through it costs time each round."""
    gc.collect()
    gc.freeze()


def collect_what_was_kept() -> None:
    """Free what `keep_what_is_there` took out and nothing refers to any more, and return its memory to the system."""
    gc.unfreeze()
    keep_what_is_there()
    release_memory()

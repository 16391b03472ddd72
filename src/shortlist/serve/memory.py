"""Memory of this process: limits as people write them, what it takes, and what is returned to the system."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
from pathlib import Path

import pyarrow as pa

from shortlist.errors import ShortlistError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
"""The first line of a mapping in Linux's list of them."""
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)


def byte_size(text: str, field: str) -> int:
    """Return a size in bytes, as in `"4GB"` or `"500 MB"`. Raises `ShortlistError` naming the option."""
    found = SIZE.fullmatch(text.strip())
    size = 0 if found is None else int(float(found[1]) * UNITS[found[2].upper()])
    if size < 1:
        raise ShortlistError(f"{text!r} is not a size; write for example 4GB or 500MB", field=field)
    return size


def mapped_bytes(folder: Path) -> int:
    """Return how much of the files of a folder is in this process's memory, bytes: of files that are mapped, what was read so far.

    0 where the system does not tell (it does on Linux).
    """
    try:
        lines = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    prefix, inside, found = f"{folder.resolve()}{os.sep}", False, 0
    for line in lines:
        if line.startswith("Rss:"):
            found += int(line.split()[1]) if inside else 0
        elif MAPPING.match(line):
            inside = prefix in line
    return found * 1024


def own_bytes() -> int | None:
    """Return how much memory this process has that is no part of a file, bytes; None where the system does not tell."""
    try:
        found = re.search(
            r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024


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

"""Files and folders that are replaced whole: a reader sees the earlier content or the new one, also after a crash."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

EXCHANGE = 2
"""`RENAME_EXCHANGE` of Linux: two names swap their files in one step."""
LEFT_BEHIND = 86_400
"""Seconds after which a folder that a killed process left half-written is removed."""


def unfinished_name(name: str) -> str:
    """Return the name of a file or folder while it is being written; it begins with a dot, so that readers of a folder pass it over."""
    return f".{name}-{uuid.uuid4().hex[:8]}"


def replace_file(path: Path, fill: str | Callable[[Path], None]) -> None:
    """Write a file aside, bring it to the disk, and rename it into place. `fill` is its text, or writes the file at a path."""
    fresh = path.with_name(unfinished_name(path.name))
    try:
        if isinstance(fill, str):
            fresh.write_text(fill, encoding="utf-8")
        else:
            fill(fresh)
        _to_disk(fresh)
        fresh.replace(path)
        _to_disk(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder aside, bring it to the disk, and put it in the place of an earlier one.

    On Linux the two folders are exchanged in one step. Elsewhere there is a moment in which neither has the name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(folder)
    fresh = folder.parent / unfinished_name(folder.name)
    fresh.mkdir()
    try:
        fill(fresh)
        for part in fresh.rglob("*"):
            _to_disk(part)
        _to_disk(fresh)
        if not folder.exists():
            fresh.rename(folder)
        elif not _exchange(fresh, folder):
            old = fresh.with_name(f"{fresh.name}-old")
            folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        _to_disk(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # after an exchange, the earlier folder


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step. False where the system cannot."""
    rename = (
        getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    )
    if rename is None:
        return False
    here = -100  # AT_FDCWD: paths are relative to the working directory
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), EXCHANGE) == 0)


def _to_disk(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if path.is_dir() and sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_left_behind(folder: Path) -> None:
    """Remove files that killed processes left beside a folder. A file that is younger than a day may still be written."""
    for left in folder.parent.glob(f".{folder.name}-*"):
        try:
            old = time.time() - left.stat().st_mtime > LEFT_BEHIND
        except OSError:  # its own process has just finished with it
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)

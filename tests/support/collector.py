"""Python's garbage collector during a test run: what was imported stays, so it need not be looked through again and again."""

from __future__ import annotations

import gc

THRESHOLD = (50_000, 20, 50)
"""Allocations before the youngest generation is collected, and collections before the next older ones."""


def rest() -> None:
    """Switch the collector off while test modules are imported: nothing of them is garbage."""
    gc.disable()


def resume() -> None:
    """Leave out what is loaded by now, and collect less often than by default."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLD)
    gc.enable()

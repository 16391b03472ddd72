"""Sizes of tests: a short form for `make test`, the long form for `make test-full`."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("SHORTLIST_TEST_FULL"))
"""Whether the long form of a test is wanted."""


def size(short: int, long: int) -> int:
    """Return the value for the form of this run."""
    return long if FULL else short

"""Waiting for a condition instead of a fixed time, so that a slow machine fails no test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 60.0, interval: float = 0.05) -> Any:
    """Call `condition` until its result is true, and return that result.

    Raises
    ------
    AssertionError
        If the result is still false after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"timed out after {timeout:g} s: {what}"
        time.sleep(interval)

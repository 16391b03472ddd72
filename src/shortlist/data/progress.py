"""How long-running functions report their progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""A function that is called with the name of the step and the fraction that is done, 0 to 1."""


def silent(step: str, fraction: float) -> None:
    """Report nothing: the default of functions that accept a `Progress`."""

"""Numbers and facts as readers see them in reports."""

from __future__ import annotations

from collections.abc import Mapping

NO_VALUE = "–"


def number(value: float) -> str:
    """Format a number with three or four significant digits; NaN becomes a dash."""
    if value != value:
        return NO_VALUE
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def words(name: str) -> str:
    """Turn the name of a field into words: underscores become spaces."""
    return name.replace("_", " ")


def fact(value: object) -> str:
    """Format the value of a fact; nested mappings become `name value; name value`."""
    if isinstance(value, Mapping):
        return "; ".join(f"{words(str(key))} {fact(inner)}" for key, inner in value.items())
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"

"""Bounds on values that clients send: what is accepted can be stored, sent on as JSON, replayed and trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from shortlist.errors import DataError, RequestError

MAX_TEXT = 1_000
"""Characters of a text at most."""
MAX_NUMBER = 2**63
"""The size of a number is below this."""
MAX_ITEM_TEXT = 100_000
"""Characters of a text that describes an item at most."""
MAX_VALUES = 10_000
"""Values of one list or mapping at most, nested ones included."""
MAX_DEPTH = 4


def text_fault(text: str, longest: int = MAX_TEXT) -> str | None:
    """Say why a text cannot be stored; None if it can."""
    if len(text) > longest:
        return f"a text has at most {longest:,} characters here, not {len(text):,}"
    if "\0" in text:
        return "a text has no NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text contains half of a character (a lone surrogate)"
    return None


def value_fault(value: Any, longest: int = MAX_TEXT) -> str | None:
    """Say why a value of a request or an event cannot be accepted; None if it can.

    Texts have at most `longest` characters, numbers are finite and below 2^63 in size, lists and mappings hold at most 10,000
    values in 4 levels. Whether a value suits its column is decided by the column's attribute.
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        seen += 1
        if seen > MAX_VALUES:
            return f"there are more than {MAX_VALUES:,} values"
        if isinstance(one, str):
            fault = text_fault(one, longest)
        elif isinstance(one, (int, float)) and not isinstance(one, bool):
            fault = None if abs(one) < MAX_NUMBER else "a number is finite and below 2^63 in size"
        elif isinstance(one, (Mapping, list, tuple)):
            fault = None if depth < MAX_DEPTH else f"values are nested in more than {MAX_DEPTH} levels"
            inner = [*one.keys(), *one.values()] if isinstance(one, Mapping) else one
            waiting += [(item, depth + 1) for item in inner]
        else:
            fault = None
        if fault is not None:
            return fault
    return None


def text_of(value: Any) -> str:
    """Return a value of a request or an event as the text that a column of a table has for it.

    Truth values are `true` and `false`, and a whole number that came as a float has no decimals: a column of these types is
    read so for training, and a word must be the same in both.

    Raises
    ------
    DataError
        The value is a list or a mapping.

    Examples
    --------
    >>> text_of(True), text_of(1999.0), text_of("Drama")
    ('true', '1999', 'Drama')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        kind = "mapping" if isinstance(value, Mapping) else "list"
        raise DataError(f"expected one text, got a {kind}: {str(value)[:80]}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text: str = pa.scalar(value, pa.float64()).cast(pa.string()).as_py()
        return text
    return str(value)


def check_value(value: Any, longest: int = MAX_TEXT) -> None:
    """Raise `DataError` with the reason where `value_fault` finds one."""
    fault = value_fault(value, longest)
    if fault is not None:
        raise DataError(fault)


def check_values(value: Mapping[str, Any] | None, name: str, longest: int = MAX_TEXT) -> None:
    """Raise `RequestError` naming the first entry of a mapping whose value cannot be accepted; see `value_fault`."""
    for key, entry in (value or {}).items():
        fault = text_fault(key) if isinstance(key, str) else "a name is a text"
        fault = fault or value_fault(entry, longest)
        if fault is not None:
            raise RequestError(f"{name}.{_short(key)}: {fault}", field=f"{name}.{_short(key)}")


def _short(key: Any) -> str:
    text = str(key)
    return ascii(text[:40])[1:-1] + ("…" if len(text) > 40 else "")

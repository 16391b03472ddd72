"""Texts by which exports write that a value is missing."""

from __future__ import annotations

MISSING = frozenset(
    {"", "null", "none", "n/a", "na", "nan", r"\n", "-", "<na>", "#n/a", "nat", "(null)", "<null>"}
)
"""Where a column holds numbers, times or truth values; in lower case."""
NO_ID = frozenset({"null", r"\n", "n/a", "#n/a", "nan", "<na>", "nat", "(null)", "<null>"})
"""Where a column holds ids that are texts; in lower case. `None`, which Python writes, is one of them, and `none` is not."""
PERHAPS_NO_ID = frozenset({"na", "none", "undefined", "-", "unknown"})
"""Texts that can be an id, and that some exports write where there is none; in lower case."""

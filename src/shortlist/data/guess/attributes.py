"""Guess which columns of an items or users table are attributes, and of which kind."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.data import AttributeKind
from shortlist.data.event_columns import flat
from shortlist.data.event_times import EventTimes
from shortlist.data.guess.names import concepts, unknown_words, words
from shortlist.data.guess.page import is_picture, is_web_page
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import is_numeric, is_text, read_numbers

TIMES = frozenset(
    {"released", "release_date", "published", "published_at", "created_at", "arrived", "added", "added_at"}
)
"""Names of columns that are read as times even where they hold numbers or text."""
DATED = 0.9
"""Texts are read as times where this share of them are, and the name speaks of a time."""
TITLES = ("title", "name", "item_name", "product_name", "label")
"""Names of columns that hold titles, the likeliest first."""
TEXTS = frozenset(TITLES) | {
    "description",
    "text",
    "overview",
    "summary",
}
"""Names of columns that hold texts in which each word matters."""
LISTED = 0.1
"""A column of texts holds lists where this share of them contains `|`."""
VECTOR = 8
"""Lists of whole numbers can be vectors from this length on, if all of them have it; shorter ones are lists of ids."""
LONG_VECTOR = 16
"""From this length on they are vectors, unless they are clearly ids."""
ENOUGH_LISTS, SOME_LISTS = 20, 10_000
"""In so many lists, the numbers of vectors repeat somewhere; at most so many are looked at."""
FEW, OF_ROWS = 50, 4
"""A category has at most so many words, or one for so many rows."""
_FRACTIONS = r"^\s*[\[(]?\s*[-+]?\d*\.\d+(?:[eE][-+]?\d+)?(?:\s*[|,; ]\s*[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)+\s*[\])]?\s*$"
"""Texts of several numbers that are not whole."""


def guess_attributes(table: pa.Table, others: frozenset[str]) -> tuple[dict[str, AttributeKind], list[str]]:
    """Return attribute → kind, and a line for each reason why columns are left out.

    Parameters
    ----------
    table
        The table of items or users.
    others
        Columns that are no attributes, such as the id.
    """
    attributes: dict[str, AttributeKind] = {}
    left: dict[str, list[str]] = {}
    for name in table.column_names:
        if name in others:
            continue
        kind, reason = _kind(name, flat(table.column(name)))
        if kind is None:
            left.setdefault(reason, []).append(name)
        else:
            attributes[name] = kind
    return attributes, [f"Not used: {', '.join(names)} ({reason})." for reason, names in left.items()]


def _kind(name: str, column: pa.Array) -> tuple[AttributeKind | None, str]:
    """Return the kind of a column, or None and the reason why it is left out."""
    kind, lower = column.type, name.lower()
    if column.null_count == len(column):
        return None, "without any value"
    if not name.strip():
        return None, "without a name"
    if pa.types.is_list(kind):
        return _list_kind(column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or lower in TIMES:
        return "time", ""
    if is_numeric(kind) or pa.types.is_boolean(kind):
        return _number_kind(name, column)
    if not is_text(kind):
        return None, f"of type {kind}"
    if concepts(name) & {"time", "born", "at"} and _are_dates(column):
        return "time", ""
    return ("link", "") if is_picture(name, column) or is_web_page(name, column) else _text_kind(name, column)


def _number_kind(name: str, column: pa.Array) -> tuple[AttributeKind | None, str]:
    """Tell numbers from numbers that are ids: of few things, they are categories."""
    if concepts(name) != {"id"} and not (
        concepts(name) >= {"id"} and words(name)[-1] in {"id", "nr", "nummer", "code"}
    ):
        return "number", ""
    if not pa.types.is_integer(column.type) or not len(column):
        return "number", ""
    distinct = pc.count_distinct(column).as_py()
    if distinct > max(FEW, len(column) // OF_ROWS):
        return None, "ids that nearly all differ"
    return "category", ""


def _are_dates(column: pa.Array) -> bool:
    read = EventTimes.of(column)
    known = int((read.times != NO_TIME).sum())
    return known > 0 and known >= DATED * (len(column) - column.null_count)


def _list_kind(column: pa.Array) -> tuple[AttributeKind | None, str]:
    """Tell vectors from lists of words."""
    inner = column.type.value_type
    if is_text(inner) or pa.types.is_null(inner):
        return "list", ""
    if pa.types.is_boolean(inner) or not is_numeric(inner):
        return None, f"of type {column.type}"
    sizes = [size for size in pc.unique(pc.list_value_length(column).drop_null()).to_pylist() if size]
    same = len(sizes) == 1 and sizes[0] > 1
    if pa.types.is_integer(inner):
        return ("embedding" if same and _are_whole_vectors(column, sizes[0]) else "list"), ""
    return (
        ("embedding", "")
        if same
        else (None, "lists of numbers that differ in length, so they are no vectors")
    )


def _are_whole_vectors(column: pa.Array, size: int) -> bool:
    """Return whether lists of whole numbers, all of one length, are vectors (small counts, 8-bit codes) and not lists of ids.

    Ids, such as the ten most similar items of each, are not negative, and no list has one twice. Numbers of a vector come from a
    small range, so some list has one of them twice.
    """
    if size < VECTOR:
        return False
    rows = pc.list_flatten(column).to_numpy(zero_copy_only=False).reshape(-1, size)[:SOME_LISTS]
    ordered = np.sort(rows, axis=1)
    if bool((ordered[:, 0] < 0).any()) or bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        return True
    return size >= LONG_VECTOR and len(rows) < ENOUGH_LISTS


def _are_decimals(texts: pa.Array) -> bool:
    """Return whether texts are numbers, and at least one has a fraction: texts of whole numbers can be codes."""
    if not pc.any(pc.match_substring_regex(texts, r"\d[.,]\d+\s*\D{0,4}$")).as_py():
        return False
    codes = pc.any(pc.match_substring_regex(texts, r"^\s*0\d")).as_py()
    reading = read_numbers(texts)
    return not codes and reading is not None and not reading.unreadable.any()


def _is_text_name(name: str) -> bool:
    """Return whether a name says that each word of a text matters: a title, a description."""
    return name.lower() in TEXTS or (
        "name" in concepts(name)
        and not concepts(name) & {"person", "address", "id", "country"}
        and not unknown_words(name)
    )


def _text_kind(name: str, texts: pa.Array) -> tuple[AttributeKind | None, str]:
    present = texts.drop_null()
    if pc.all(pc.match_substring_regex(present, _FRACTIONS)).as_py():
        return None, "numbers in a text; write a list of numbers to a Parquet file for an embedding"
    if np.mean(pc.match_substring(present, "|").to_numpy(zero_copy_only=False)) * len(present) > LISTED * len(
        texts
    ):
        return "list", ""
    if _is_text_name(name):
        return "text", ""
    if _are_decimals(present):
        return "number", ""
    few = pc.count_distinct(texts).as_py() <= max(FEW, len(texts) // OF_ROWS)
    return ("category", "") if few else (None, "texts that nearly all differ")

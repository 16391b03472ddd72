"""Read the values of events as numbers: also decimal commas, true and false, and `5 stars`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.engines.missing import MISSING

NUMBER = r"^\s*[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?\s*(?:stars?)?\s*$"
DECIMAL_COMMA = r"^\s*[-+]?\d+,\d+\s*(?:stars?)?\s*$"
THOUSANDS = r"^\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*$"
_SIGN = "(?:[€$£¥₹]|[A-Z]{3}|kr|zł|Kč|Fr[.]?)"
_MONEY = f"^[-+]?{_SIGN}?[-+]?[\\d.,]*\\d{_SIGN}?$"
_BLANKS = "[\\s\u00a0\u202f'’]"
"""Amounts of money with the sign of their currency, and the marks between thousands that are no points and commas."""
_DOTS = r"[.]\d{1,2}$"
_COMMAS = r",\d{1,2}$"
_DOT_THOUSANDS = r"^[-+]?\d{1,3}(?:[.]\d{3})+(?:,\d+)?$"
_COMMA_THOUSANDS = r"^[-+]?\d{1,3}(?:,\d{3})+(?:[.]\d+)?$"
"""One or two digits after the last mark are decimals; then the other mark parts thousands."""
_UNIT = r"\s*(?:stars?)?\s*$"
HALF_EXACT, ENOUGH_HALVES = 2**11, 10
"""Numbers of 16 bits are not exact from the first size on; so many different ones cannot all be such numbers by chance."""
TRUTH = {
    **dict.fromkeys(("true", "yes", "y", "ja", "oui", "si", "sí", "sì", "sim"), 1.0),
    **dict.fromkeys(("false", "no", "n", "nein", "nee", "non", "não"), 0.0),
}
"""Texts that stand for 1 and 0."""


@dataclass(frozen=True, eq=False)
class NumberReading:
    """A column as numbers.

    Attributes
    ----------
    numbers : ndarray of shape (n,), float64
        NaN where there is none.
    unreadable : ndarray of shape (n,), bool
        The rows that hold something, and no number.
    how : str
        How it was read, where the column holds no plain numbers: `decimal commas`.
    """

    numbers: NDArray[np.float64]
    unreadable: NDArray[np.bool_]
    how: str = ""

    @property
    def mostly_numbers(self) -> bool:
        """Whether at least half of the values are numbers; the others are then faults of the export rather than words."""
        found = int(np.isfinite(self.numbers).sum())
        return found > 0 and found >= int(self.unreadable.sum())

    def __repr__(self) -> str:
        return f"NumberReading({len(self.numbers):,} rows, {int(self.unreadable.sum()):,} unreadable)"


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a type holds numbers; a column without any value counts."""
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def float_bits(array: pa.Array) -> int:
    """Return how many bits the numbers of a floating-point column were rounded to: 64, 32, or 16.

    Arrow, Parquet and DuckDB pass numbers of 16 bits on as those of 32: they are known by all large ones being such numbers.
    """
    if not pa.types.is_float32(array.type):
        return 64
    values = np.abs(array.drop_null().to_numpy(zero_copy_only=False))
    large = np.unique(values[values >= HALF_EXACT])
    if len(large) < ENOUGH_HALVES or not large[-1] <= np.finfo(np.float16).max:
        return 32
    return 16 if (large.astype(np.float16) == large).all() else 32


def read_numbers(array: pa.Array | pa.ChunkedArray) -> NumberReading | None:
    """Read a column as numbers; None where its type holds neither numbers, truth values nor texts.

    Texts with a comma are read as decimals (`4,5`), unless all of them could be thousands (`1,250`), which is ambiguous.
    The work is done once for each distinct text.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    none = np.zeros(len(array), bool)
    if is_numeric(array.type):
        numbers = pc.fill_null(array.cast(pa.float64(), safe=False), np.nan)
        return NumberReading(numbers.to_numpy(zero_copy_only=False), none)
    if pa.types.is_boolean(array.type):
        numbers = pc.fill_null(array.cast(pa.int8()).cast(pa.float64()), np.nan)
        return NumberReading(numbers.to_numpy(zero_copy_only=False), none, "true as 1, false as 0")
    if not is_text(array.type):
        return None
    coded = array.cast(pa.string()).dictionary_encode()
    words = coded.dictionary
    values, unreadable, how = _read_words([word.strip().lower() for word in words.to_pylist()], words)
    codes = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return NumberReading(np.append(values, np.nan)[codes], np.append(unreadable, False)[codes], how)


def line_values(price: NDArray[np.float64], quantity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the amounts of order lines: price × quantity, below 0 where one of the two is.

    Examples
    --------
    >>> line_values(np.array([2.5, 2.5, -2.5, -2.5]), np.array([2.0, -2.0, 1.0, -1.0])).tolist()
    [5.0, -5.0, -2.5, -2.5]
    """
    amount = np.abs(price * quantity)
    return np.where((price < 0) | (quantity < 0), -amount, amount)


def row_values(table: pa.Table, value: str, quantity: str | None) -> NDArray[np.float64] | None:
    """Return a column as numbers, times that of the pieces where there is one; None where it holds no numbers."""
    reading = read_numbers(table.column(value))
    if reading is None or quantity is None or quantity == value:
        return None if reading is None else reading.numbers
    pieces = read_numbers(table.column(quantity))
    return reading.numbers if pieces is None else line_values(reading.numbers, pieces.numbers)


def _read_words(lower: list[str], words: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_], str]:
    """Return the numbers of distinct texts, which of them are no numbers, and how they were read."""
    missing = np.array([word in MISSING for word in lower], bool)
    present = [word for word, none in zip(lower, missing, strict=True) if not none]
    if present and all(word in TRUTH for word in present):
        values = np.array([TRUTH.get(word, np.nan) for word in lower])
        how = ", ".join(
            f"{word} as {TRUTH[word]:.0f}" for word in sorted(set(present), key=lambda w: -TRUTH[w])
        )
        return values, np.zeros(len(lower), bool), how
    words, cleaned = _without_currency(words)
    plain = _matches(words, NUMBER)
    comma = _matches(words, DECIMAL_COMMA) & ~plain
    ambiguous = bool(comma.any()) and bool((~comma | _matches(words, THOUSANDS)).all())
    readable = plain if ambiguous else plain | comma
    text = pc.replace_substring(pc.replace_substring_regex(words, _UNIT, ""), ",", ".")
    numbers = pc.utf8_trim_whitespace(pc.if_else(pa.array(readable), text, None))
    values = pc.fill_null(numbers.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    how = "decimal commas" if comma.any() and not ambiguous else "numbers written as text"
    how += ", without signs of currencies and thousands" if cleaned else ""
    return values, ~readable & ~missing, how


def _without_currency(words: pa.Array) -> tuple[pa.Array, bool]:
    """Return texts in which amounts such as `$1,250.00` and `1.250,00 €` are `1250.00` and `1250,00`, and whether there are any.

    Amounts in several currencies, and columns in which points and commas have two meanings, stay as they are.
    """
    if (_matches(words, NUMBER) | _matches(words, DECIMAL_COMMA)).all():
        return words, False
    bare = pc.replace_substring_regex(words, _BLANKS, "")
    money = _matches(bare, _MONEY)
    signs = pc.extract_regex(bare.filter(pa.array(money)), f"(?P<sign>{_SIGN})").drop_null()
    if len(pc.unique(pc.struct_field(signs, "sign"))) > 1:
        return words, False
    bare = pc.replace_substring_regex(bare, _SIGN, "")
    dots = bool((_matches(bare, _DOTS) & money).any())
    commas = bool((_matches(bare, _COMMAS) & money).any())
    for only, grouped, mark in ((dots, _COMMA_THOUSANDS, ","), (commas, _DOT_THOUSANDS, ".")):
        if only and not (dots and commas):
            bare = pc.if_else(
                pc.match_substring_regex(bare, grouped), pc.replace_substring(bare, mark, ""), bare
            )
    found = pc.if_else(pa.array(money), bare, words)
    return found, bool(pc.any(pc.not_equal(found, words)).as_py())


def _matches(words: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(words, pattern).to_numpy(zero_copy_only=False)
    return found.astype(bool)

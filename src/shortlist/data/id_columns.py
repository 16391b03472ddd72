"""Columns of ids: whole numbers of 64 bits or texts, as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.ids import MAX_ID_LENGTH, MAX_INTEGER
from shortlist.data.numbers import float_bits, is_text
from shortlist.engines.missing import NO_ID, PERHAPS_NO_ID
from shortlist.engines.plain_types import examples_of, plain_array
from shortlist.errors import DataError

EXACT = {16: 2**11, 32: 2**24, 64: 2**53}
"""Bits of a floating-point number → the whole numbers below this size are exact."""
_BLANKS = " \t\r\n\u00a0"


@dataclass(frozen=True, repr=False)
class IdReading:
    """A column of ids as it was read.

    Attributes
    ----------
    ids : pyarrow.Array
        int64 or string, n of them; null where there is none.
    no_id : ndarray of shape (n,), bool
        Rows whose text says that there is no id, such as `NULL`.
    faulty : ndarray of shape (n,), bool
        Rows whose text cannot be an id: it is too long, or contains a NUL character.
    notes : list[str]
        What was not taken as it is stored.
    warnings : list[str]
        Texts that may say that there is no id, and were taken for ids.
    """

    ids: pa.Array
    no_id: NDArray[np.bool_]
    faulty: NDArray[np.bool_]
    notes: list[str]
    warnings: list[str]

    def __repr__(self) -> str:
        return f"IdReading({len(self.ids):,} {self.ids.type} ids, {self.ids.null_count:,} missing)"


def id_array(column: Any, where: str) -> pa.Array:
    """Return a column as an array of ids: 64-bit integers or strings; see `read_ids`."""
    return read_ids(column, where).ids


def read_ids(column: Any, where: str, as_text: bool = False) -> IdReading:
    """Read a column of ids.

    Whole numbers stay whole numbers and texts stay texts. Whole numbers that are stored as floating-point or decimal numbers, as
    pandas stores integers with missing values, become whole numbers, and UTF-8 in a binary column becomes text. Blanks around a
    text are no part of an id. Texts such as `NULL` and `N/A` are missing ids.

    Parameters
    ----------
    column
        An Arrow column or anything that Arrow can read.
    where
        The file and column, for messages.
    as_text
        Return whole numbers as texts.

    Raises
    ------
    DataError
        The type cannot identify anything (lists, fractions, times), or the numbers have lost digits.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else _given(column, where)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    stored, notes = plain_array(array), []
    array = _whole_or_text(stored, where)
    if array.type != stored.type and len(array):
        as_what = "whole numbers" if pa.types.is_integer(array.type) else "texts"
        if not (pa.types.is_integer(stored.type) or pa.types.is_null(stored.type)):
            notes.append(f"{where}: ids are stored as {stored.type} and read as {as_what}")
    if not pa.types.is_string(array.type):
        none = np.zeros(len(array), bool)
        ids = array.cast(pa.string()) if as_text else array
        return IdReading(ids, none, none, notes, _perhaps_missing(array))
    return _stripped(array, where, notes)


def read_keys(column: Any, where: str, notes: list[str]) -> pa.Array:
    """Return the keys of a column in which rows may have none, such as those of slates; what was not taken as it is goes to `notes`."""
    reading = read_ids(column, where)
    notes += reading.notes
    none = reading.faulty
    if pa.types.is_string(reading.ids.type):
        none = none | np.asarray(pc.equal(pc.fill_null(reading.ids, ""), "")).astype(bool)
    lost = int((reading.no_id | reading.faulty).sum())
    if lost:
        notes.append(f"{where}: {lost:,} texts are no keys, such as NULL, and are taken for missing")
    return pc.if_else(pa.array(none), pa.scalar(None, reading.ids.type), reading.ids)


def _given(column: Any, where: str) -> pa.Array:
    try:
        return column if isinstance(column, pa.Array) else pa.array(column)
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"{where}: cannot be read as ids: {error}; use whole numbers or text") from None


def _whole_or_text(array: pa.Array, where: str) -> pa.Array:
    kind = array.type
    if pa.types.is_integer(kind):
        if pa.types.is_uint64(kind):
            _refuse(array, pc.greater(array, pa.scalar(MAX_INTEGER, pa.uint64())), where, "is above 2^63 − 1")
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        return _from_floats(array, where)
    if pa.types.is_decimal(kind):
        _refuse(array, pc.not_equal(array, pc.floor(array)), where, "is a fraction")
        _refuse(
            array, pc.greater_equal(pc.abs(array), pa.scalar(Decimal(2**63))), where, "has more than 64 bits"
        )
        return array.cast(pa.int64())
    if pa.types.is_null(kind) or is_text(kind):
        return array.cast(pa.string())
    if pa.types.is_binary(kind):
        try:
            return array.cast(pa.string())
        except pa.ArrowInvalid:
            raise DataError(
                f"{where}: the bytes are no text in UTF-8; write ids as text, for example as hexadecimal"
            ) from None
    raise DataError(
        f"{where}: a column of type {kind} cannot hold ids (e.g. {examples_of(array)}); use whole numbers or text",
        field=where.rpartition(": ")[2],
    )


def _from_floats(array: pa.Array, where: str) -> pa.Array:
    array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    _refuse(array, pc.is_inf(array), where, "is infinite")
    _refuse(array, pc.not_equal(pc.floor(array), array), where, "is a fraction")
    bits = float_bits(array)
    exact = EXACT[bits]
    _refuse(
        array,
        pc.greater_equal(pc.abs(array), float(exact)),
        where,
        f"has lost digits: a floating-point number of {bits} bits cannot tell whole numbers from {exact:,} on apart",
    )
    return array.cast(pa.int64())


def _perhaps_missing(array: pa.Array) -> list[str]:
    """Warn of -1 where it is the only negative number."""
    negative = pc.value_counts(array.filter(pc.fill_null(pc.less(array, 0), False))).to_pylist()
    if len(negative) != 1 or negative[0]["values"] != -1:
        return []
    return [f"{negative[0]['counts']:,} rows have the id -1"]


def _refuse(array: pa.Array, bad: pa.Array, where: str, what: str) -> None:
    """Raise `DataError` with the rows where `bad` is true."""
    rows = np.flatnonzero(pc.fill_null(bad, False).to_numpy(zero_copy_only=False))
    if len(rows):
        examples = "; ".join(f"row {row + 1}: {array[int(row)].as_py()!r}" for row in rows[:3])
        raise DataError(
            f"{where}: an id {what} ({len(rows):,} rows; for example {examples}). The column is {array.type}; "
            "write ids as whole numbers of 64 bits or as text (in pandas: dtype str or Int64 when reading the file)",
            field=where.rpartition(": ")[2],
        )


def _stripped(array: pa.Array, where: str, notes: list[str]) -> IdReading:
    """Texts without blanks around them, null where they say that there is no id. The work is done once for each distinct text."""
    coded = array.dictionary_encode()
    given = coded.dictionary
    words = pc.utf8_trim(given, characters=_BLANKS)
    lower = pc.utf8_lower(words)
    codes = pc.fill_null(coded.indices, len(given)).to_numpy(zero_copy_only=False)

    def rows(mask: pa.Array) -> NDArray[np.bool_]:
        """The rows whose distinct text is marked."""
        marked: NDArray[np.bool_] = np.append(mask.to_numpy(zero_copy_only=False).astype(bool), False)[codes]
        return marked

    changed = rows(pc.not_equal(words, given))
    no_id = rows(pc.or_(pc.is_in(lower, value_set=pa.array(sorted(NO_ID))), pc.equal(words, "None")))
    faulty = rows(pc.or_(pc.greater(pc.utf8_length(words), MAX_ID_LENGTH), pc.match_substring(words, "\0")))
    if changed.any():
        example = array[int(np.flatnonzero(changed)[0])].as_py()
        merged = len(words) - len(pc.unique(words))
        also = f"; {merged:,} of them are then equal to others" if merged else ""
        notes.append(
            f"{where}: blanks around {int(changed.sum()):,} ids are left out, for example {example!r}{also}"
        )
        array = pa.DictionaryArray.from_arrays(coded.indices, words).dictionary_decode()
    if no_id.any():
        array = pc.if_else(pa.array(no_id), pa.scalar(None, pa.string()), array)
    perhaps = pc.and_(pc.is_in(lower, value_set=pa.array(sorted(PERHAPS_NO_ID))), pc.not_equal(words, "None"))
    warnings = [
        f"{int((codes == at).sum()):,} rows have the id {words[at].as_py()!r}"
        for at in np.flatnonzero(perhaps.to_numpy(zero_copy_only=False)).tolist()
    ]
    return IdReading(array, no_id, faulty, notes, warnings + _rewritten(words))


def _rewritten(words: pa.Array) -> list[str]:
    """Warn of ids that another program has written as decimal numbers."""
    present = words.filter(pc.not_equal(words, ""))
    if not len(present):
        return []
    example = present[0].as_py()
    if pc.all(pc.match_substring_regex(present, r"^\d+\.0$")).as_py():
        return [
            f"the ids are whole numbers with a fraction, such as {example}, as pandas writes a column in which some are missing"
        ]
    if pc.all(pc.match_substring_regex(present, r"^\d(\.\d+)?[eE]\+\d+$")).as_py():
        return [f"the ids are rounded numbers, such as {example}, as spreadsheets write long ones"]
    return []

"""Times of day that have a column of their own beside the date."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.date_texts import missing_texts
from shortlist.data.numbers import is_text

_CLOCK = r"^(?P<h>\d{1,2})[:.h](?P<m>\d{2})(?:[:.](?P<s>\d{2})(?:[.,]\d+)?)?\s*(?P<p>[AaPp]\.?[Mm]\.?)?$"


def read_clock(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return times of day as ms after midnight, 0 where there is none, and which values are none of a clock.

    Examples
    --------
    >>> read_clock(pa.array(["10:15", "1:05:30 PM", None, "25:00"]))[0].tolist()
    [36900000, 47130000, 0, 0]
    """
    if pa.types.is_time(column.type):
        unit = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[column.type.unit]
        whole = (
            column.cast(pa.int32()).cast(pa.int64())
            if column.type.bit_width == 32
            else column.cast(pa.int64())
        )
        ticks = pc.fill_null(whole, 0).to_numpy(zero_copy_only=False)
        return (ticks * unit).astype(np.int64), np.zeros(len(column), bool)
    if not is_text(column.type):
        return np.zeros(len(column), np.int64), np.asarray(column.is_valid())
    parts = pc.extract_regex(pc.utf8_trim_whitespace(column), _CLOCK)
    hour, minute, second = (_numbers(parts, name) for name in "hms")
    half = pc.fill_null(pc.utf8_lower(pc.struct_field(parts, "p")), "")
    is_half = pc.not_equal(half, "").to_numpy(zero_copy_only=False).astype(bool)
    is_late = pc.starts_with(half, "p").to_numpy(zero_copy_only=False).astype(bool)
    good = (minute < 60) & (second < 60) & np.where(is_half, (hour >= 1) & (hour <= 12), hour < 24)
    hour = np.where(is_half, hour % 12 + 12 * is_late, hour)
    read = np.asarray(parts.is_valid()) & good
    times = np.where(read, ((hour * 60 + minute) * 60 + second) * 1000, 0)
    return times, ~read & ~missing_texts(column)


def _numbers(parts: pa.Array, name: str) -> NDArray[np.int64]:
    text = pc.fill_null(pc.struct_field(parts, name), "")
    numbers: NDArray[np.int64] = (
        pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()).to_numpy(zero_copy_only=False)
    )
    return numbers

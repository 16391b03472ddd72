"""Evidence from the values of columns, whatever the columns are called: how many differ, which are times, and which one settles another."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.event_columns import flat
from shortlist.data.event_times import DAY_MS, EventTimes
from shortlist.data.ids import IdMap
from shortlist.data.no_time import NO_TIME
from shortlist.data.numbers import is_numeric, is_text

SAMPLE = 200_000
"""Rows of a large table that are looked at: the first ones."""
READABLE = 0.9
"""A column holds times where at least this share of its values can be read as times."""
PLAUSIBLE = (631_152_000_000, 4_102_444_800_000)
"""The years 1990 and 2100: numbers in a column whose name says nothing about times are times if they mean a moment between."""
SETTLED = 0.98
"""A column settles another where so many of its values have one value of it."""
REPEATED = 50
"""Rows with an earlier value that are needed to tell that one column settles another."""


class Evidence:
    """The values of a table, read once each."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.slice(0, SAMPLE)
        self.rows = self.table.num_rows
        self._codes: dict[str, NDArray[np.int32]] = {}
        self._times: dict[str, NDArray[np.int64] | None] = {}

    def __repr__(self) -> str:
        return f"Evidence({self.rows:,} rows, {self.table.num_columns} columns)"

    def type_of(self, name: str) -> pa.DataType:
        """Return the type of a column."""
        return self.table.schema.field(name).type

    def is_plain(self, name: str) -> bool:
        """Return whether a column holds single values that can be compared."""
        kind = self.type_of(name)
        return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_duration(kind))

    def codes(self, name: str) -> NDArray[np.int32]:
        """Return a number for each different value of a column, −1 where there is none; blank texts are none."""
        if name not in self._codes:
            texts = flat(self.table.column(name)).cast(pa.string())
            texts = pc.utf8_trim_whitespace(texts)
            texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
            self._codes[name] = IdMap.of(texts).codes(texts) if len(texts) else np.empty(0, np.int32)
        return self._codes[name]

    def distinct(self, name: str) -> int:
        """Return how many values of a column differ."""
        codes = self.codes(name)
        return int(codes.max()) + 1 if len(codes) else 0

    def present(self, name: str) -> float:
        """Return the share of rows that have a value."""
        return float((self.codes(name) >= 0).mean()) if self.rows else 0.0

    def is_unique(self, name: str) -> bool:
        """Return whether hardly any value occurs twice, in a table that is large enough to tell."""
        known = int((self.codes(name) >= 0).sum())
        return known >= REPEATED and self.distinct(name) > 0.98 * known

    def settles(self, one: str, other: str) -> bool:
        """Return whether each value of one column goes with one value of another: the article with its brand."""
        return self.settled(one, other) >= SETTLED

    def settled(self, one: str, other: str) -> float:
        """Return the share of the values of one column that go with one value of another; 0 where too few are repeated."""
        first, second = self.codes(one), self.codes(other)
        both = (first >= 0) & (second >= 0)
        if both.sum() - len(np.unique(first[both])) < REPEATED:
            return 0.0
        pairs = np.unique(first[both].astype(np.int64) * (int(second.max()) + 1) + second[both])
        counts = np.unique(pairs // (int(second.max()) + 1), return_counts=True)[1]
        return float((counts == 1).mean())

    def times(self, name: str) -> NDArray[np.int64] | None:
        """Return a column as ms, None where it holds no times."""
        if name not in self._times:
            self._times[name] = self._read_times(name)
        return self._times[name]

    def _read_times(self, name: str) -> NDArray[np.int64] | None:
        kind = self.type_of(name)
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or is_text(kind) or is_numeric(kind)):
            return None
        if is_text(kind) and not self.is_dated(name):
            return None
        times = EventTimes.of(flat(self.table.column(name))).times
        known = times[times != NO_TIME]
        given = int((self.codes(name) >= 0).sum())
        if not given or len(known) < READABLE * given:
            return None
        if is_numeric(kind) and not PLAUSIBLE[0] <= np.median(known) <= PLAUSIBLE[1]:
            return None
        return times

    def is_dated(self, name: str) -> bool:
        """Return whether a column holds texts with digits that can be dates, in whichever order; other texts are not read as times."""
        if not is_text(self.type_of(name)):
            return False
        some = flat(self.table.column(name)).drop_null().slice(0, 50)
        if not len(some):
            return False
        dated = pc.match_substring_regex(
            some,
            r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|^\s*\d{8,19}(\.\d+)?\s*$|\d{1,2}[-. ][A-Za-z]{3,9}[-. ]\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}",
        )
        return float(np.mean(dated.to_numpy(zero_copy_only=False))) >= READABLE

    def has_clock(self, name: str) -> bool:
        """Return whether times are of different hours of the day."""
        times = self.times(name)
        if times is None:
            return False
        known = times[times != NO_TIME]
        return bool(len(known) and len(np.unique(known % DAY_MS)) > 1)

    def overlap(self, name: str, ids: pa.ChunkedArray) -> float:
        """Return the share of different values of a column that occur in a column of another table."""
        mine = pc.unique(_texts(self.table.column(name))).drop_null()
        if not len(mine):
            return 0.0
        return float(np.mean(pc.is_in(mine, value_set=pc.unique(_texts(ids))).to_numpy(zero_copy_only=False)))


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Values as texts, in which whole numbers have no fraction."""
    array = flat(column)
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        return pa.nulls(len(array), pa.string())
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.replace_substring_regex(texts, r"^(\d+)\.0$", r"\1")

"""Ids as dense codes, and back."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.data.growable import GROWTH, GrowableIndex
from shortlist.data.lazy import lazy_property
from shortlist.errors import DataError, abbreviated

MAX_ID_LENGTH = 512
"""Characters of a text id at most."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


def id_fault(value: Any) -> str | None:
    """Say why a value cannot be the id of a user or an item; None if it can be one.

    An id is a whole number of 64 bits or a text of 1 to 512 characters that can be written as UTF-8 and contains no NUL
    character, which PostgreSQL cannot store. Every entrance (HTTP, Python, command line) uses this rule, so that each
    id that is accepted can be stored, replayed and trained on.
    """
    if type(value) is not int:  # most ids are, and need no other question
        if hasattr(value, "item") and not isinstance(value, (int, str)):  # a NumPy scalar
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return f"an id is a whole number or a text, not {type(value).__name__}"
    if isinstance(value, int):
        return (
            None
            if MIN_INTEGER <= value <= MAX_INTEGER
            else "a whole number that is an id has at most 64 bits"
        )
    if not value:
        return "an id is not empty"
    if len(value) > MAX_ID_LENGTH:
        return f"a text id has at most {MAX_ID_LENGTH} characters, not {len(value):,}"
    if "\0" in value:
        return "a text id has no NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "the text contains half of a character (a lone surrogate)"
    return None


def random_id() -> str:
    """Return a new id of 32 hexadecimal digits, from 128 random bits: of a slate, a page, an event or a request."""
    return os.urandom(16).hex()


def _integer(text: str) -> int | None:
    """The whole number that a text spells in the usual way; None for every other text, such as "--5", "007" or "１"."""
    digits = text.removeprefix("-")
    if not (1 <= len(digits) <= 19 and digits.isascii() and digits.isdigit()):
        return None
    number = int(text)
    return number if str(number) == text and MIN_INTEGER <= number <= MAX_INTEGER else None


class IdMap:
    """Ids ↔ codes from 0 to n − 1. Immutable; `extended` returns a longer map in which old codes keep their meaning.

    All arrays refer to users and items by code. The map holds the ids in their own type, so that integers come back
    as integers and strings as strings. Integer ids cost 8 bytes each and are found by bisection (or without a search
    where they are consecutive); strings cost a dictionary. Ids that are appended lie beside the first ones.

    Parameters
    ----------
    values
        The distinct ids, an Arrow array of int64 or string without nulls.

    Examples
    --------
    >>> ids = IdMap(pa.array(["a", "b"]))
    >>> ids.code("b"), ids.code("x"), ids.id(0)
    (1, -1, 'a')
    """

    def __init__(self, values: pa.Array) -> None:
        self._values = values
        self.type: pa.DataType = values.type
        """The Arrow type of the ids: int64 or string."""
        self.python_type: type[int | str] = int if pa.types.is_integer(values.type) else str
        """The Python type of the ids: int or str."""
        self._added: GrowableIndex[int | str] = GrowableIndex()

    @classmethod
    def of(cls, *columns: pa.Array) -> IdMap:
        """Return the distinct ids of some columns, in order of first appearance. Nulls are left out."""
        kinds = {column.type for column in columns if len(column)}
        if len(kinds) > 1:
            raise DataError(
                f"ids are of different types: {', '.join(sorted(map(str, kinds)))}; convert them to one type"
            )
        # of distinct ids: a column of events is not copied
        distinct = [pc.unique(c) for c in columns if c.type in kinds] or [columns[0]]
        return cls(pc.unique(pa.concat_arrays(distinct)).drop_null())

    def __len__(self) -> int:
        return len(self._values) + len(self._added)

    @property
    def values(self) -> pa.Array:
        """All ids by code, as an Arrow array. Copies them where some were appended."""
        if not self._added:
            return self._values
        return pa.concat_arrays([self._values, pa.array(list(self._added), self.type)])

    @lazy_property
    def _base(self) -> _Integers | _Strings:
        return _Integers(self._values) if self.python_type is int else _Strings(self._values)

    def own(self, value: Any) -> Any:
        """Return an id in this map's own type.

        Ids in addresses and JSON may be text where the log has integers, or the reverse. A value that cannot be an id
        of this map is returned as it is.
        """
        if type(value) is self.python_type:
            return value
        if hasattr(value, "item"):  # a NumPy scalar
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return value
        if self.python_type is str:  # a whole number of thousands of digits cannot be written, and is no id
            return str(value) if MIN_INTEGER <= value <= MAX_INTEGER else value  # type: ignore[operator]
        if isinstance(value, str) and (number := _integer(value)) is not None:
            return number
        return value

    def fits(self, value: Any) -> bool:
        """Whether a value can be an id of this map."""
        return id_fault(value) is None and isinstance(self.own(value), self.python_type)

    def code(self, value: Any) -> int:
        """Return the code of one id, −1 where it is unknown."""
        value = self.own(value)
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return -1
        code = self._base.code(value)
        if code >= 0 or not self._added:
            return code
        place = self._added.place(value)
        return place if place < 0 else place + len(self._values)

    def codes(self, values: pa.Array | Iterable[Any]) -> NDArray[np.int32]:
        """Return the codes of many ids, int32; −1 where unknown."""
        if not isinstance(values, pa.Array):
            values = list(values)
            if len(values) > 8 and set(map(type, values)) == {self.python_type}:
                try:
                    return self._codes_of_own(values)
                except OverflowError:  # one is larger than any id can be
                    pass
            return np.fromiter((self.code(value) for value in values), dtype=np.int32)
        if values and values.type != self.type:
            return self.codes(values.to_pylist())
        found = pc.fill_null(pc.index_in(values, value_set=self.values), -1)
        codes: NDArray[np.int32] = found.to_numpy(zero_copy_only=False).astype(np.int32)
        return codes

    def _codes_of_own(self, values: list[Any]) -> NDArray[np.int32]:
        """The codes of ids that have this map's own type."""
        codes = self._base.codes(values).astype(np.int32)
        if self._added:
            missing = np.flatnonzero(codes < 0)
            places = np.array(self._added.places(values[at] for at in missing.tolist()), np.int32)
            codes[missing] = np.where(places < 0, -1, places + np.int32(len(self._values)))
        return codes

    def id(self, code: int) -> Any:
        """Return the id of one code."""
        return self.ids(np.array([code]))[0]

    def ids(self, codes: NDArray[np.integer]) -> list[Any]:
        """Return the ids of some codes, int (m,) from 0."""
        base, size = self._base, len(self._values)
        if self._added:
            return [base.ids([c])[0] if c < size else self._added[c - size] for c in codes.tolist()]
        return base.ids(codes)

    def extended(self, ids: pa.Array | Iterable[Any]) -> IdMap:
        """Return the map with the ids that it lacks at its end, in their order. This map stays as it is.

        Cost: the number of given ids. Where they are many, the map is made anew, so that looking them up stays fast.

        Raises
        ------
        DataError
            A value cannot be an id of this map.
        """
        if isinstance(ids, pa.Array):
            ids = pc.unique(ids).drop_null().to_pylist()
        distinct = list(dict.fromkeys(map(self.own, ids)))
        if self.python_type is int or set(map(type, distinct)) != {str}:
            for value in distinct:
                if not self.fits(value):
                    raise DataError(
                        f"{abbreviated(value)} cannot be an id here: the others are of type {self.type}"
                    )
        new = [v for v, code in zip(distinct, self.codes(distinct).tolist(), strict=True) if code < 0]
        if not new:
            return self
        if len(new) > 1000 + len(self) // GROWTH:
            return IdMap(pa.concat_arrays([self.values, pa.array(new, self.type)]))
        return self._with(self._added.extended(new))

    def _with(self, added: GrowableIndex[int | str]) -> IdMap:
        other = IdMap(self._values)
        other._added = added
        vars(other)["_base"] = self._base  # the lazy property; both maps share it
        return other

    def prepare(self) -> None:
        """Build the index of the ids now, so that the first look-up need not."""
        self._base  # noqa: B018 - a lazy property

    def save(self, path: Path) -> None:
        """Write the ids as an Arrow file."""
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, pa.schema([("id", self.type)])) as writer,
        ):
            writer.write_table(pa.table({"id": self.values}))

    @classmethod
    def load(cls, path: Path) -> IdMap:
        """Read what `save` wrote."""
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        column = table.column("id")
        return cls(pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))

    def __repr__(self) -> str:
        return f"IdMap({len(self):,} {self.type} ids)"


class _Integers:
    """Integer ids in ascending order: one is found by bisection, and none is a Python object."""

    def __init__(self, values: pa.Array) -> None:
        self.numbers: NDArray[np.int64] = values.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        rising = len(self.numbers) < 2 or bool((self.numbers[1:] > self.numbers[:-1]).all())
        self.order = None if rising else np.argsort(self.numbers, kind="stable").astype(np.int32)
        self.sorted = self.numbers if self.order is None else self.numbers[self.order]
        # the elements of a memoryview are plain numbers, at half the time of an array's
        self._seen = memoryview(self.sorted)
        self.begin: int | None = None
        """The first id where all of them are consecutive: they need no search."""
        if rising and len(self._seen) and self._seen[-1] - self._seen[0] == len(self._seen) - 1:
            self.begin = self._seen[0]

    def code(self, value: int | str) -> int:
        if isinstance(value, str):
            return -1
        if self.begin is not None:
            at = value - self.begin
            return at if 0 <= at < len(self.numbers) else -1
        at = bisect_left(self._seen, value)
        if at == len(self.sorted) or self._seen[at] != value:
            return -1
        return at if self.order is None else int(self.order[at])

    def codes(self, ids: list[int]) -> NDArray[np.int64]:
        """Return the codes of many ids, int64 (m,). Raises `OverflowError` where one has more than 64 bits."""
        values = np.array(ids, np.int64)
        if not len(self.sorted):
            return np.full(len(values), -1)
        if self.begin is not None:
            inside = (values >= self.begin) & (values <= self._seen[-1])
            return np.where(inside, values - self.begin, -1)
        at = np.minimum(np.searchsorted(self.sorted, values), len(self.sorted) - 1)
        return np.where(self.sorted[at] == values, at if self.order is None else self.order[at], -1)

    def ids(self, codes: Any) -> list[Any]:
        numbers: list[Any] = self.numbers[codes].tolist()
        return numbers


class _Strings:
    def __init__(self, values: pa.Array) -> None:
        self.strings: list[str] = values.to_pylist()
        self.code_of = {string: code for code, string in enumerate(self.strings)}

    def code(self, value: int | str) -> int:
        return self.code_of.get(value, -1) if isinstance(value, str) else -1

    def codes(self, ids: list[str]) -> NDArray[np.int64]:
        get = self.code_of.get
        return np.fromiter((get(value, -1) for value in ids), np.int64, len(ids))

    def ids(self, codes: Any) -> list[Any]:
        return [self.strings[code] for code in codes]

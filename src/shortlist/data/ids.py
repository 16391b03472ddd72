"""Ids as dense codes, and back.

Every array in Shortlist speaks of users and items by a code from 0 to n−1. An `IdMap` remembers which id each code
stands for, in the id's own type, so that what comes out is what went in: integers stay integers, strings stay strings.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.errors import DataError


def id_array(column: Any, what: str) -> pa.Array:
    """A column as an array of ids: 64-bit integers or strings. Whole floats (pandas' integers with gaps) are integers.

    Raises `DataError` for types that cannot identify anything, such as lists.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else pa.array(column)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, kind), array)
        whole = pc.all(pc.equal(pc.floor(array), array)).as_py()
        if whole is False:
            raise DataError(f"{what}: ids are fractions ({kind}); use whole numbers or text")
        return array.cast(pa.int64())
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    try:
        if pa.types.is_nested(kind):
            raise pa.ArrowInvalid("nested")
        return array.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{what}: a column of type {kind} cannot hold ids; use whole numbers or text"
        ) from None


class IdMap:
    """Code ↔ id. `values[code]` is the id; `code(id)` is −1 for an id that was never seen."""

    def __init__(self, values: pa.Array) -> None:
        self.values = values
        self._added: dict[Any, int] = {}
        """Ids that were appended since, beside the `_base` of those before, and as a list for the way back."""
        self._more: list[Any] = []

    @classmethod
    def of(cls, *columns: pa.Array) -> IdMap:
        """The distinct ids of some columns, in order of first appearance. Nulls are left out."""
        kinds = {column.type for column in columns if len(column)}
        if len(kinds) > 1:
            raise DataError(
                f"ids are of different types: {', '.join(sorted(map(str, kinds)))}; make them one"
            )
        joined = pa.concat_arrays([c for c in columns if c.type in kinds] or [columns[0]])
        return cls(pc.unique(joined).drop_null())

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def _base(self) -> _Numbers | _Words:
        return _Numbers(self.values) if pa.types.is_integer(self.values.type) else _Words(self.values)

    def own(self, value: Any) -> Any:
        """An id in this map's own type: ids in addresses and JSON may be text where the log has integers, or the
        other way round. A value that cannot be such an id is given back as it is.
        """
        if hasattr(value, "item"):  # a NumPy scalar
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return value
        if pa.types.is_string(self.values.type):
            return str(value)
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            return int(value)
        return value

    def code(self, value: Any) -> int:
        """The code of one id, −1 where unknown."""
        value = self.own(value)
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return -1
        code = self._base.code(value)
        return code if code >= 0 else self._added.get(value, -1)

    def codes(self, values: pa.Array | Iterable[Any]) -> np.ndarray:
        """The codes of many ids, int32; −1 where unknown."""
        if not isinstance(values, pa.Array):
            values = list(values)
            base = self._base
            if (
                len(values) > 8
                and isinstance(base, _Numbers)
                and not self._added
                and set(map(type, values)) == {int}
            ):
                try:
                    return base.codes(np.array(values, np.int64)).astype(np.int32)
                except OverflowError:  # one that no id can be
                    pass
            return np.fromiter((self.code(value) for value in values), dtype=np.int32)
        if values and values.type != self.values.type:
            return self.codes(values.to_pylist())
        return (
            pc.fill_null(pc.index_in(values, value_set=self.values), -1)
            .to_numpy(zero_copy_only=False)
            .astype(np.int32)
        )

    def id(self, code: int) -> Any:
        return self.ids(np.array([code]))[0]

    def ids(self, codes: np.ndarray) -> list[Any]:
        """The ids of some codes, int (m,) from 0."""
        base = self._base
        if self._added:
            return [base.ids([c])[0] if c < len(base) else self._more[c - len(base)] for c in codes.tolist()]
        return base.ids(codes)

    def extended(self, values: pa.Array) -> IdMap:
        """With new ids at the end; old codes keep their meaning."""
        return IdMap(pc.unique(pa.concat_arrays([self.values, values.cast(self.values.type)])))

    def append(self, value: Any) -> int:
        """A new id at the end, in place; its code. Raises `DataError` where it cannot be such an id or is there already."""
        value = self.own(value)
        kind = self.values.type
        if isinstance(value, bool) or not isinstance(value, int if pa.types.is_integer(kind) else str):
            raise DataError(f"{value!r} cannot be an id here: the others are of type {kind}")
        if self.code(value) >= 0:  # which also makes the base of the values as they are, if it was not yet
            raise DataError(f"there is an id {value!r} already")
        self.values = pa.concat_arrays([self.values, pa.array([value], kind)])
        self._added[value] = len(self.values) - 1
        self._more.append(value)
        return len(self.values) - 1

    def save(self, path: Path) -> None:
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, pa.schema([("id", self.values.type)])) as writer,
        ):
            writer.write_table(pa.table({"id": self.values}))

    @classmethod
    def load(cls, path: Path) -> IdMap:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        column = table.column("id")
        return cls(pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))


class _Numbers:
    """Whole numbers as ids: in order, so that one is found by halving, and nothing is a Python object."""

    def __init__(self, values: pa.Array) -> None:
        self.numbers = values.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        rising = len(self.numbers) < 2 or bool((self.numbers[1:] > self.numbers[:-1]).all())
        self.order = None if rising else np.argsort(self.numbers, kind="stable").astype(np.int32)
        self.sorted = self.numbers if self.order is None else self.numbers[self.order]
        # whose elements are plain numbers, at half the time of an array's
        self._seen = memoryview(self.sorted)
        self.begin: int | None = None
        """Where ids are the numbers from one to another, in order, the first: they need no search."""
        if rising and len(self._seen) and self._seen[-1] - self._seen[0] == len(self._seen) - 1:
            self.begin = self._seen[0]

    def __len__(self) -> int:
        return len(self.numbers)

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

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Of many at once, int64 (m,)."""
        if not len(self.sorted):
            return np.full(len(values), -1)
        at = np.minimum(np.searchsorted(self.sorted, values), len(self.sorted) - 1)
        return np.where(self.sorted[at] == values, at if self.order is None else self.order[at], -1)

    def ids(self, codes: Any) -> list[int]:
        return self.numbers[codes].tolist()


class _Words:
    def __init__(self, values: pa.Array) -> None:
        self.words: list[str] = values.to_pylist()
        self.codes = {word: code for code, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def code(self, value: int | str) -> int:
        return self.codes.get(value, -1) if isinstance(value, str) else -1

    def ids(self, codes: Any) -> list[str]:
        return [self.words[code] for code in codes]

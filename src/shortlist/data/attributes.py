"""What is known about items, users or moments: one typed column per attribute, coded for fast use.

A category is an int32 code into a sorted vocabulary (−1: not known). A list is ragged: `codes[indptr[i]:indptr[i+1]]`.
A time is int64 milliseconds (`NO_TIME`: not known). New vocabulary is only ever appended, so that codes a ranker
has learnt keep their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from shortlist.config.data import AttributeKind
from shortlist.data.times import NO_TIME, to_milliseconds
from shortlist.errors import DataError


@dataclass(frozen=True)
class Attribute:
    """One attribute of n things.

    number: `values` float32 (n,), NaN where unknown. embedding: `values` float32 (n, d), rows of NaN where unknown. category: `codes` int32 (n,). list: `indptr` int64 (n+1,) and
    `codes`. time: `times` int64 (n,). text: `text`, n strings.
    """

    name: str
    kind: AttributeKind
    values: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    codes: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    indptr: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    times: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    text: list[str] = field(default_factory=list)
    vocabulary: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return {
            "number": len(self.values),
            "embedding": len(self.values),
            "category": len(self.codes),
            "list": len(self.indptr) - 1,
            "time": len(self.times),
            "text": len(self.text),
        }[self.kind]

    def ragged(self) -> tuple[np.ndarray, np.ndarray]:
        """A category or list as (indptr, codes): nothing for an unknown category."""
        if self.kind == "list":
            return self.indptr, self.codes
        known = self.codes >= 0
        return np.concatenate([[0], np.cumsum(known)]).astype(np.int64), self.codes[known]

    def matrix(self) -> sp.csr_matrix:
        """A category or list as 0/1 rows, float32 (n, vocabulary)."""
        indptr, codes = self.ragged()
        return sp.csr_matrix(
            (np.ones(len(codes), np.float32), codes, indptr), shape=(len(indptr) - 1, len(self.vocabulary))
        )

    def take(self, rows: np.ndarray) -> Attribute:
        """The attribute of some of the things; row −1 is a thing of which nothing is known."""
        missing = rows < 0
        safe = np.where(missing, 0, rows)
        if self.kind == "list":
            starts, sizes = self.indptr[safe], np.where(missing, 0, np.diff(self.indptr)[safe])
            indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            inner = np.arange(indptr[-1]) - np.repeat(indptr[:-1], sizes) + np.repeat(starts, sizes)
            return Attribute(
                self.name, "list", codes=self.codes[inner], indptr=indptr, vocabulary=self.vocabulary
            )
        if self.kind in {"number", "embedding"}:
            gone = missing if self.kind == "number" else missing[:, None]
            return Attribute(
                self.name, self.kind, values=np.where(gone, np.nan, self.values[safe]).astype(np.float32)
            )
        if self.kind == "category":
            codes = np.where(missing, -1, self.codes[safe]).astype(np.int32)
            return Attribute(self.name, "category", codes=codes, vocabulary=self.vocabulary)
        if self.kind == "time":
            return Attribute(self.name, "time", times=np.where(missing, NO_TIME, self.times[safe]))
        return Attribute(
            self.name, "text", text=["" if m else self.text[r] for r, m in zip(safe, missing, strict=True)]
        )

    def changed(self, row: int, one: Attribute) -> Attribute:
        """With another value for one of the things, or for a new one at the end (row n). one: that value, an attribute of
        one row that was coded with this one's vocabulary.
        """
        if self.kind == "list":
            low, high = (
                (self.indptr[row], self.indptr[row + 1]) if row < len(self) else (len(self.codes),) * 2
            )
            codes = np.concatenate([self.codes[:low], one.codes, self.codes[high:]])
            moved = self.indptr[row + 1 :] + len(one.codes) - (high - low)
            end = moved if row < len(self) else np.array([len(codes)])
            indptr = np.concatenate([self.indptr[: row + 1], end])
            return Attribute(self.name, "list", codes=codes, indptr=indptr, vocabulary=one.vocabulary)
        if self.kind == "text":
            return Attribute(self.name, "text", text=[*self.text[:row], one.text[0], *self.text[row + 1 :]])
        name = {"category": "codes", "time": "times"}.get(self.kind, "values")
        old, new = getattr(self, name), getattr(one, name)
        array = np.concatenate([old[:row], new, old[row + 1 :]])
        changed: dict[str, Any] = {name: array, "vocabulary": one.vocabulary or self.vocabulary}
        return replace(self, **changed)

    def show(self, row: int) -> Any:
        """One value as a person would write it; None where unknown."""
        if self.kind == "number":
            value = float(self.values[row])
            return None if np.isnan(value) else value
        if self.kind == "embedding":
            return None if np.isnan(self.values[row]).any() else [float(v) for v in self.values[row]]
        if self.kind == "category":
            return self.vocabulary[self.codes[row]] if self.codes[row] >= 0 else None
        if self.kind == "list":
            return [self.vocabulary[code] for code in self.codes[self.indptr[row] : self.indptr[row + 1]]]
        if self.kind == "time":
            return None if self.times[row] == NO_TIME else str(np.datetime64(int(self.times[row]), "ms"))[:10]
        return self.text[row] or None

    def to_arrow(self) -> pa.Array:
        """The attribute with its values spelt out: the form that is saved."""
        if self.kind == "number":
            return pa.array(self.values, from_pandas=True)
        if self.kind == "category":
            return pa.array(
                [self.vocabulary[c] if c >= 0 else None for c in self.codes.tolist()], pa.string()
            )
        if self.kind == "list":
            flat = pa.array([self.vocabulary[c] for c in self.codes.tolist()], pa.string())
            return pa.ListArray.from_arrays(pa.array(self.indptr, pa.int32()), flat)
        if self.kind == "embedding":
            known = ~np.isnan(self.values).any(1)
            flat = pa.FixedSizeListArray.from_arrays(pa.array(self.values.ravel()), self.values.shape[1])
            return pc.if_else(pa.array(known), flat, pa.scalar(None, flat.type))
        if self.kind == "time":
            return pa.array(self.times, mask=self.times == NO_TIME)
        return pa.array(self.text, pa.string())


def encode(
    name: str, kind: AttributeKind, column: pa.Array, vocabulary: list[str] | None = None
) -> Attribute:
    """Code a column as an attribute. With a `vocabulary`, its codes stay and unseen values are appended.

    Raises `DataError` with example values where the column cannot be of that kind.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        if kind == "number":
            numbers = (
                array.cast(pa.float64())
                if not pa.types.is_boolean(array.type)
                else array.cast(pa.int8()).cast(pa.float64())
            )
            return Attribute(name, kind, values=_numpy(numbers, np.nan).astype(np.float32))
        if kind == "embedding":
            return Attribute(name, kind, values=_vectors(name, array))
        if kind == "time":
            return Attribute(name, kind, times=to_milliseconds(array)[0])
        if kind == "text":
            texts = pc.fill_null(_strings(array), "")
            return Attribute(name, kind, text=texts.to_pylist())
        if kind == "category":
            words = _strings(array)
            known = _grown(vocabulary, words)
            codes = pc.fill_null(pc.index_in(words, value_set=pa.array(known, pa.string())), -1)
            codes = np.where(_numpy(words.is_null()), -1, _numpy(codes))
            return Attribute(name, kind, codes=codes.astype(np.int32), vocabulary=known)
        if not pa.types.is_list(array.type) and not pa.types.is_large_list(array.type):
            # "Action|Comedy" is how files without a list type write one
            array = pc.split_pattern(pc.fill_null(_strings(array), ""), "|")
        array = array.cast(pa.list_(pa.string()))
        array = pc.if_else(array.is_null(), pa.scalar([], pa.list_(pa.string())), array)
        flat, sizes = array.flatten(), _numpy(pc.list_value_length(array)).astype(np.int64)
        owner = np.repeat(np.arange(len(array)), sizes)
        present = _numpy(pc.and_(pc.is_valid(flat), pc.not_equal(pc.fill_null(flat, ""), ""))).astype(bool)
        flat, owner = flat.filter(pa.array(present)), owner[present]
        known = _grown(vocabulary, flat)
        codes = _numpy(pc.fill_null(pc.index_in(flat, value_set=pa.array(known, pa.string())), -1)).astype(
            np.int64
        )
        pairs = np.unique(owner * max(len(known), 1) + codes)  # sorted by owner, each value once
        owner, codes = pairs // max(len(known), 1), pairs % max(len(known), 1)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(array)))]).astype(np.int64)
        return Attribute(name, kind, codes=codes.astype(np.int32), indptr=indptr, vocabulary=known)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        examples = ", ".join(repr(v) for v in array.drop_null().slice(0, 3).to_pylist())
        raise DataError(
            f"attribute {name!r} cannot be a {kind}: the column is {array.type}, e.g. {examples} ({error})",
            name,
        ) from None


def _vectors(name: str, array: pa.Array) -> np.ndarray:
    """float32 (n, d) from a column of lists of numbers, NaN where there is none."""
    sizes = pc.unique(pc.list_value_length(array).drop_null()).to_pylist()
    if len(sizes) != 1 or not sizes[0]:
        raise DataError(
            f"attribute {name!r} cannot be an embedding: its lists have the lengths {sorted(sizes)[:5]}; all must be alike",
            name,
        )
    present = _numpy(array.is_valid()).astype(bool)
    values = np.full((len(array), sizes[0]), np.nan, np.float32)
    flat = array.drop_null().flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
    values[present] = flat.reshape(-1, sizes[0])
    values[~np.isfinite(values).all(1)] = np.nan
    return values


def _grown(vocabulary: list[str] | None, words: pa.Array) -> list[str]:
    seen = sorted(pc.unique(words).drop_null().to_pylist())
    old = vocabulary or []
    known = set(old)
    return old + [word for word in seen if word not in known]


def _strings(array: pa.Array) -> pa.Array:
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _numpy(array: pa.Array, missing: float | None = None) -> np.ndarray:
    if missing is not None:
        array = pc.fill_null(array, missing)
    return array.to_numpy(zero_copy_only=False)

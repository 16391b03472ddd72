"""Many texts as one Arrow array."""

# ruff: noqa: SLF001 - methods that make another instance of their own class set its private attributes
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.growable import GrowableList

MANY = 64
"""From so many texts on, their bytes are gathered by arrays instead of one by one."""


class Texts(Sequence[str]):
    """An immutable list of texts that become Python strings only when they are read.

    A million titles take about a hundred megabytes as Python strings, and a request reads some twenty of them. They
    are therefore stored as the bytes of one Arrow array, which can also be a mapped file. Texts that change or are
    added later lie beside the array: `with_rows` and `extended` return a new list and leave this one as it is.

    Parameters
    ----------
    texts
        An Arrow array of strings without nulls, or any iterable of strings.

    Examples
    --------
    >>> titles = Texts(["Heat", "Amélie"])
    >>> list(titles.extended(["Alien"]).with_rows({0: "Heat (1995)"}))
    ['Heat (1995)', 'Amélie', 'Alien']
    >>> list(titles)
    ['Heat', 'Amélie']
    """

    __slots__ = ("_added", "_base", "_bounds", "_bytes", "_changed", "_written")

    def __init__(self, texts: pa.Array | Iterable[str] = ()) -> None:
        self._base = texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())
        begin, size = self._base.offset, len(self._base)
        _, bounds, written = self._base.buffers()
        # where each text begins among the bytes of all: asking Arrow for one text takes ten times as long
        self._bounds: NDArray[np.int32] = (
            np.frombuffer(bounds, np.int32)[begin : begin + size + 1] if size else np.zeros(1, np.int32)
        )
        self._bytes = memoryview(written if written is not None else b"")
        self._written = np.frombuffer(self._bytes, np.uint8)
        self._changed: Mapping[int, str] = {}
        self._added: GrowableList[str] = GrowableList()

    def _with(self, changed: Mapping[int, str], added: GrowableList[str]) -> Texts:
        other = type(self).__new__(type(self))
        other._base, other._bounds, other._bytes = self._base, self._bounds, self._bytes
        other._written = self._written
        other._changed, other._added = changed, added
        return other

    def __len__(self) -> int:
        return len(self._base) + len(self._added)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return self._slice(range(*at.indices(len(self))))
        at = at.__index__()
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        if self._changed and (changed := self._changed.get(at)) is not None:
            return changed
        base = len(self._base)
        if at >= base:
            return self._added[at - base]
        return str(self._bytes[self._bounds[at] : self._bounds[at + 1]], "utf-8")

    def _slice(self, places: range) -> list[str]:
        if places.step != 1:
            return [self[at] for at in places]
        base = len(self._base)
        texts: list[str] = self._base.slice(places.start, len(places)).to_pylist() if len(places) else []
        if places.stop > base:
            texts += self._added[max(places.start - base, 0) : places.stop - base]
        for place, text in self._changed.items():
            if place in places:
                texts[place - places.start] = text
        return texts

    def some(self, places: NDArray[np.integer]) -> list[str]:
        """Return the texts at some places, int (m,) from 0."""
        if len(places) >= MANY and len(self._base):
            return self._many(places)
        if self._changed or self._added:
            return [self[at] for at in places.tolist()]
        bounds = zip(self._bounds[places].tolist(), self._bounds[places + 1].tolist(), strict=True)
        parts = [self._bytes[low:high] for low, high in bounds]
        # decoded at once; line feeds are rare in titles, and the texts that have one are decoded one by one
        texts = b"\n".join(parts).decode().split("\n")
        return texts if len(texts) == len(parts) else [part.tobytes().decode() for part in parts]

    def _many(self, places: NDArray[np.integer]) -> list[str]:
        """Return the texts at many places: their bytes are gathered by a compiled loop and decoded at once."""
        from shortlist.data.joined_bytes import join_pieces  # it loads Numba, which few commands need

        base = len(self._base)
        inside = np.minimum(places, base - 1) if self._added else places
        joined = join_pieces(self._bounds, self._written, inside.astype(np.int64, copy=False))
        texts = joined.tobytes().decode().split("\n")
        if len(texts) != len(places):  # a text has a line feed itself
            return [self[at] for at in places.tolist()]
        if self._changed or self._added:
            for row, place in enumerate(places.tolist()):
                if place >= base or place in self._changed:
                    texts[row] = self[place]
        return texts

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def extended(self, texts: Iterable[str]) -> Texts:
        """Return the list with more texts at its end. Cost: the number of added texts."""
        return self._with(self._changed, self._added.extended(texts))

    def with_rows(self, texts: Mapping[int, str]) -> Texts:
        """Return the list with other texts at some places. Cost: the number of texts changed so far."""
        for at in texts:
            if not 0 <= at < len(self):
                raise IndexError(at)
        return self._with({**self._changed, **texts}, self._added) if texts else self

    def to_arrow(self) -> pa.Array:
        """Return all texts as one Arrow array; without a copy where none was changed or added."""
        return pa.array(self[:], pa.string()) if self._changed or self._added else self._base

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Texts({len(self):,} texts)"

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, (self.to_arrow(),)

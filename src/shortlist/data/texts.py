"""Many texts as one Arrow array: a million titles as Python strings take a hundred megabytes, and a request looks at twenty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa


class Texts(Sequence[str]):
    """A list of texts that are made into strings when they are looked at. Some can be changed, and more come at the end."""

    def __init__(self, texts: pa.Array | list[str]) -> None:
        self._base = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
        begin, size = self._base.offset, len(self._base)
        _, bounds, written = self._base.buffers()
        # where each text begins among the bytes of all: read here, as asking Arrow for a text takes ten times as long
        self._bounds = (
            np.frombuffer(bounds, np.int32)[begin : begin + size + 1] if size else np.zeros(1, np.int32)
        )
        self._bytes = memoryview(written if written is not None else b"")
        self._changed: dict[int, str] = {}
        self._length = len(self._base)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            places = range(*at.indices(self._length))
            if places.step != 1:
                return [self[i] for i in places]
            texts = self._base.slice(places.start, len(places)).to_pylist()
            texts += [""] * (len(places) - len(texts))
            for place, text in self._changed.items():
                if place in places:
                    texts[place - places.start] = text
            return texts
        at = at.__index__()
        if not -self._length <= at < self._length:
            raise IndexError(at)
        at %= self._length
        changed = self._changed.get(at)
        if changed is not None:
            return changed
        return str(self._bytes[self._bounds[at] : self._bounds[at + 1]], "utf-8")

    def some(self, places: np.ndarray) -> list[str]:
        """The texts of some places, int (m,) from 0."""
        if self._changed:
            return [self[at] for at in places.tolist()]
        bounds = zip(self._bounds[places].tolist(), self._bounds[places + 1].tolist(), strict=True)
        return [str(self._bytes[low:high], "utf-8") for low, high in bounds]

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def __setitem__(self, at: int, text: str) -> None:
        if not 0 <= at < self._length:
            raise IndexError(at)
        self._changed[at] = text

    def append(self, text: str) -> None:
        self._changed[self._length] = text
        self._length += 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

"""The vectors of items as a model keeps them: floats, or a byte a component; items can be appended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.growable import GrowableArray
from shortlist.retrieve.item_vectors import cosines_to
from shortlist.retrieve.kernels.coarse import CoarseVectors
from shortlist.retrieve.kernels.quantized import NOT_QUANTIZED, QuantizedFactors


@dataclass(frozen=True, eq=False, repr=False)
class StoredVectors(ShortRepr):
    """Immutable vectors of items, whose products with the vectors of requests are scores.

    Attributes
    ----------
    codes
        (n, d): float32, or int8 with steps.
    steps
        float32 (n,): the vector of item i is codes[i] · steps[i]; `NOT_QUANTIZED` for floats.
    coarse
        Where vectors are floats and searched as they are: the same in bytes, which are read first. None elsewhere.
    """

    codes: GrowableArray[Any]
    steps: GrowableArray[np.float32]
    coarse: CoarseVectors | None = None

    @classmethod
    def of(cls, codes: NDArray[Any], steps: NDArray[np.float32], *, searched: bool = False) -> Self:
        """Wrap learned arrays without copying them. searched: whether requests search them as they are, without an index."""
        coarse = CoarseVectors.of(codes) if searched and not len(steps) else None
        return cls(GrowableArray(codes), GrowableArray(steps), coarse)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def width(self) -> int:
        """D."""
        return int(self.codes.array.shape[1])

    @property
    def quantized(self) -> QuantizedFactors | None:
        """The vectors as bytes with steps; None where they are floats."""
        return QuantizedFactors(self.codes.array, self.steps.array) if len(self.steps) else None

    def rows(self, items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of some items, float32 (m, d)."""
        quantized = self.quantized
        return np.asarray(self.codes.array[items]) if quantized is None else quantized.rows(items)

    def dot(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the products of states float32 (B, d) with every vector, float32 (B, n)."""
        quantized = self.quantized
        return np.asarray(states @ self.codes.array.T) if quantized is None else quantized.dot(states)

    def cosines_to(self, item: int) -> NDArray[np.float32]:
        """Return the cosine of each vector to that of one item, float32 (n,); 0 for vectors of length 0."""
        quantized = self.quantized
        return cosines_to(self.codes.array, item) if quantized is None else quantized.cosines_to(item)

    def extended(self, more: NDArray[np.float32]) -> Self:
        """Return the vectors followed by those of appended items, float32 (m, d). This object stays as it is."""
        if not len(self.steps):
            coarse = self.coarse and self.coarse.extended(more)
            return type(self)(self.codes.extended(more), self.steps, coarse)
        added = QuantizedFactors.of(more)
        return type(self)(self.codes.extended(added.codes), self.steps.extended(added.steps))


def stored(
    vectors: NDArray[np.float32], *, in_bytes: bool
) -> tuple[NDArray[np.float32 | np.int8], NDArray[np.float32]]:
    """Return vectors float32 (n, d) as `StoredVectors` holds them: as they are, or rounded to a byte a component, and their steps."""
    if not in_bytes:
        return vectors, NOT_QUANTIZED
    found = QuantizedFactors.of(vectors)
    return found.codes, found.steps

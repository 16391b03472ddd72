"""Embedding attributes as dense vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import Attribute, EmbeddingAttribute
from shortlist.errors import DataError
from shortlist.retrieve.item_vectors import chosen_attributes

MIN_DISTANCE = 1e-6
"""A vector of length 1 that is nearer than this to the mean differs from it by rounding only: it has no direction."""
BLOCK = 4_096
"""Rows that are scaled at once, in float64."""


@dataclass(frozen=True, repr=False)
class EmbeddingVectorizer(ShortRepr):
    """Turns the embeddings of items into one dense vector an item, whose products are cosines.

    The vectors of most encoders share a direction: two unrelated texts have a cosine of 0.6, say, and what tells items apart is
    the rest. So each vector is scaled to length 1, the mean of the catalogue is subtracted, and it is scaled to length 1 again.
    Several embeddings follow one another; each that is known has an equal part of the squared length.

    Attributes
    ----------
    attributes
        Names of the attributes in use; None for all. Those that are no embeddings are not read.
    means
        float32 (D,): the mean of each embedding's vectors of length 1, one after the other. Learned in training.

    References
    ----------
    Mu & Viswanath 2018, "All-but-the-top: simple and effective postprocessing for word representations".
    """

    attributes: Collection[str] | None
    means: NDArray[np.float32]

    @classmethod
    def of(cls, attributes: Mapping[str, Attribute], names: Collection[str] | None) -> EmbeddingVectorizer:
        """Learn the means of a catalogue."""
        means = []
        for attribute in embeddings(attributes, names):
            unit = unit_or_zero(attribute.values)
            known = unit.any(axis=1)
            means.append(unit[known].mean(0) if known.any() else np.zeros(attribute.dimensions))
        return cls(names, np.concatenate(means).astype(np.float32) if means else np.empty(0, np.float32))

    @classmethod
    def without(cls) -> EmbeddingVectorizer:
        """Return one that reads no embedding: vectors have no dimensions."""
        return cls((), np.empty(0, np.float32))

    def vectors(self, attributes: Mapping[str, Attribute], rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of some rows, int (m,), float32 (m, D): of length 1, or 0 where no embedding is known.

        Raises
        ------
        DataError
            The embeddings have other lengths than those of the training data.
        """
        if not len(self.means):
            return np.empty((len(rows), 0), np.float32)
        found = embeddings(attributes, self.attributes)
        if sum(one.dimensions for one in found) != len(self.means):
            there = ", ".join(f"{one.name} ({one.dimensions})" for one in found) or "none"
            raise DataError(
                f"embeddings: the model was trained on vectors of {len(self.means)} numbers, and items have: {there}; train again"
            )
        parts, start = [], 0
        for attribute in found:
            unit = unit_or_zero(attribute.take(rows).values)
            mean = self.means[start : start + attribute.dimensions]
            known = np.asarray(unit.any(axis=1))
            parts.append(unit_or_zero(np.where(known[:, None], unit - mean, np.float32(0)), MIN_DISTANCE))
            start += attribute.dimensions
        return unit_or_zero(np.hstack(parts))


def embeddings(
    attributes: Mapping[str, Attribute], names: Collection[str] | None
) -> list[EmbeddingAttribute]:
    """Return the embeddings among the attributes with these names; all embeddings for None."""
    return [a for a in chosen_attributes(attributes, names) if isinstance(a, EmbeddingAttribute)]


def unit_or_zero(vectors: NDArray[np.float32], shortest: float = 0.0) -> NDArray[np.float32]:
    """Return rows of length 1, float32; 0 for unknown ones (NaN) and for those that are not longer than `shortest`."""
    unit = np.zeros(vectors.shape, np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = np.nan_to_num(np.asarray(vectors[start : start + BLOCK], np.float64), nan=0.0)
        length = np.linalg.norm(block, axis=1, keepdims=True)
        np.divide(block, length, out=block, where=length > shortest)
        unit[start : start + BLOCK] = np.where(length > shortest, block, 0)
    return unit

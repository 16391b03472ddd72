"""Items and users as hashed vectors of their attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import mmh3
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import (
    Attribute,
    EmbeddingAttribute,
    LinkAttribute,
    NumberAttribute,
    TextAttribute,
    TimeAttribute,
)
from shortlist.data.no_time import NO_TIME

BINS = 10
"""Number of bins of a number or time attribute."""


@dataclass(frozen=True, repr=False)
class AttributeVectorizer(ShortRepr):
    """Turns the attributes of items or users into token counts.

    Tokens are the words of texts, `attribute=value` for categories and lists, and `attribute~bin` for numbers and times. An
    embedding has none: `EmbeddingVectorizer` reads it as the vector that it is.

    Attributes
    ----------
    attributes
        Names of the attributes in use; None for all.
    bits
        Logarithm of the width of the hashed vectors.
    edges
        float64 (number and time attributes, BINS − 1): where their bins meet.
    """

    attributes: Collection[str] | None
    bits: int
    edges: NDArray[np.float64]

    def counts(self, attributes: Mapping[str, Attribute], rows: NDArray[np.integer]) -> sp.csr_matrix:
        """Return the token counts of some rows of attributes, int (m,), as float32 (m, 2^bits)."""
        if not len(rows):
            return sp.csr_matrix((0, 2**self.bits), dtype=np.float32)
        columns, edges = [], iter(self.edges)
        for attribute in chosen_attributes(attributes, self.attributes):
            if isinstance(attribute, EmbeddingAttribute):
                continue
            part = attribute.take(rows)
            columns.append(_bin_tokens(part, next(edges)) if is_measured(part) else _value_tokens(part))
        return hashed_counts(
            [[token for column in columns for token in column[row]] for row in range(len(rows))], self.bits
        )


def hashed_counts(texts: Sequence[Sequence[str]], bits: int) -> sp.csr_matrix:
    """Count tokens by their hash, float32 (texts, 2^bits) (Weinberger et al. 2009).

    The places are those of scikit-learn's HashingVectorizer, whose import takes longer than all else that a server does at its
    start.
    """
    places = np.fromiter((mmh3.hash(token) for tokens in texts for token in tokens), np.int64)
    indptr = np.concatenate([[0], np.cumsum([len(tokens) for tokens in texts])])
    shape = len(texts), 2**bits
    counts = sp.csr_matrix((np.ones(len(places), np.float32), np.abs(places) % 2**bits, indptr), shape=shape)
    counts.sum_duplicates()
    return counts


def chosen_attributes(attributes: Mapping[str, Attribute], names: Collection[str] | None) -> list[Attribute]:
    """Return the attributes with these names, in their order; all but links for None."""
    return [
        a
        for n, a in attributes.items()
        if (n in names if names is not None else not isinstance(a, LinkAttribute))
    ]


def is_measured(attribute: Attribute) -> TypeGuard[NumberAttribute | TimeAttribute]:
    """Whether the values of an attribute are put into bins."""
    return isinstance(attribute, (NumberAttribute, TimeAttribute))


def bin_edges(attributes: Mapping[str, Attribute], names: Collection[str] | None) -> NDArray[np.float64]:
    """Return where the bins of each number and time attribute meet: deciles, float64 (attributes, BINS − 1)."""
    found = []
    for attribute in chosen_attributes(attributes, names):
        if is_measured(attribute):
            values = _numbers(attribute)
            values = values[~np.isnan(values)]
            quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
            found.append(np.quantile(values, quantiles) if len(values) else np.zeros(BINS - 1))
    return np.array(found, np.float64).reshape(-1, BINS - 1)


def normalised(matrix: sp.csr_matrix, idf: NDArray[np.float32] | None = None) -> sp.csr_matrix:
    """Return rows of length 1, multiplied by inverse document frequencies before where they are given."""
    if idf is not None:
        matrix = matrix.multiply(idf).astype(np.float32)
    matrix = matrix.tocsr()
    # as scikit-learn's normalize, which takes a second to import; sums and quotients are float64
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    length = np.sqrt(np.bincount(row, matrix.data * matrix.data, matrix.shape[0]))
    values = (matrix.data / np.where(length > 0, length, 1.0)[row]).astype(matrix.dtype)
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def cosines_to(vectors: NDArray[np.float32], item: int) -> NDArray[np.float32]:
    """Return the cosine of each vector, float32 (items, d), to that of one item; 0 for vectors of length 0."""
    norms = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return np.asarray((vectors @ vectors[item]) / (norms * norms[item]), np.float32)


def _bin_tokens(attribute: NumberAttribute | TimeAttribute, edges: NDArray[np.float64]) -> list[list[str]]:
    values = _numbers(attribute)
    bins = np.where(np.isnan(values), -1, np.searchsorted(edges, values))
    return [[f"{attribute.name}~{at}"] if at >= 0 else [] for at in bins.tolist()]


def _value_tokens(attribute: Attribute) -> list[list[str]]:
    shown = [attribute.show(row) for row in range(len(attribute))]
    if isinstance(attribute, TextAttribute):
        return [re.findall(r"\w{2,}", (value or "").lower()) for value in shown]
    return [
        [f"{attribute.name}={v}" for v in (value if isinstance(value, list) else [value]) if v]
        for value in shown
    ]


def _numbers(attribute: NumberAttribute | TimeAttribute) -> NDArray[np.float64]:
    """Return a number or time attribute as float64 (items,), NaN where it is unknown."""
    if isinstance(attribute, NumberAttribute):
        return np.asarray(attribute.values, np.float64)
    missing = attribute.times == NO_TIME
    return np.where(missing, np.nan, attribute.times.astype(np.float64))

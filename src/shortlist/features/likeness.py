"""What items have in common, as whole numbers: each item is a sparse vector of values and integer weights.

A category or list has weight 1 in each of its values. A text has its words, weighted by TF-IDF; an embedding has its
dimensions. Both are brought to length 1024 and rounded, so that the sum over a history is a whole number and cannot
depend on the order of summation: SQL and the server find the same.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories

UNIT = 1024.0
WORDS = 2**16


def weighted_values(attribute: Attribute) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr int64 (n+1,), value int32, weight int64): what each item weighs in each value."""
    return _weighted(Same(attribute))


class Same:
    """An attribute as a key of a cache: the same object, not an equal one."""

    def __init__(self, attribute: Attribute) -> None:
        self.attribute = attribute

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.attribute is self.attribute

    def __hash__(self) -> int:
        return id(self.attribute)


@lru_cache(maxsize=64)
def _weighted(same: Same) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    attribute = same.attribute
    if attribute.kind in {"category", "list"}:
        indptr, values = attribute.ragged()
        return indptr, values, np.ones(len(values), np.int64)
    if attribute.kind == "text":
        counts = HashingVectorizer(n_features=WORDS, alternate_sign=False, norm=None).transform(
            attribute.text
        )
        vectors = TfidfTransformer().fit_transform(counts).tocsr()
        vectors.sort_indices()
        weights = np.round(vectors.data * UNIT).astype(np.int64)
        return vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32), weights
    matrix = np.nan_to_num(attribute.values.astype(np.float64))
    length = np.sqrt((matrix**2).sum(1, keepdims=True))
    rounded = np.round(matrix / np.where(length > 0, length, 1) * UNIT).astype(np.int64)
    row, value = np.nonzero(rounded)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(matrix)))]).astype(np.int64)
    return indptr, value.astype(np.int32), rounded[row, value]


@lru_cache(maxsize=64)
def _squares(same: Same) -> np.ndarray:
    indptr, _, weights = _weighted(same)
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return np.bincount(owner, weights**2, len(indptr) - 1).astype(np.int64)


def squared_lengths(attribute: Attribute) -> np.ndarray:
    """int64 (n,): each item's squared length; for categories and lists, how many values it has."""
    return _squares(Same(attribute))


def live_likeness(
    attribute: Attribute,
    last: int,
    kind: int | None,
    histories: Histories,
    request: np.ndarray,
    item: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dot, history length, profile's squared length), int64 (rows,), from histories; kind: only events of this one."""
    latest = (histories if kind is None else histories.only(histories.kind == kind)).last(last)
    indptr, values, weights = weighted_values(attribute)
    size = int(values.max()) + 1 if len(values) else 1
    dot, square = _dots(latest.indptr, latest.item, indptr, values, weights, size, request, item)
    return dot, np.diff(latest.indptr)[request], square


@numba.njit(cache=True, nogil=True)
def _dots(  # type: ignore[no-untyped-def]
    history_indptr, history_item, value_indptr, values, weights, size, request, item
):
    """A profile is filled for one request at a time; rows of one request are expected side by side."""
    profile = np.zeros(size, np.int64)
    dot = np.zeros(len(item), np.int64)
    square = np.zeros(len(item), np.int64)
    current = -1
    length = 0
    for row in range(len(item)):
        if request[row] != current:
            if current >= 0:
                for event in range(history_indptr[current], history_indptr[current + 1]):
                    taken = history_item[event]
                    for at in range(value_indptr[taken], value_indptr[taken + 1]):
                        profile[values[at]] = 0
            current = request[row]
            length = 0
            for event in range(history_indptr[current], history_indptr[current + 1]):
                taken = history_item[event]
                for at in range(value_indptr[taken], value_indptr[taken + 1]):
                    old = profile[values[at]]
                    profile[values[at]] = old + weights[at]
                    length += weights[at] * (2 * old + weights[at])
        candidate = item[row]
        for at in range(value_indptr[candidate], value_indptr[candidate + 1]):
            dot[row] += profile[values[at]] * weights[at]
        square[row] = length
    return dot, square

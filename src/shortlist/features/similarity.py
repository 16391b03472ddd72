"""What items have in common, as whole numbers: each item is a sparse vector of values and integer weights.

A category or list has weight 1 in each of its values. A text has its words, weighted by TF-IDF; an embedding has its
dimensions. Both are brought to length 1024 and rounded, so that the sum over a history is a whole number and cannot
depend on the order of summation: SQL and the server find the same.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.features.formulas import alike

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
        # a second to come in, and most servers need it not
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

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
    latest: Histories,
    request: np.ndarray,
    item: np.ndarray,
    cosine: bool,
    column: np.ndarray,
) -> None:
    """Into column float32 (rows,): how like each item is to the events of its request's history. cosine: of the profile; else
    the share of events with its values (`formulas.alike`).
    """
    profile = _profile(Same(attribute))
    if (
        attribute.kind == "category"
    ):  # one value of weight 1: the same by codes alone, a quarter of the look-ups
        _likeness_of_kinds(
            latest.indptr, latest.item, attribute.codes, profile, request, item, cosine, column
        )
        return
    indptr, values, weights = weighted_values(attribute)
    own = squared_lengths(attribute)
    _likeness(
        latest.indptr, latest.item, indptr, values, weights, own, profile, request, item, cosine, column
    )


@lru_cache(maxsize=64)
def _profile(same: Same) -> np.ndarray:
    """Scratch as long as an attribute has values, all zeros between two calls, so that a request need not clear it."""
    if same.attribute.kind == "category":
        return np.zeros(max(len(same.attribute.vocabulary), 1), np.int64)
    values = _weighted(same)[1]
    return np.zeros(int(values.max()) + 1 if len(values) else 1, np.int64)


@numba.njit(cache=True, nogil=True)
def _likeness_of_kinds(  # type: ignore[no-untyped-def]
    history_indptr, history_item, codes, profile, request, item, cosine, column
):
    current, length, events = -1, 0, 0
    for row in range(len(item) + 1):
        if row == len(item) or request[row] != current:
            if current >= 0:
                for event in range(history_indptr[current], history_indptr[current + 1]):
                    if codes[history_item[event]] >= 0:
                        profile[codes[history_item[event]]] = 0
            if row == len(item):
                break
            current = request[row]
            length, events = 0, history_indptr[current + 1] - history_indptr[current]
            for event in range(history_indptr[current], history_indptr[current + 1]):
                code = codes[history_item[event]]
                if code >= 0:
                    length += 2 * profile[code] + 1
                    profile[code] += 1
        code = codes[item[row]]
        known = code >= 0
        column[row] = alike(
            cosine, profile[code] if known else np.int64(0), events, length, np.int64(1 if known else 0)
        )


@numba.njit(cache=True, nogil=True)
def _likeness(  # type: ignore[no-untyped-def]
    history_indptr, history_item, value_indptr, values, weights, own, profile, request, item, cosine, column
):
    """A profile is filled for one request at a time; rows of one request are expected side by side."""
    current, length, events = -1, 0, 0
    for row in range(len(item) + 1):
        if row == len(item) or request[row] != current:
            if current >= 0:
                for event in range(history_indptr[current], history_indptr[current + 1]):
                    taken = history_item[event]
                    for at in range(value_indptr[taken], value_indptr[taken + 1]):
                        profile[values[at]] = 0
            if row == len(item):
                break
            current = request[row]
            length, events = 0, history_indptr[current + 1] - history_indptr[current]
            for event in range(history_indptr[current], history_indptr[current + 1]):
                taken = history_item[event]
                for at in range(value_indptr[taken], value_indptr[taken + 1]):
                    old = profile[values[at]]
                    profile[values[at]] = old + weights[at]
                    length += weights[at] * (2 * old + weights[at])
        dot = 0
        for at in range(value_indptr[item[row]], value_indptr[item[row] + 1]):
            dot += profile[values[at]] * weights[at]
        column[row] = alike(cosine, dot, events, length, own[item[row]])

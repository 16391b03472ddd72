"""Factors in a byte each, for catalogues whose factors would fill the memory.

An item's factor is a step, max |y| / 127, and whole numbers from −127 to 127. Half a step is the most that a number is off by, and in an
inner product such errors cancel: scores of a million items with 128 factors move by a thousandth (benchmarks/RESULTS.md). A request reads
a quarter of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np

from shortlist.errors import BundleError
from shortlist.retrieve.kernels.select import in_parts

PLAIN = np.empty(0, np.float32)


@dataclass(frozen=True)
class Coded:
    """codes int8 (items, d); steps float32 (items,): item i is codes[i] · steps[i]."""

    codes: np.ndarray
    steps: np.ndarray

    def __post_init__(self) -> None:
        fits = self.codes.dtype == np.int8 and self.steps.dtype == np.float32
        if not fits or self.codes.ndim != 2 or self.steps.shape != self.codes.shape[:1]:
            raise BundleError(
                "coded factors are not what they should be: int8 (items, d) and float32 (items,)"
            )

    @classmethod
    def of(cls, items: np.ndarray) -> Self:
        """From factors float32 (items, d)."""
        codes, steps = np.empty(items.shape, np.int8), np.empty(len(items), np.float32)
        for start in range(0, len(items), 100_000):  # in parts: nothing between is as large as the factors
            part = items[start : start + 100_000]
            step = np.abs(part).max(1, initial=0) / np.float32(127)
            steps[start : start + 100_000] = step
            codes[start : start + 100_000] = np.rint(part / np.maximum(step, 1e-30)[:, None])
        return cls(codes, steps)

    def rows(self, items: np.ndarray) -> np.ndarray:
        """float32 (m, d): the factors of some items."""
        return self.codes[items] * self.steps[items, None]

    def dots(self, factors: np.ndarray) -> np.ndarray:
        """float32 (B, items): inner products of factors float32 (B, d) with every item."""
        scores = np.empty((len(factors), len(self.codes)), np.float32)
        in_parts(len(self.codes), _all_rows, _all_parallel, factors, self.codes, self.steps, scores)
        return scores

    def lengths(self) -> np.ndarray:
        """float32 (items,): the norm of each factor; nothing shorter than 1e-12."""
        squares = np.empty(len(self.codes), np.float32)
        in_parts(len(self.codes), _square_rows, _square_parallel, self.codes, squares)
        return np.maximum(np.sqrt(squares) * self.steps, np.float32(1e-12))

    def grown(self, new: int) -> Self:
        """With items at the end that have no factor."""
        return type(self)(np.pad(self.codes, ((0, new), (0, 0))), np.pad(self.steps, (0, new)))


def some_dots(
    factors: np.ndarray,
    codes: np.ndarray,
    steps: np.ndarray,
    counts: np.ndarray,
    indptr: np.ndarray,
    items: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Into scores float32 (B, m): inner products with some items int32 (B, m); left as they are where a history (indptr) is empty, an
    item is −1 or its count is 0. codes: with their steps, or factors as they are with the steps `PLAIN`.
    """
    in_parts(len(factors), _some_rows, _some_parallel, factors, codes, steps, counts, indptr, items, scores)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(factor, code):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for c in range(len(factor)):
        total += factor[c] * np.float32(code[c])
    return total


@numba.njit(cache=True, nogil=True)
def _some_rows(low, high, factors, codes, steps, counts, indptr, items, scores):  # type: ignore[no-untyped-def]
    for row in range(low, high):
        if indptr[row] == indptr[row + 1]:
            continue
        for at in range(items.shape[1]):
            item = items[row, at]
            if item >= 0 and counts[item] > 0:
                product = _dot(factors[row], codes[item])
                scores[row, at] = product * steps[item] if len(steps) else product


@numba.njit(cache=True, nogil=True, parallel=True)
def _some_parallel(cuts, factors, codes, steps, counts, indptr, items, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _some_rows(cuts[part], cuts[part + 1], factors, codes, steps, counts, indptr, items, scores)


@numba.njit(cache=True, nogil=True)
def _all_rows(low, high, factors, codes, steps, scores):  # type: ignore[no-untyped-def]
    for item in range(low, high):
        for row in range(len(factors)):
            scores[row, item] = _dot(factors[row], codes[item]) * steps[item]


@numba.njit(cache=True, nogil=True, parallel=True)
def _all_parallel(cuts, factors, codes, steps, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _all_rows(cuts[part], cuts[part + 1], factors, codes, steps, scores)


@numba.njit(cache=True, nogil=True)
def _square_rows(low, high, codes, squares):  # type: ignore[no-untyped-def]
    for item in range(low, high):
        total = np.int32(0)
        for c in range(codes.shape[1]):
            total += np.int32(codes[item, c]) * np.int32(codes[item, c])
        squares[item] = total


@numba.njit(cache=True, nogil=True, parallel=True)
def _square_parallel(cuts, codes, squares):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _square_rows(cuts[part], cuts[part + 1], codes, squares)

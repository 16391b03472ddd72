"""Item factors in a byte each.

The factor of an item is a step, max |y| / 127, and whole numbers from −127 to 127. A number is off by half a step at most,
and in an inner product such errors cancel: scores of a million items with 128 factors change by a thousandth
(benchmarks/RESULTS.md).

It is kept because of its memory. Measured on 1,000,000 items × 128 factors with an index, after 400 requests on one
thread: the process grows by 312 MB with quantised factors and by 672 MB with float32 factors (−54 %), and a request
takes as long (0.4 ms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.errors import BundleError
from shortlist.retrieve.kernels.parallel import run_rows

NOT_QUANTIZED = np.empty(0, np.float32)
"""Stands for the steps of factors that are floats."""
FEW = 8
"""Up to this many requests are multiplied byte by byte; for more, a product of matrices of floats is faster."""
BLOCK = 8_192
"""Items that become floats at once for it."""


@dataclass(frozen=True)
class QuantizedFactors:
    """Item factors as whole numbers and a step: the factor of item i is codes[i] · steps[i].

    Attributes
    ----------
    codes
        int8 (items, d).
    steps
        float32 (items,).
    """

    codes: NDArray[np.int8]
    steps: NDArray[np.float32]

    def __post_init__(self) -> None:
        fits = self.codes.dtype == np.int8 and self.steps.dtype == np.float32
        if not fits or self.codes.ndim != 2 or self.steps.shape != self.codes.shape[:1]:
            raise BundleError("quantised factors must be codes int8 (items, d) and steps float32 (items,)")

    @classmethod
    def of(cls, items: NDArray[np.float32]) -> Self:
        """Quantise factors float32 (items, d)."""
        codes, steps = np.empty(items.shape, np.int8), np.empty(len(items), np.float32)
        for start in range(0, len(items), 100_000):  # in parts, so that no copy of all factors is made
            part = items[start : start + 100_000]
            step = np.abs(part).max(1, initial=0) / np.float32(127)
            steps[start : start + 100_000] = step
            codes[start : start + 100_000] = np.rint(part / np.maximum(step, 1e-30)[:, None])
        return cls(codes, steps)

    def rows(self, items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the factors of some items, float32 (m, d). Raises `IndexError` for an item that there is not."""
        factors = np.empty((len(items), self.codes.shape[1]), np.float32)
        _write_rows(np.ascontiguousarray(items, np.int32), self.codes, self.steps, factors)
        return factors

    def dot(self, factors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inner products of factors float32 (B, d) with every item, float32 (B, items)."""
        scores = np.empty((len(factors), len(self.codes)), np.float32)
        if len(factors) <= FEW:
            run_rows(len(self.codes), _dot_all_items, factors, self.codes, self.steps, scores)
            return scores
        for start in range(0, len(self.codes), BLOCK):
            part = slice(start, start + BLOCK)
            scores[:, part] = factors @ (self.codes[part] * self.steps[part, None]).T
        return scores

    def cosines_to(self, item: int) -> NDArray[np.float32]:
        """Return the cosine of each factor to that of one item, float32 (items,)."""
        one = self.rows(np.array([item]))
        scale = self.norms() * max(float(np.linalg.norm(one)), 1e-12)
        return np.asarray(self.dot(one)[0] / scale)

    def norms(self) -> NDArray[np.float32]:
        """Return the norm of each factor, float32 (items,), at least 1e-12."""
        squares = np.empty(len(self.codes), np.float32)
        run_rows(len(self.codes), _square_rows, self.codes, squares)
        return np.maximum(np.sqrt(squares) * self.steps, np.float32(1e-12))

    def __repr__(self) -> str:
        return f"QuantizedFactors({self.codes.shape[0]} items, {self.codes.shape[1]} factors)"


@numba.njit(cache=True, nogil=True)
def _write_rows(
    items: NDArray[np.int32],
    codes: NDArray[np.int8],
    steps: NDArray[np.float32],
    factors: NDArray[np.float32],
) -> None:
    for row in range(len(items)):
        item = items[row]
        if not 0 <= item < len(codes):
            raise IndexError("there is no such item")
        for c in range(codes.shape[1]):
            factors[row, c] = np.float32(codes[item, c]) * steps[item]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def dot_row(factor: NDArray[np.float32], code: NDArray[np.float32 | np.int8]) -> np.float32:
    """Return the product of a factor with the vector of one item, in floats or in bytes."""
    total = np.float32(0)
    for c in range(len(factor)):
        total += factor[c] * np.float32(code[c])
    return total


@numba.njit(cache=True, nogil=True)
def dot_given_items(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    factors: NDArray[np.float32],
    codes: NDArray[np.float32 | np.int8],
    steps: NDArray[np.float32],
    weights: NDArray[np.float32],
    indptr: NDArray[np.int64],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Write inner products with given items int32 (B, m) into scores float32 (B, m).

    A score keeps its value where the history (indptr) is empty, the item is −1 or unknown, or its weight is 0. codes:
    with their steps, or float factors with the steps `NOT_QUANTIZED`.
    """
    for row in range(low, high):
        if indptr[row] == indptr[row + 1]:
            continue
        for at in range(items.shape[1]):
            item = items[row, at]
            if 0 <= item < len(codes) and weights[item] > 0:
                product = dot_row(factors[row], codes[item])
                scores[row, at] = product * steps[item] if len(steps) else product


@numba.njit(cache=True, nogil=True)
def _dot_all_items(
    low: int,
    high: int,
    factors: NDArray[np.float32],
    codes: NDArray[np.int8],
    steps: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    for item in range(low, high):
        for row in range(len(factors)):
            scores[row, item] = dot_row(factors[row], codes[item]) * steps[item]


@numba.njit(cache=True, nogil=True)
def _square_rows(low: int, high: int, codes: NDArray[np.int8], squares: NDArray[np.float32]) -> None:
    for item in range(low, high):
        total = np.int32(0)
        for c in range(codes.shape[1]):
            total += np.int32(codes[item, c]) * np.int32(codes[item, c])
        squares[item] = total

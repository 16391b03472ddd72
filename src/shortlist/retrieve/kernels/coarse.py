"""The items with the highest inner products, found by reading the vectors of items in bytes first.

A request on one connection multiplies its vector with those of the whole catalogue, and the time of that is the time of reading them: with
other sources between two requests, they are no longer in the processor's caches. A copy in a byte a component is a quarter as long. It is off by a
known length for each item, e_i = |y_i − ŷ_i|, so that |x·y_i − x·ŷ_i| ≤ |x| e_i. Items whose upper bound is below the k-th highest lower bound
cannot be among the best k; the others, some hundred, are multiplied exactly. The result is that of the whole product, but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.growable import GrowableArray
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.quantized import QuantizedFactors, dot_row
from shortlist.retrieve.kernels.select import FilterArrays, empty_lists, radix_top_k

FEW = 4
"""Up to this many requests are answered so; for more, one product of matrices reads the vectors once for all."""
LEAST_ITEMS = 4_096
"""Smaller catalogues stay in the caches."""
ITEMS_PER_WANTED = 16
"""With fewer items per item that is wanted, too many would be multiplied twice."""
NO_TERMS = np.empty((0, 0), np.float32)
Coarse = tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]
"""Codes, steps and errors, as `CoarseVectors` holds them."""


@dataclass(frozen=True, eq=False, repr=False)
class CoarseVectors(ShortRepr):
    """Vectors of items in bytes, and how far each is off.

    Attributes
    ----------
    codes
        int8 (items, d).
    steps
        float32 (items,): the coarse vector of item i is codes[i] · steps[i].
    errors
        float32 (items,): the length of the difference from the exact vector, with what the rounding of a product adds.
    """

    codes: GrowableArray[np.int8]
    steps: GrowableArray[np.float32]
    errors: GrowableArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Round vectors float32 (items, d)."""
        codes, steps, errors = _rounded(vectors)
        return cls(GrowableArray(codes), GrowableArray(steps), GrowableArray(errors))

    def extended(self, vectors: NDArray[np.float32]) -> Self:
        """Return these followed by appended ones, float32 (m, d). This object stays as it is."""
        codes, steps, errors = _rounded(vectors)
        return type(self)(
            self.codes.extended(codes), self.steps.extended(steps), self.errors.extended(errors)
        )

    def pays(self, requests: int, k: int) -> bool:
        """Return whether so many requests for k items are answered faster by `best`."""
        items = len(self.steps.array)
        return requests <= FEW and items >= max(LEAST_ITEMS, ITEMS_PER_WANTED * k)

    def best(
        self,
        factors: NDArray[np.float32],
        vectors: NDArray[np.float32],
        k: int,
        known: tuple[NDArray[np.bool_], NDArray[np.float32]],
        filters: FilterArrays,
        terms: NDArray[np.float32] = NO_TERMS,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the best k items of each request and their scores, as `top_k_rows`.

        Parameters
        ----------
        factors
            float32 (B, d): the vectors of the requests.
        vectors
            float32 (items, d): the exact ones.
        known
            bool (B,): the requests that are answered, others get empty lists; and float32 (items,): 0 for items that are not proposed.
        terms
            float32 (B, items): what is added to the products; empty for nothing.
        """
        items, scores = empty_lists(len(factors), min(k, len(vectors)))
        coarse = (self.codes.array, self.steps.array, self.errors.array)
        run_rows(len(factors), _best_rows, (factors, vectors), coarse, known, terms, filters, items, scores)
        return items, scores


def _rounded(vectors: NDArray[np.float32]) -> Coarse:
    with np.errstate(invalid="ignore"):  # a damaged vector has no score, here as in a product
        found = QuantizedFactors.of(vectors)
    errors = np.empty(len(vectors), np.float32)
    rounding = np.float32(vectors.shape[1] * 2.0**-23)
    run_rows(len(vectors), _write_errors, vectors, found.codes, found.steps, rounding, errors)
    return found.codes, found.steps, errors


@numba.njit(cache=True, nogil=True)
def _write_errors(
    low: int,
    high: int,
    vectors: NDArray[np.float32],
    codes: NDArray[np.int8],
    steps: NDArray[np.float32],
    rounding: np.float32,
    errors: NDArray[np.float32],
) -> None:
    for item in range(low, high):
        off, length = np.float32(0), np.float32(0)
        for c in range(vectors.shape[1]):
            gap = vectors[item, c] - np.float32(codes[item, c]) * steps[item]
            off += gap * gap
            length += vectors[item, c] * vectors[item, c]
        errors[item] = np.float32(1.0001) * np.sqrt(off) + rounding * np.sqrt(length)


@numba.njit(cache=True, nogil=True)
def _best_rows(  # noqa: PLR0913, PLR0917 - a compiled loop takes its arrays one by one
    low: int,
    high: int,
    exact: tuple[NDArray[np.float32], NDArray[np.float32]],
    coarse: Coarse,
    known: tuple[NDArray[np.bool_], NDArray[np.float32]],
    terms: NDArray[np.float32],
    filters: FilterArrays,
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Write the best of the requests low ≤ row < high; filters may name items beyond the catalogue."""
    (factors, vectors), (allowed, indptr, excluded), n = exact, filters, len(coarse[0])
    open_items = known[1] != 0
    if len(allowed):
        open_items &= allowed[:n]
    nothing = np.empty(0, np.float32)
    fit, least, most = np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n, np.float32)
    for row in range(low, high):
        if not known[0][row]:
            continue
        mine = open_items.copy()
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                if excluded[at] < n:
                    mine[excluded[at]] = False
        term = terms[row] if len(terms) else nothing
        found = _write_bounds(factors[row], coarse, mine, term, fit, least, most)
        found = _keep_possible(items.shape[1], found, fit, least, most)
        for at in range(found):
            least[at] = dot_row(factors[row], vectors[fit[at]])
            if len(term):
                least[at] += term[fit[at]]
        radix_top_k(least, fit, found, scores[row], items[row])


@numba.njit(cache=True, nogil=True)
def _write_bounds(
    factor: NDArray[np.float32],
    coarse: Coarse,
    mine: NDArray[np.bool_],
    term: NDArray[np.float32],
    fit: NDArray[np.int32],
    least: NDArray[np.float32],
    most: NDArray[np.float32],
) -> int:
    """Write the items of one request with the bounds of their scores, and return how many they are."""
    codes, steps, errors = coarse
    length, found = np.sqrt(dot_row(factor, factor)), 0
    for item in range(len(codes)):
        if not mine[item]:
            continue
        score = dot_row(factor, codes[item]) * steps[item]
        if len(term):
            score += term[item]
        off = length * errors[item]
        if score - off > -np.inf:  # neither is NaN
            fit[found], least[found], most[found] = item, score - off, score + off
            found += 1
    return found


@numba.njit(cache=True, nogil=True)
def _keep_possible(
    k: int, n: int, fit: NDArray[np.int32], least: NDArray[np.float32], most: NDArray[np.float32]
) -> int:
    """Move the items that can be among the best k of the first n to the front, and return how many they are."""
    if n <= k:
        return n
    sure, ignored = np.empty(k, np.float32), np.empty(k, np.int32)
    radix_top_k(least, fit, n, sure, ignored)
    kept = 0
    for at in range(n):
        if most[at] >= sure[k - 1]:
            fit[kept] = fit[at]
            kept += 1
    return kept

"""From a feature matrix to places in a table of vectors: numbers between two quantiles, categories at their row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.errors import BundleError

MOST_CATEGORIES = 100_000
"""At most this many categories of a feature have a row; further ones count as missing."""


@dataclass(frozen=True, eq=False, repr=False)
class FeatureKnots(ShortRepr):
    """The rows of the table that belong to each feature.

    The first row of a feature is for missing values. A category has the row of its code. A number has a row for each of
    its quantiles (knots), and its vector is interpolated between the two around it: each feature becomes a curve that
    is learned, whatever the distribution of its values. Below the first and above the last knot the curve is flat.

    Attributes
    ----------
    begin
        int64 (features + 1,): the first row of each feature.
    category
        bool (features,): whether it is a category.
    knots
        float32 (rows,): the number at each row; rising within a feature, 0 for missing values and categories.

    References
    ----------
    Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep learning" (piecewise linear encoding).
    """

    begin: NDArray[np.int64]
    category: NDArray[np.bool_]
    knots: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: NDArray[np.float32], types: Sequence[str], knots: int) -> Self:
        """Measure the features of training examples, float32 (rows, features). types: `"q"` numbers, `"c"` categories."""
        sizes, found = [0], []
        shares = np.linspace(0, 1, knots)
        for column, kind in zip(matrix.T, types, strict=True):
            values = column[np.isfinite(column)]
            if kind == "c":
                own = np.zeros(min(int(values.max(initial=-1)) + 1, MOST_CATEGORIES), np.float32)
            else:
                own = np.unique(np.quantile(values, shares).astype(np.float32)) if len(values) else values
            found += [np.zeros(1, np.float32), own]
            sizes.append(1 + len(own))
        category = np.array([kind == "c" for kind in types], np.bool_)
        return cls(np.cumsum(sizes).astype(np.int64), category, np.concatenate(found))

    def __len__(self) -> int:
        return len(self.category)

    def places(self, matrix: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the row of each value, int64 (rows, features), and the share of the row after it, float32."""
        row, share = np.empty(matrix.shape, np.int64), np.empty(matrix.shape, np.float32)
        _places(np.ascontiguousarray(matrix, np.float32), self.begin, self.category, self.knots, row, share)
        return row, share

    def check(self) -> None:
        """Raise `BundleError` where the arrays do not fit each other: the kernel follows them without a check."""
        right = (
            self.begin.dtype == np.int64
            and self.category.dtype == np.bool_
            and self.knots.dtype == np.float32
            and self.begin.shape == (len(self.category) + 1,)
            and self.begin[0] == 0
            and (np.diff(self.begin) > 0).all()
            and self.knots.shape == (self.begin[-1],)
        )
        if not right:
            raise BundleError("the rows of the ranker's features do not fit each other")


@numba.njit(cache=True, nogil=True)
def _places(
    matrix: NDArray[np.float32],
    begin: NDArray[np.int64],
    category: NDArray[np.bool_],
    knots: NDArray[np.float32],
    row: NDArray[np.int64],
    share: NDArray[np.float32],
) -> None:
    for r in range(matrix.shape[0]):
        for f in range(matrix.shape[1]):
            x, first = matrix[r, f], begin[f]
            size = begin[f + 1] - first - 1
            row[r, f], share[r, f] = first, np.float32(0)
            if np.isnan(x) or size == 0:
                continue
            if category[f]:
                if 0 <= x < size:
                    row[r, f] = first + 1 + np.int64(x)
                continue
            low, high = first + 1, first + size  # the last row at or below x
            if x >= knots[high]:
                row[r, f] = high
                continue
            row[r, f] = low
            if x <= knots[low]:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                if knots[middle] <= x:
                    low = middle
                else:
                    high = middle
            row[r, f], share[r, f] = low, (x - knots[low]) / (knots[low + 1] - knots[low])

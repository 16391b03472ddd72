"""The rows that trees are fitted to: features that all models share, and what each model adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from shortlist.data.lazy import lazy_property
from shortlist.rank.targets import Target


class BinnedFeatures:
    """Features of some rows as XGBoost takes them.

    XGBoost cuts each feature into bins before it grows the first tree, which takes as long as several trees. Models of the same rows
    share the matrix, and with it the bins; labels and margins are set anew for each.

    Parameters
    ----------
    values : ndarray of shape (rows, features), float32
        NaN where a value is missing.
    types
        XGBoost's type of each feature: `"q"` for a number, `"c"` for a category.
    signs
        1 for each feature with which predictions may only rise, −1 where they may only fall, 0 for others (default: 0 for all).
    """

    def __init__(
        self, values: NDArray[np.float32], types: Sequence[str], signs: Sequence[int] | None = None
    ) -> None:
        self.values, self.types = values, list(types)
        self.signs = None if signs is None else tuple(signs)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"BinnedFeatures({len(self):,} rows, {len(self.types)} features)"

    @lazy_property
    def matrix(self) -> xgb.DMatrix:
        """The matrix that all models share."""
        return xgb.DMatrix(self.values, feature_types=self.types, enable_categorical="c" in self.types)

    def rows(self, rows: NDArray[np.integer]) -> BinnedFeatures:
        """Return the features of some of the rows."""
        return BinnedFeatures(self.values[rows], self.types, self.signs)

    def of_sources(self, sources: int) -> BinnedFeatures:
        """Return the features with all columns unknown but the last ones, the ranks and the scores of so many sources.

        Trees that are fitted to them have no node for another column, so that they read whole matrices. Predictions may only rise
        with a score and fall with a rank.
        """
        first = len(self.types) - 2 * sources
        values = self.values.copy()
        values[:, :first] = np.nan
        return BinnedFeatures(values, ["q"] * len(self.types), [0] * first + [-1] * sources + [1] * sources)


@dataclass(frozen=True, eq=False, repr=False)
class BoostingData:
    """Training or validation rows of one model.

    Parameters
    ----------
    features
        As the trees take them.
    request : ndarray of shape (rows,), int64
        Request of each row.
    targets
        One per head; rows as above.
    parent : ndarray of shape (rows,), float, optional
        Predicted probability of the objective that the head requires, if another model predicts it.
    """

    features: BinnedFeatures
    request: NDArray[np.int64]
    targets: list[Target]
    parent: NDArray[np.floating] | None = None

    def known(self) -> BoostingData:
        """Return the rows whose label is known. Only for a model of one objective."""
        known = self.targets[0].weight > 0
        if known.all():
            return self
        rows = np.flatnonzero(known)
        parent = None if self.parent is None else self.parent[rows]
        return BoostingData(
            self.features.rows(rows), self.request[rows], [self.targets[0].rows(rows)], parent
        )

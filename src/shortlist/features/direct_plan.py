"""How the features with one key a row are written while serving: all that is the same for every request, prepared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.features.aggregates import Aggregate
from shortlist.features.formulas import COLUMNS_TOGETHER
from shortlist.features.keys import KeyEncoder
from shortlist.features.layout import DirectFeature


@dataclass(frozen=True, eq=False, repr=False)
class ColumnGroup:
    """Features that one call of `fill_columns` writes; lists of aggregates and keys are padded to `COLUMNS_TOGETHER`.

    Attributes
    ----------
    columns
        int64 (features, 3): the column and the formula of each, and 1 where its key is the same for all items of a request.
    parameters
        float64 (features, 2): what each formula is given.
    first, last
        The aggregates whose numbers of events a formula reads.
    second
        The array that it reads beside them, of the first.
    by
        The key of each.
    """

    columns: NDArray[np.int64]
    parameters: NDArray[np.float64]
    first: list[Aggregate]
    second: list[str]
    last: list[Aggregate]
    by: list[str]

    @classmethod
    def of(
        cls, directs: list[DirectFeature], encoder: KeyEncoder, priors: Mapping[str, float]
    ) -> ColumnGroup:
        """Prepare some features; `priors` are those that `FeatureSet.fit` learned."""
        columns = [(d.column, d.feature.formula, encoder.is_of_request(d.by)) for d in directs]
        parameters = [direct.feature.parameters(priors.get(direct.feature.name, 0.0)) for direct in directs]
        padded = [*directs, *directs[-1:] * (COLUMNS_TOGETHER - len(directs))]
        return cls(
            np.array(columns, np.int64),
            np.array(parameters, np.float64),
            [direct.aggregates[0] for direct in padded],
            [direct.second for direct in padded],
            [direct.aggregates[-1] for direct in padded],
            [direct.by for direct in padded],
        )

    def __repr__(self) -> str:
        return f"ColumnGroup({len(self.columns)} features)"


class DirectPlan:
    """The features with one key a row in groups, and the keys that they count by.

    Parameters
    ----------
    directs
        The features.
    encoder
        Encodes their keys.
    priors
        Learned priors, by feature.

    Attributes
    ----------
    names
        Names of the features.
    keys
        Each key with an aggregate that counts by it, and whether it is the same for all items of a request.
    groups
        The features, `COLUMNS_TOGETHER` at a time.
    """

    def __init__(
        self, directs: list[DirectFeature], encoder: KeyEncoder, priors: Mapping[str, float]
    ) -> None:
        self.names = frozenset(direct.feature.name for direct in directs)
        first = {direct.by: direct.aggregates[0] for direct in reversed(directs)}
        self.keys = [(by, aggregate, encoder.is_of_request(by)) for by, aggregate in first.items()]
        self.groups = [ColumnGroup.of(part, encoder, priors) for part in _parts(directs)]

    def __repr__(self) -> str:
        return f"DirectPlan({len(self.names)} features, {len(self.keys)} keys)"


def _parts(directs: list[DirectFeature]) -> list[list[DirectFeature]]:
    return [directs[start : start + COLUMNS_TOGETHER] for start in range(0, len(directs), COLUMNS_TOGETHER)]

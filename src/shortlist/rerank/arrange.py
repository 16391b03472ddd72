"""The re-rankers in their order: freshness changes what items are worth, diversity orders them, exposure selects."""

from __future__ import annotations

import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.project import Rerank, duration_ms
from shortlist.rerank.diversity import mmr
from shortlist.rerank.exposure import capped
from shortlist.rerank.freshness import boost

POOL = 100
"""At least this many of the best candidates are looked at for diversity."""


class Arranger:
    """Knows the catalogue: `attributes`, `born` int64 ms (items,), and `factors` float32 (items, d) where a retriever
    has them."""

    def __init__(
        self, settings: Rerank, attributes: dict[str, Attribute], born: np.ndarray, factors: np.ndarray | None
    ) -> None:
        self.settings, self.attributes, self.born, self.factors = settings, attributes, born, factors
        self.half_life = duration_ms(settings.freshness_half_life)

    def __call__(
        self, items: np.ndarray, utility: np.ndarray, n: int, moment: int, diversity: float, freshness: float
    ) -> np.ndarray:
        """Which of the candidates to show, best first: int64 (≤ n,) rows of items int32 (rows,), utility (rows,)."""
        worth = boost(utility, self.born[items], moment, freshness, self.half_life)
        order = np.argsort(-worth, kind="stable")
        if diversity > 0:
            head, rest = np.split(order, [max(POOL, 5 * n)])
            order = np.concatenate([head[mmr(worth[head], self.vectors(items[head]), diversity, n)], rest])
        by = self.settings.exposure_by
        return (
            order[:n]
            if by is None
            else capped(order, self.attributes[by].codes[items], self.settings.exposure_cap, n)
        )

    def may_join(self, items: np.ndarray, ordered: np.ndarray) -> np.ndarray:
        """bool: which items may come onto any slate made of an ordered pool without breaking the exposure cap. Both item codes."""
        by, cap = self.settings.exposure_by, self.settings.exposure_cap
        if by is None or cap is None:
            return np.ones(len(items), bool)
        codes = self.attributes[by].codes
        maker, count = np.unique(codes[ordered], return_counts=True)
        full = maker[(maker >= 0) & (count >= cap)]
        return ~np.isin(codes[items], full) | np.isin(items, ordered)

    def vectors(self, items: np.ndarray) -> np.ndarray:
        """float32 (items, d): what likeness is measured by: the attribute of `diversity_by`, or factors."""
        by = self.settings.diversity_by
        if (
            by and self.attributes[by].kind == "category"
        ):  # a column for each value that occurs; rows of nothing for none
            values, at = np.unique(self.attributes[by].codes[items], return_inverse=True)
            return np.eye(len(values), dtype=np.float32)[at] * (values[at] >= 0)[:, None]
        if by:
            return np.asarray(self.attributes[by].take(items).matrix().toarray())
        return np.eye(len(items), dtype=np.float32) if self.factors is None else self.factors[items]

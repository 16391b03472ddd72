"""The re-rankers in their order: freshness and rules change what items are worth; tastes or diversity order them; exposure, fair shares and
pins select.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.base import duration_ms
from shortlist.config.rerank import RerankSettings, Rule
from shortlist.data.entities import Entities
from shortlist.rerank.dpp import dpp
from shortlist.rerank.exposure import capped
from shortlist.rerank.fairness import fair_share
from shortlist.rerank.filters import allowed_items
from shortlist.rerank.freshness import boost
from shortlist.rerank.genre_calibration import calibrated, tastes
from shortlist.rerank.mmr import mmr
from shortlist.rerank.rules import pinned, weighed

POOL = 100
"""At least this many of the best candidates are looked at for diversity and tastes."""


@dataclass(frozen=True)
class Strengths:
    """How much of what a request wants: diversity, calibration (0 to 1), freshness, explore (chance), and the share of slates with a newcomer."""

    diversity: float = 0.0
    freshness: float = 0.0
    calibration: float = 0.0
    explore: float = 0.0
    newcomers: float = 0.0


class Arranger:
    """Knows the catalogue: `items`, `born` int64 ms (items,), and `factors` float32 (items, d) where a retriever has them."""

    def __init__(
        self, settings: RerankSettings, items: Entities, born: np.ndarray, factors: np.ndarray | None
    ) -> None:
        self.settings, self.items, self.born, self.factors = settings, items, born, factors
        self.half_life = duration_ms(settings.freshness_half_life)
        self.masks: dict[str, np.ndarray] = {}
        """Which items rules and fair shares are about, as long as the catalogue stays; cleared by whoever changes it."""

    def under(self, settings: RerankSettings) -> Arranger:
        """The same catalogue under other settings."""
        return Arranger(settings, self.items, self.born, self.factors)

    def __call__(
        self,
        items: np.ndarray,
        utility: np.ndarray,
        n: int,
        moment: int,
        wanted: Strengths,
        taste: np.ndarray | None = None,
    ) -> np.ndarray:
        """Which of the candidates to show, best first: int64 (≤ n,) rows of items int32 (rows,), utility (rows,).

        taste: the shares of a person's history (`taste_of`), for calibration.
        """
        settings = self.settings
        worth = utility
        if wanted.freshness > 0:
            worth = boost(utility, self.born[items], moment, wanted.freshness, self.half_life)
        if settings.rules:
            worth = weighed(worth, items, settings.rules, self._about)
        order = np.argsort(-worth, kind="stable")
        if settings.rules:
            order = order[worth[order] > -np.inf]
        pool = max(POOL, 5 * n)
        if wanted.calibration > 0 and taste is not None:
            head, rest = order[:pool], order[pool:]
            indptr, values = self._values(items[head])
            kept = calibrated(worth[head], indptr, values, taste, wanted.calibration, n)
            order = np.concatenate([head[kept], rest])
        elif wanted.diversity > 0:
            head, rest = order[:pool], order[pool:]
            order = np.concatenate([head[self._diverse(items[head], worth[head], wanted.diversity, n)], rest])
        selects = bool(settings.fair or settings.rules)
        size = len(order) if selects else n
        if settings.exposure_by is None:
            order = order[:size]
        else:
            provider = self.items.attributes[settings.exposure_by].codes[items]
            order = capped(order, provider, settings.exposure_cap, size)
        for number, fair in enumerate(settings.fair):
            favoured = self._mask(f"fair {number}", {fair.by: {"any": fair.values}})[items]
            shared = fair_share(order, worth, favoured, fair.share, fair.most_loss, n).order
            order = np.concatenate([shared, order[~np.isin(order, shared)]])
        return pinned(order, items, settings.rules, self._about, n) if settings.rules else order[:n]

    def _diverse(self, items: np.ndarray, worth: np.ndarray, strength: float, n: int) -> np.ndarray:
        by = self.settings.diversity_by
        if self.settings.diversity_way == "dpp":
            return dpp(worth, self.vectors(items), strength, n)
        kinds = bool(by) and self.items.attributes[str(by)].kind == "category"
        about = self.items.attributes[str(by)].codes[items] if kinds else self.vectors(items)
        return mmr(worth, about, strength, n)

    def hidden(self) -> np.ndarray | None:
        """Bool (items,): what a rule hides from everybody, None without such rules. Retrieval leaves it out, so that slates fill all the same."""
        rules = [rule for rule in self.settings.rules if rule.action == "hide"]
        return np.any([self._about(rule) for rule in rules], axis=0) if rules else None

    def hides(self, item: int) -> str | None:
        """The name of the rule that hides an item, if one does."""
        rules = (rule for rule in self.settings.rules if rule.action == "hide")
        return next((rule.name for rule in rules if self._about(rule)[item]), None)

    def _about(self, rule: Rule) -> np.ndarray:
        return self._mask(f"rule {rule.name}", rule.when)

    def _mask(self, name: str, when: dict[str, object]) -> np.ndarray:
        if len(self.masks.get(name, ())) != len(self.items):
            allowed = allowed_items(self.items, when, None)
            self.masks[name] = np.ones(len(self.items), bool) if allowed is None else allowed
        return self.masks[name]

    def taste_of(self, history: np.ndarray) -> np.ndarray | None:
        """The shares of a history's items int32 (events,), oldest first, over the values of `calibration_by`; None without one."""
        if self.settings.calibration_by is None:
            return None
        indptr, values = self._values(history)
        return tastes(values, indptr, len(self.items.attributes[self.settings.calibration_by].vocabulary))

    def _values(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values of `calibration_by` of some items, ragged."""
        return self.items.attributes[str(self.settings.calibration_by)].take(items).ragged()

    def may_join(self, items: np.ndarray, ordered: np.ndarray) -> np.ndarray:
        """bool: which items may come onto any slate made of an ordered pool without breaking the exposure cap. Both item codes."""
        by, cap = self.settings.exposure_by, self.settings.exposure_cap
        if by is None or cap is None:
            return np.ones(len(items), bool)
        codes = self.items.attributes[by].codes
        maker, count = np.unique(codes[ordered], return_counts=True)
        full = maker[(maker >= 0) & (count >= cap)]
        return ~np.isin(codes[items], full) | np.isin(items, ordered)

    def vectors(self, items: np.ndarray) -> np.ndarray:
        """float32 (items, d): what likeness is measured by: the attribute of `diversity_by`, or factors."""
        by, attributes = self.settings.diversity_by, self.items.attributes
        if (
            by and attributes[by].kind == "category"
        ):  # a column for each value that occurs; rows of nothing for none
            values, at = np.unique(attributes[by].codes[items], return_inverse=True)
            return np.eye(len(values), dtype=np.float32)[at] * (values[at] >= 0)[:, None]
        if by:
            return np.asarray(attributes[by].take(items).matrix().toarray())
        return np.eye(len(items), dtype=np.float32) if self.factors is None else self.factors[items]

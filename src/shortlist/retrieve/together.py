"""Bought together: what goes with what, not what could stand for it.

    W_ij = c_ij / (c_i + shrink) · max(log(lift_ij), 0),   lift_ij = c_ij · B / (c_i · c_j)

over B baskets: what one person took within `basket` of each other. c_ij: baskets that hold both. The first factor is how often j comes along
with i, the second how much more often than by chance (Brin, Motwani & Silverstein 1997, "Beyond market baskets"); a bestseller that is
in every basket goes with nothing. Pairs alike in the attribute `apart` are left out: two tents in one basket are rare, and who looks at one
tent compares it with others, which is what `neighbours` learns from views (substitutes against complements: McAuley et al. 2015).

Most pairs of things are never seen together, while their kinds are: with `apart`, the same formula over kinds says what a kind goes with, and
the things most taken of those kinds stand behind the pairs (`back_off`). So a new tent has sleeping bags beside it from its first day.

For a product page, a basket, a "next after this". Not for people's tastes at large, and not where few take two things at a time.

Time: Σ_baskets (size)². Memory: items × k.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.config.base import Duration, duration_ms
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import as_matrix
from shortlist.retrieve.kernels.select import select

HEAD, KINDS = 10, 8
"""So many items of a kind, and so many partner kinds, stand behind the pairs."""


class TogetherConfig(ItemItemConfig):
    event: str | None = None
    """The kind of event that fills a basket (purchase); all but impressions without."""
    basket: Duration = "3d"
    """What one person takes within so long of the thing before is one basket."""
    apart: str | None = None
    """A category attribute: items that have the same are no complements."""
    k: int = Field(100, ge=1)
    """How many partners each item keeps."""
    shrink: float = Field(5.0, ge=0)
    """Draws pairs that rest on few baskets towards zero."""
    fewest: int = Field(2, ge=1)
    """A pair needs so many baskets."""
    back_off: float = Field(0.1, ge=0, le=1)
    """With `apart`: what the kinds say counts so much beside what the pairs say."""


class Together(ItemItem):
    Config = TogetherConfig
    name = "together"

    def fit(self, dataset: Dataset) -> Self:
        """Raises `ProjectError` where the project names a kind or an attribute that is not there."""
        config, log = self.config, dataset.log
        if config.event is not None and config.event not in log.kinds:
            raise ProjectError(
                f"together: event = {config.event!r} is no kind of event of the log; there are: {', '.join(log.kinds)}",
                field="event",
            )
        rows = np.flatnonzero(log.acted if config.event is None else log.is_kind([config.event]))
        order = rows[np.lexsort((log.time[rows], log.user[rows]))]
        user, time = log.user[order], log.time[order]
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(user) != 0) | (np.diff(time) > duration_ms(config.basket))
        basket, n = np.cumsum(new) - 1, len(dataset.items)
        X = sp.csr_matrix(
            (np.ones(len(order), np.float32), (basket, log.item[order])), shape=(int(new.sum()), n)
        )
        X.sum_duplicates()
        X.data[:] = 1.0
        return self.fit_baskets(X, self._kinds(dataset))

    def _kinds(self, dataset: Dataset) -> np.ndarray | None:
        by = self.config.apart
        if by is None:
            return None
        attribute = dataset.items.attributes.get(by)
        if attribute is None or attribute.kind != "category":
            raise ProjectError(f"together: apart = {by!r} is no category attribute of items", field="apart")
        return attribute.codes

    def fit_baskets(self, X: sp.csr_matrix, kinds: np.ndarray | None = None) -> Self:
        """From baskets × items of ones, float32; kinds int (items,), −1: none."""
        config, n = self.config, X.shape[1]
        counts = np.bincount(X.indices, minlength=n).astype(np.float64)
        pairs = self._pairs(X, counts, config.fewest)
        if kinds is None:
            self.weights = _best(pairs, config.k)
            return self
        alike = (kinds[pairs.row] == kinds[pairs.col]) & (kinds[pairs.row] >= 0)
        pairs.data[alike] = 0
        self.weights = _best(pairs.tocsr() + config.back_off * self._by_kind(X, counts, kinds), config.k)
        return self

    def _pairs(self, X: sp.csr_matrix, counts: np.ndarray, fewest: int) -> sp.coo_matrix:
        """The formula above, for each pair of columns that are in enough rows together."""
        both = (X.T @ X).tocoo()
        kept = (both.row != both.col) & (both.data >= fewest)
        i, j, c = both.row[kept], both.col[kept], both.data[kept].astype(np.float64)
        lift = np.log(np.maximum(c * X.shape[0] / (counts[i] * counts[j]), 1.0))
        values = c / (counts[i] + self.config.shrink) * lift
        return sp.coo_matrix((values.astype(np.float32), (i, j)), shape=both.shape)

    def _by_kind(self, X: sp.csr_matrix, counts: np.ndarray, kinds: np.ndarray) -> sp.csr_matrix:
        """What the kinds of items go with: of each partner kind its most taken items, by their share of it."""
        n, size = len(kinds), int(kinds.max(initial=-1)) + 1
        known = kinds >= 0
        of = sp.csr_matrix(
            (np.ones(known.sum(), np.float32), (np.flatnonzero(known), kinds[known])), shape=(n, size)
        )
        baskets = (X @ of).tocsr()
        baskets.data[:] = 1.0
        partners = self._pairs(
            baskets, np.asarray(baskets.sum(0), np.float64).ravel(), self.config.fewest
        ).tocsr()
        total = np.bincount(kinds[known], counts[known], size)
        order = np.lexsort((-counts, kinds))
        place = np.arange(n) - np.searchsorted(kinds[order], kinds[order])
        head = order[(place < HEAD) & (kinds[order] >= 0) & (counts[order] > 0)]
        share = counts[head] / np.maximum(total[kinds[head]], 1)
        heads = sp.csr_matrix((share.astype(np.float32), (kinds[head], head)), shape=(size, n))
        return (of @ (_best(partners, KINDS) @ heads)).tocsr()


def _best(whole: sp.spmatrix, k: int) -> sp.csr_matrix:
    """Each row's k largest."""
    whole, n = sp.csr_matrix(whole, dtype=np.float32), whole.shape[0]
    whole.eliminate_zeros()
    parts = []
    for start in range(0, n, 1024):
        dense = whole[start : start + 1024].toarray()
        dense[dense == 0] = -np.inf
        parts.append(select(dense, k))
    if not parts:
        return whole
    items, values = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    return as_matrix(items, values, n)

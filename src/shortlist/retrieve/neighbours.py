"""Item neighbours: people who took this also took that.

    W_ij = c_ij / (c_i^(1 − power) · c_j^power + shrink),   c_ij = Σ_people x_ui · x_uj / (size of the history)^spread

over the people who took both, keeping each item's k nearest (Sarwar et al. 2001, "Item-based collaborative filtering
recommendation algorithms"; shrinkage: Bell & Koren 2007). With power 0.5, spread 0 and no shrinkage it is the cosine.
`spread` lets a person with a thousand items vouch less for each pair than one with five; it is what makes a plain
neighbour model strong on sparse data (Christoffel et al. 2015, "Blockbusters and wallflowers", P³α and RP³β). `bm25`
weighs the matrix as text retrieval does before the product (Robertson & Zaragoza 2009).

No learning to speak of, hard to beat, and it explains itself. Not for catalogues where few people share any item.

Time: Σ_people (size of history)², on all cores. Memory: items × k.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.data.dataset import Dataset
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import as_matrix, nearest

MOST = 50_000_000
"""Entries of the matrix: 400 MB. What a million items keep beyond 50 neighbours each, a request rarely reaches."""


class NeighboursConfig(ItemItemConfig):
    k: int | None = Field(None, ge=1)
    """How many neighbours each item keeps. Without one, 200, and fewer where more than a quarter of a million items would need
    more than `MOST` together."""
    similarity: Literal["cosine", "bm25"] = "cosine"
    shrink: float = Field(5.0, ge=0)
    """Draws similarities that rest on few people towards zero."""
    power: float = Field(0.4, ge=0, le=1)
    """Exponent on the popularity of the recommended item: 0.5 is the cosine, less lets popular items through."""
    spread: float = Field(0.75, ge=0, le=1)
    """Exponent on the size of the histories that vouch for a pair: 0 all alike, 1 each person has one vote to share."""


class Neighbours(ItemItem):
    Config = NeighboursConfig
    name = "neighbours"

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_matrix(self.taken(dataset))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """From a (users, items) matrix of weights."""
        config = self.config
        counts = np.bincount(X.indices, minlength=X.shape[1]).astype(np.float64)
        if config.similarity == "bm25":
            X, counts = bm25(X), np.ones(X.shape[1])
        size = np.maximum(np.diff(X.indptr), 1).astype(np.float64)
        X = (sp.diags_array(size ** (-config.spread / 2)) @ X).tocsr().astype(np.float32)
        own = np.maximum(counts, 1) ** (1 - config.power)
        k = config.k or max(min(200, MOST // max(X.shape[1], 1)), 20)
        items, values = nearest(X, own, np.maximum(counts, 1) ** config.power, config.shrink, k)
        self.weights = as_matrix(items, values, X.shape[1])
        return self


def bm25(X: sp.csr_matrix, k1: float = 1.2, b: float = 0.75) -> sp.csr_matrix:
    """A person as a document and an item as a word: rare items and short histories weigh more."""
    size = np.asarray(X.sum(1), np.float64).ravel()
    counts = np.bincount(X.indices, minlength=X.shape[1])
    idf = np.log1p((X.shape[0] - counts + 0.5) / (counts + 0.5))
    length = 1 - b + b * size / max(size.mean(), 1e-12)
    data = X.data * (k1 + 1) / (X.data + k1 * np.repeat(length, np.diff(X.indptr))) * idf[X.indices]
    return sp.csr_matrix((data.astype(np.float32), X.indices, X.indptr), shape=X.shape)

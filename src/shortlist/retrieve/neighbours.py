"""Neighbours: users who took this item also took that one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.retrieve.item_item import ItemItemConfig, MatrixItemItem
from shortlist.retrieve.kernels.cooccurrence import nearest, sparse_rows

MAX_WEIGHTS = 50_000_000
"""Entries of the matrix: 400 MB. Beyond 50 neighbours of each of a million items, a request rarely reaches the rest."""


class NeighboursConfig(ItemItemConfig):
    """Settings of `Neighbours`."""

    k: int | None = Field(None, ge=1)
    """Number of neighbours that each item keeps, 1 or more. None: 200, and fewer where a catalogue of more than 250,000 items
    would need more than `MAX_WEIGHTS` entries."""
    similarity: Literal["cosine", "bm25"] = "cosine"
    """How the matrix is weighted: as it is, or as text retrieval weights words (BM25)."""
    shrink: float = Field(5.0, ge=0)
    """Shrinks similarities that rest on few users towards zero; in users, 0 or more."""
    power: float = Field(0.4, ge=0, le=1)
    """Exponent on the popularity of the recommended item, from 0 to 1: 0.5 is the cosine, less favours popular items."""
    spread: float = Field(0.75, ge=0, le=1)
    """Exponent on the size of a user's history, from 0 to 1: 0 counts all users alike, 1 gives each user one vote to
    share."""


class Neighbours(MatrixItemItem):
    """Recommend the nearest neighbours of the items in a history.

        W_ij = c_ij / (c_i^(1 − power) · c_j^power + shrink),    c_ij = Σ_users x_ui · x_uj / (size of history)^spread

    over the users who took both, keeping the k nearest of each item. With power 0.5, spread 0 and shrink 0 it is the
    cosine. With `spread`, a user with a thousand items contributes less to each pair than one with five, which makes a
    neighbour model strong on sparse data.

    It learns nothing beyond counts, is hard to beat, and explains its recommendations. Do not use it where few users
    share any item.

    Cost: Σ_users (size of history)² to fit, on all cores; memory items · k.

    Parameters
    ----------
    config : NeighboursConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse.

    References
    ----------
    Sarwar, Karypis, Konstan & Riedl 2001, "Item-based collaborative filtering recommendation algorithms".
    Bell & Koren 2007, "Scalable collaborative filtering with jointly derived neighborhood interpolation weights" (shrinkage).
    Christoffel et al. 2015, "Blockbusters and wallflowers" (P³α, RP³β: `spread` and `power`).
    Robertson & Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond".

    Examples
    --------
    >>> Neighbours(k=50)
    Neighbours(k=50)
    """

    Config = NeighboursConfig
    config: NeighboursConfig
    name = "neighbours"

    def _fit_matrix(self, X: sp.csr_matrix) -> None:
        config = self.config
        counts = np.bincount(X.indices, minlength=X.shape[1]).astype(np.float64)
        if config.similarity == "bm25":
            X, counts = bm25(X), np.ones(X.shape[1])
        size = np.maximum(np.diff(X.indptr), 1).astype(np.float64)
        X = (sp.diags_array(size ** (-config.spread / 2)) @ X).tocsr().astype(np.float32)
        own = np.maximum(counts, 1) ** (1 - config.power)
        k = neighbours_kept(config, X.shape[1])
        items, values = nearest(X, own, np.maximum(counts, 1) ** config.power, config.shrink, k)
        self.weights_ = sparse_rows(items, values, X.shape[1])


def neighbours_kept(config: NeighboursConfig, items: int) -> int:
    """Return the number of neighbours that each item of a catalogue keeps."""
    return config.k or max(min(200, MAX_WEIGHTS // max(items, 1)), 20)


@dataclass(frozen=True, repr=False)
class Bm25Totals:
    """What BM25 reads of all users.

    Attributes
    ----------
    users
        Number of users, with or without events.
    mean
        The mean summed weight of a user.
    counts
        float64 (items,): the number of users of each item.
    """

    users: int
    mean: float
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, X: sp.csr_matrix) -> Bm25Totals:
        """Count a (users, items) matrix."""
        size = np.asarray(X.sum(1), np.float64).ravel()
        counts = np.bincount(X.indices, minlength=X.shape[1]).astype(np.float64)
        return cls(X.shape[0], float(size.mean()) if len(size) else 0.0, counts)

    def __repr__(self) -> str:
        return f"Bm25Totals({self.users:,} users, {len(self.counts):,} items)"


def bm25(
    X: sp.csr_matrix, k1: float = 1.2, b: float = 0.75, totals: Bm25Totals | None = None
) -> sp.csr_matrix:
    """Weight a (users, items) matrix with a user as a document and an item as a word.

    Rare items and short histories get more weight. `totals` are those of all users, where X has a part of them.
    """
    totals = totals or Bm25Totals.of(X)
    size = np.asarray(X.sum(1), np.float64).ravel()
    idf = np.log1p((totals.users - totals.counts + 0.5) / (totals.counts + 0.5))
    length = 1 - b + b * size / max(totals.mean, 1e-12)
    data = X.data * (k1 + 1) / (X.data + k1 * np.repeat(length, np.diff(X.indptr))) * idf[X.indices]
    return sp.csr_matrix((data.astype(np.float32), X.indices, X.indptr), shape=X.shape)

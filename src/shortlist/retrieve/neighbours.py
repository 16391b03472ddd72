"""Item neighbours: people who took this also took that.

sim(i, j) = c_ij / (√(c_i · c_j) + shrink), over the co-occurrence counts c of the users × items matrix, keeping each
item's k nearest (Sarwar et al. 2001, "Item-based collaborative filtering recommendation algorithms"; shrinkage: Bell &
Koren 2007). A history scores an item by the sum of its events' similarities to it. No learning to speak of, hard to
beat, and it explains itself. Not for catalogues where few people share any item.

Time: the sparse product XᵀX, made in blocks of items. Memory: items × k.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.data.dataset import Dataset
from shortlist.project import Settings
from shortlist.retrieve.base import Requests, Retriever, interactions

BLOCK = 1024


class NeighboursConfig(Settings):
    k: int = Field(100, ge=1)
    """How many neighbours each item keeps."""
    shrink: float = Field(10.0, ge=0)
    """Draws similarities that rest on few people towards zero."""
    power: float = Field(0.5, ge=0, le=1)
    """Exponent on the popularity of the recommended item: 0.5 is the cosine, less lets popular items through."""


class Neighbours(Retriever):
    Config = NeighboursConfig
    name = "neighbours"
    arrays = ("similarity",)

    similarity: sp.csr_matrix
    """(items, items): row i holds the items like i."""

    def fit(self, dataset: Dataset) -> Self:
        X = interactions(dataset)
        X.data[:] = 1.0
        n_items = X.shape[1]
        counts = np.asarray(X.sum(0)).ravel()
        columns = X.tocsc()
        k = self.config.k
        parts = []
        own = counts ** (1 - self.config.power)
        others = np.maximum(counts, 1) ** self.config.power
        for start in range(0, n_items, BLOCK):
            block = (columns[:, start : start + BLOCK].T @ X).tocsr()
            rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            block.data /= own[start + rows] * others[block.indices] + self.config.shrink
            block.data[rows + start == block.indices] = 0.0
            parts.append(_nearest(block, k))
        self.similarity = (
            sp.vstack(parts, format="csr").astype(np.float32)
            if parts
            else sp.csr_matrix((0, 0), dtype=np.float32)
        )
        return self

    def score(self, requests: Requests) -> np.ndarray:
        n_items = self.similarity.shape[1]
        scores = (requests.matrix(n_items) @ self.similarity).toarray()
        return np.where(scores > 0, scores, -np.inf).astype(np.float32)

    def similar(self, item: int) -> np.ndarray | None:
        return self.similarity[[item]].toarray().ravel()

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        return self.similarity[h.item[events]][:, items].toarray().T * requests.weights[events]

    def add_items(self, dataset: Dataset) -> None:
        n = len(dataset.items)
        self.similarity = sp.csr_matrix(
            (
                self.similarity.data,
                self.similarity.indices,
                np.pad(self.similarity.indptr, (0, n - self.similarity.shape[0]), "edge"),
            ),
            shape=(n, n),
        )


def _nearest(block: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Each row's k largest entries; ties go to the lower item."""
    rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    order = np.lexsort([block.indices, -block.data, rows])
    place = np.arange(len(rows)) - np.repeat(block.indptr[:-1], np.diff(block.indptr))
    kept = order[(place < k) & (block.data[order] > 0)]
    return sp.csr_matrix((block.data[kept], (rows[kept], block.indices[kept])), shape=block.shape)

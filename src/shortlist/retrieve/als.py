"""ALS: factors of users and items from implicit feedback, with fold-in.

Minimises Σ_observed c_ui (1 − x_u·y_i)² + α₀ Σ_all (x_u·y_i)² + λ-terms, alternating between users and items (Hu, Koren
& Volinsky 2008, "Collaborative filtering for implicit feedback datasets"), with regularisation scaled by how often a
user or item occurs (Rendle et al. 2021, "Revisiting the performance of iALS on item recommendation benchmarks").
Each side is one exact least-squares solve a row, all rows in parallel.

A person's factor is never stored: it is solved from the history at request time (fold-in), so a click counts at once.

Time: O(events · d² + (users + items) · d³) an iteration; memory (users + items) · d. Not for people with empty histories.
"""

from __future__ import annotations

from typing import Self

import numba
import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.data.dataset import Dataset
from shortlist.project import Settings
from shortlist.retrieve.base import Requests, Retriever, interactions


class ALSConfig(Settings):
    factors: int = Field(64, ge=1, le=1024)
    iterations: int = Field(12, ge=1)
    unobserved: float = Field(0.1, gt=0)
    """α₀: the weight of "did not take" against "took"."""
    regularisation: float = Field(0.01, gt=0)
    """λ, multiplied with (how much a row holds + α₀ · size of the other side)^scaling."""
    scaling: float = Field(1.0, ge=0, le=1)
    """ν: 1 regularises frequent rows in proportion, 0 all alike."""
    seed: int = 0


class ALS(Retriever):
    Config = ALSConfig
    name = "als"
    arrays = ("items", "counts", "n_users")

    items: np.ndarray
    """float32 (items, d)."""
    counts: np.ndarray
    """float32 (items,): how much each item holds; an item nobody took has no factor and is not proposed."""
    n_users: np.ndarray

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_matrix(interactions(dataset))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """From a (users, items) matrix of weights. Rows without events are left out."""
        X = X[np.diff(X.indptr) > 0]
        XT = X.T.tocsr()
        d = self.config.factors
        rng = np.random.default_rng(self.config.seed)
        self.items = rng.normal(0, 0.1 / np.sqrt(d), (X.shape[1], d)).astype(np.float32)
        self.counts = np.asarray(X.sum(0), np.float32).ravel()
        self.n_users = np.array(X.shape[0])
        for _ in range(self.config.iterations):
            users = self._solve(X, self.items)
            self.items = self._solve(XT, users)
        self._gram = None
        return self

    _gram: np.ndarray | None = None

    def _solve(self, X: sp.csr_matrix, other: np.ndarray, gram: np.ndarray | None = None) -> np.ndarray:
        """The factors of X's rows, given those of its columns."""
        config = self.config
        if gram is None:
            gram = other.T @ other
        held = np.asarray(X.sum(1), np.float64).ravel() + config.unobserved * len(other)
        ridge = (config.regularisation * held**config.scaling).astype(np.float32)
        return _solve_rows(
            X.indptr, X.indices, X.data.astype(np.float32), other, config.unobserved * gram, ridge
        )

    def fold_in(self, requests: Requests) -> np.ndarray:
        """float32 (B, d): the factor of each history; zero for an empty one."""
        if self._gram is None:
            self._gram = self.items.T @ self.items
        return self._solve(requests.matrix(len(self.items)), self.items, self._gram)

    def score(self, requests: Requests) -> np.ndarray:
        scores = self.fold_in(requests) @ self.items.T
        scores[:, self.counts == 0] = -np.inf
        scores[np.diff(requests.histories.indptr) == 0] = -np.inf
        return scores

    def similar(self, item: int) -> np.ndarray | None:
        norms = np.maximum(np.linalg.norm(self.items, axis=1), 1e-12)
        return (self.items @ self.items[item]) / (norms * norms[item])

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        """The share of each event in the score: y_iᵀ A⁻¹ c_j y_j, which sums to x·y_i (Hu et al. 2008, section 5)."""
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        taken = h.item[events]
        Y = self.items[taken]
        if self._gram is None:
            self._gram = self.items.T @ self.items
        held = requests.weights[events]
        ridge = (
            self.config.regularisation
            * (held.sum() + self.config.unobserved * len(self.items)) ** self.config.scaling
        )
        A = (
            self.config.unobserved * self._gram
            + (Y.T * held) @ Y
            + ridge * np.eye(Y.shape[1], dtype=np.float32)
        )
        return self.items[items] @ np.linalg.solve(A, (Y * held[:, None]).T)

    def add_items(self, dataset: Dataset) -> None:
        new = len(dataset.items) - len(self.items)
        self.items = np.pad(self.items, ((0, new), (0, 0)))
        self.counts = np.pad(self.counts, (0, new))


@numba.njit(cache=True, parallel=True, nogil=True, fastmath=True)
def _solve_rows(indptr, indices, data, other, gram, ridge):  # type: ignore[no-untyped-def]
    """For each row: (gram + Σ c yyᵀ + ridge·I) x = Σ c y, by Cholesky in place; rows share nothing but `other`."""
    n, d = len(indptr) - 1, other.shape[1]
    out = np.zeros((n, d), np.float32)
    for row in numba.prange(n):
        start, end = indptr[row], indptr[row + 1]
        if start == end:
            continue
        A = gram.copy()
        b = np.zeros(d, np.float32)
        for at in range(start, end):
            y = other[indices[at]]
            c = data[at]
            for i in range(d):
                ci = c * y[i]
                b[i] += ci
                for j in range(i + 1):
                    A[i, j] += ci * y[j]
        for i in range(d):
            A[i, i] += ridge[row]
        for i in range(d):  # the lower triangle becomes L
            for j in range(i + 1):
                total = A[i, j]
                for m in range(j):
                    total -= A[i, m] * A[j, m]
                if i == j:
                    A[i, i] = np.sqrt(max(total, np.float32(1e-12)))
                else:
                    A[i, j] = total / A[j, j]
        for i in range(d):
            total = b[i]
            for m in range(i):
                total -= A[i, m] * b[m]
            b[i] = total / A[i, i]
        for i in range(d - 1, -1, -1):
            total = b[i]
            for m in range(i + 1, d):
                total -= A[m, i] * b[m]
            b[i] = total / A[i, i]
        out[row] = b
    return out

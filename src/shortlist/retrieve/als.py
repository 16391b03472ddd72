"""ALS: factors of users and items from implicit feedback, with fold-in.

Minimises Σ_observed c_ui (1 − x_u·y_i)² + α₀ Σ_all (x_u·y_i)² + λ-terms, alternating between users and items (Hu, Koren
& Volinsky 2008, "Collaborative filtering for implicit feedback datasets"), with regularisation scaled by how often a
user or item occurs (Rendle et al. 2021, "Revisiting the performance of iALS on item recommendation benchmarks").

Each row solves (α₀·G + Σ c y yᵀ + λ I) x = Σ c y, where G = YᵀY is the same for all rows. Before each half-step the
factors are rotated into G's eigenvectors (scores do not change), where α₀·G + λI is diagonal: a step of conjugate
gradients then costs O(events · d) instead of O(events · d + rows · d²), and that diagonal is also an almost perfect
preconditioner, because a row adds only as many directions to it as it has events.

A person's factor is never stored: it is solved from the history at request time (fold-in), so a click counts at once.
`warm_start` begins from an earlier model's items.

Time: O(events · d · steps + (users + items) · d²) an iteration; memory (users + items) · d. Not for people with empty
histories.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numba
import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.data.mapped import load_arrays, save_arrays
from shortlist.errors import BundleError
from shortlist.retrieve.base import Candidates, Requests, Retriever, interactions
from shortlist.retrieve.kernels.als_explain import shares_of, strongest_of
from shortlist.retrieve.kernels.cooccurrence import parts_of
from shortlist.retrieve.kernels.index import Index, IndexConfig
from shortlist.retrieve.kernels.quantized import PLAIN, Coded, some_dots
from shortlist.retrieve.kernels.select import best_of, in_parts, limits, no_candidates

FOLD_IN = 64
"""At most this many steps of conjugate gradients for a person's factor; a dozen are usual."""


class ALSConfig(Settings):
    factors: int | None = Field(None, ge=1, le=2048)
    """d. Without one, the square root of the catalogue, in steps of 64, from 64 to 256."""
    iterations: int = Field(8, ge=1)
    unobserved: float | None = Field(None, gt=0)
    """α₀: the weight of "did not take" against "took". Without one, 5 / √items: the larger the catalogue, the less it says
    that somebody did not take an item."""
    regularisation: float = Field(4.0, gt=0)
    """λ of a typical row; others have λ · (what they hold / what is typical)^scaling, where a row holds its events plus
    α₀ · the size of the other side."""
    scaling: float = Field(1.0, ge=0, le=1)
    """ν: 1 regularises frequent rows in proportion, 0 all alike."""
    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly; beyond, an index is built (`index.py`, extra `index`)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top 100 that the index must find; training stops with an error below."""
    steps: int = Field(3, ge=1)
    """Steps of conjugate gradients a row and iteration; each starts where the iteration before ended."""
    seed: int = 0


class ALS(Retriever):
    Config = ALSConfig
    name = "als"
    arrays: ClassVar[tuple[str, ...]] = ("items", "counts", "gram", "typical")

    items: np.ndarray
    """float32 (items, d), rotated so that itemsᵀ·items is diagonal."""
    counts: np.ndarray
    """float32 (items,): how much each item holds; an item nobody took has no factor and is not proposed."""
    gram: np.ndarray
    """float32 (d,): that diagonal, as it was when the items were learnt."""
    typical: np.ndarray
    """float64 (): what a typical person holds."""
    index: Index | None = None
    """Beyond `exact_items`."""
    coded: Coded | None = None
    """With an index: the items' factors in a byte each, which requests are answered with."""
    _start: np.ndarray | None = None

    def warm_start(self, earlier: Retriever, rows: np.ndarray) -> Self:
        if not isinstance(earlier, ALS):
            return self
        if self.config.factors in {None, earlier.items.shape[1]}:
            self.config = self.config.model_copy(update={"factors": earlier.items.shape[1]})
            known = rows >= 0
            self._start = np.where(known[:, None], earlier.items[np.where(known, rows, 0)], 0).astype(
                np.float32
            )
        return self

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_matrix(interactions(dataset))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """From a (users, items) matrix of weights. Rows without events are left out."""
        X = X[np.diff(X.indptr) > 0]
        self.config = self.config.model_copy(update=sized(self.config, X.shape[1]))
        d, T = self.config.factors, X.T.tocsr()
        rng = np.random.default_rng(self.config.seed)
        items = rng.normal(0, 0.1 / np.sqrt(d), (X.shape[1], d)).astype(np.float32)
        if self._start is not None:
            items = np.where(self._start.any(1, keepdims=True), self._start, items)
            self._start = None
        users = np.zeros((X.shape[0], d), np.float32)
        self.counts = np.asarray(X.sum(0), np.float32).ravel()
        items[self.counts == 0] = 0
        of_user, of_item = (np.asarray(M.sum(1), np.float64).ravel() for M in (X, T))
        alpha, (n_users, n_items) = self.config.unobserved, X.shape
        self.typical = np.array(of_user.mean() + alpha * n_items if n_users else 1.0)
        of_users = self._ridge(of_user, n_items, float(self.typical))
        of_items = self._ridge(of_item, n_users, float(of_item.mean() + alpha * n_users))
        rows, columns = parts_of(X), parts_of(T)
        for _ in range(self.config.iterations):
            gram, items, users = rotated(items, users)
            self._solve(rows, items, gram, of_users, users, self.config.steps)
            gram, users, items = rotated(users, items)
            self._solve(columns, users, gram, of_items, items, self.config.steps)
        self.gram, self.items, users = rotated(items, users)
        self.index = self.coded = None
        if len(self.items) > self.config.exact_items:
            some = users[:: max(1, len(users) // 500)]
            settings = IndexConfig(exact_items=self.config.exact_items, recall=self.config.recall)
            self.index, self.coded = Index(settings).build(self.items, some), Coded.of(self.items)
        return self

    def _ridge(self, held: np.ndarray, others: int, typical: float) -> np.ndarray:
        """λ of each row. held (rows,): the weight of its events; others: the size of the other side; typical: the mean
        over rows of both together.
        """
        share = (held + self.config.unobserved * others) / max(typical, 1e-12)
        return (self.config.regularisation * share**self.config.scaling).astype(np.float32)

    def _solve(
        self,
        rows: tuple[np.ndarray, np.ndarray, np.ndarray],
        other: np.ndarray,
        gram: np.ndarray,
        ridge: np.ndarray,
        out: np.ndarray,
        steps: int,
    ) -> None:
        """Improve the factors `out` of some rows in place, given those of their columns, whose Gram is diagonal."""
        diagonal = (self.config.unobserved * gram).astype(np.float32)
        in_parts(len(out), _solve_rows, _solve_parallel, rows, other, diagonal, ridge, out, steps)

    def fold_in(self, requests: Requests) -> np.ndarray:
        """float32 (B, d): the factor of each history; zero for an empty one."""
        return requests.folded(self.items, lambda: self._fold_in(requests))

    def _fold_in(self, requests: Requests) -> np.ndarray:
        rows = requests.sums(len(self.items))
        own, taken = self._factors(rows[1])
        factors = np.zeros((len(requests), self.items.shape[1]), np.float32)
        held = np.bincount(np.repeat(np.arange(len(requests)), np.diff(rows[0])), rows[2], len(requests))
        ridge = self._ridge(held, len(self.items), float(self.typical))
        self._solve((rows[0], taken, rows[2]), own, self.gram, ridge, factors, FOLD_IN)
        return factors

    def score(self, requests: Requests) -> np.ndarray:
        factors = self.fold_in(requests)
        scores = factors @ self.items.T if self.coded is None else self.coded.dots(factors)
        scores[:, self.counts == 0] = -np.inf
        scores[np.diff(requests.histories.indptr) == 0] = -np.inf
        return scores

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        if self.index is None:
            return super().retrieve(requests, k)
        # filters act after the index: fetch what they may take away as well, and search exactly where it was not enough
        gone = (
            0 if requests.excluded_indptr is None else int(np.diff(requests.excluded_indptr).max(initial=0))
        )
        share = 1.0 if requests.allowed is None else max(float(requests.allowed.mean()), 0.25)
        factors = self.fold_in(requests)
        found = self.index.search(factors, min(len(self.items), int((k + gone) / share) + 20))[0]
        scores = self._dots(factors, requests, found)
        item, score = no_candidates(len(requests), k)
        filters = limits(requests.allowed, requests.excluded_indptr, requests.excluded)
        short = np.zeros(len(requests), np.bool_)
        _keep(found, scores, *filters, item, score, short)
        for row in np.flatnonzero(short).tolist():
            exact = super().retrieve(requests.rows(row, row + 1), k)
            item[row, : exact.item.shape[1]], score[row, : exact.item.shape[1]] = (
                exact.item[0],
                exact.score[0],
            )
        return Candidates(item, score)

    def score_items(self, requests: Requests, items: np.ndarray) -> np.ndarray:
        return self._dots(self.fold_in(requests), requests, items)

    def _dots(self, factors: np.ndarray, requests: Requests, items: np.ndarray) -> np.ndarray:
        """Scores of some items for people whose factors are known; −inf where the model has nothing to say."""
        scores = np.full(items.shape, -np.inf, np.float32)
        codes, steps = (self.items, PLAIN) if self.coded is None else (self.coded.codes, self.coded.steps)
        wanted = np.ascontiguousarray(items, np.int32)
        some_dots(factors, codes, steps, self.counts, requests.histories.indptr, wanted, scores)
        return scores

    def _factors(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Factors in which those of some items can be looked up, and where: all of them, or where they are coded, copies of those few."""
        if self.coded is None:
            return self.items, items
        return self.coded.rows(items), np.arange(len(items), dtype=np.int32)

    def similar(self, item: int) -> np.ndarray | None:
        if self.coded is not None:
            one = self.coded.rows(np.array([item]))
            return self.coded.dots(one)[0] / (self.coded.lengths() * max(float(np.linalg.norm(one)), 1e-12))
        norms = np.maximum(np.linalg.norm(self.items, axis=1), 1e-12)
        return (self.items @ self.items[item]) / (norms * norms[item])

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        """The share of each event in the score: y_iᵀ A⁻¹ c_j y_j, which sums to x·y_i (Hu et al. 2008, section 5)."""
        low, high = requests.histories.indptr[row : row + 2].tolist()
        shares = np.zeros((len(items), high - low))
        if high > low:
            diagonal = self._diagonals(requests)[row]
            own, taken = self._factors(requests.histories.item[low:high])
            shares_of(own, taken, requests.weights[low:high], diagonal, *self._factors(items), shares)
        return shares

    def strongest(self, requests: Requests, owner: np.ndarray, items: np.ndarray) -> np.ndarray:
        found = np.full(len(items), -1, np.int64)
        h = requests.histories
        bounds = np.searchsorted(owner, np.arange(len(requests) + 1))
        diagonals = self._diagonals(requests)
        own, taken = self._factors(h.item)
        strongest_of(own, taken, requests.weights, h.indptr, bounds, diagonals, *self._factors(items), found)
        return found

    def _diagonals(self, requests: Requests) -> np.ndarray:
        """What is diagonal of each request's A, float64 (B, d)."""
        begin = requests.histories.indptr
        total = np.concatenate([[0.0], np.cumsum(requests.weights, dtype=np.float64)])
        ridge = self._ridge(total[begin[1:]] - total[begin[:-1]], len(self.items), float(self.typical))
        return np.asarray(self.config.unobserved * self.gram.astype(np.float64) + ridge[:, None])

    def add_items(self, dataset: Dataset) -> None:
        new = len(dataset.items) - len(self.items)
        self.items = np.pad(self.items, ((0, new), (0, 0)))
        self.counts = np.pad(self.counts, (0, new))
        if self.index is not None:
            self.index.add(self.items[len(self.items) - new :])
        if self.coded is not None:
            self.coded = self.coded.grown(new)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.index is not None:
            self.index.save(folder / "index")
        if self.coded is not None:
            save_arrays(folder / "coded", {"codes": self.coded.codes, "steps": self.coded.steps})

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = super().load(folder)
        if (folder / "index").exists():
            model.index = Index.load(folder / "index")
            model.coded = Coded(**load_arrays(folder / "coded"))
            if model.coded.codes.shape != model.items.shape or len(model.index) != len(model.items):
                raise BundleError(f"{folder}: the index or the codes are not of as many items as the model")
        return model


def sized(config: ALSConfig, n_items: int) -> dict[str, float]:
    """The settings that a catalogue's size decides, where nobody did."""
    root = float(np.sqrt(max(n_items, 1)))
    factors = config.factors or int(np.clip(64 * round(root / 64), 64, 256))
    return {"factors": factors, "unobserved": config.unobserved or min(1.0, 5 / root)}


def rotated(Y: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The eigenvalues of YᵀY, and both sides' factors in its eigenvectors: no score X·Yᵀ changes."""
    values, vectors = np.linalg.eigh((Y.T @ Y).astype(np.float64))
    turn = vectors.astype(np.float32)
    return np.maximum(values, 0).astype(np.float32), Y @ turn, X @ turn


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _solve_rows(low, high, rows, other, diagonal, ridge, out, steps):  # type: ignore[no-untyped-def]
    """Preconditioned conjugate gradients on (diag + ridge·I + Σ c y yᵀ) x = Σ c y for each row, from where x is."""
    d = other.shape[1]
    r, p, q, inverse = (
        np.empty(d, np.float32),
        np.empty(d, np.float32),
        np.empty(d, np.float32),
        np.empty(d, np.float32),
    )
    for row in range(low, high):
        start, end = rows[0][row], rows[0][row + 1]
        x = out[row]
        if start == end:
            x[:] = 0
            continue
        for c in range(d):
            inverse[c] = np.float32(1) / (diagonal[c] + ridge[row])
            r[c] = -x[c] / inverse[c]
        for at in range(start, end):
            y = other[rows[1][at]]
            w = np.float32(0)
            for c in range(d):
                w += y[c] * x[c]
            w = rows[2][at] * (np.float32(1) - w)
            for c in range(d):
                r[c] += w * y[c]
        rz = np.float32(0)
        for c in range(d):
            p[c] = r[c] * inverse[c]
            rz += r[c] * p[c]
        enough = rz * np.float32(1e-11)
        for _ in range(steps):
            if rz <= enough:
                break
            for c in range(d):
                q[c] = p[c] / inverse[c]
            for at in range(start, end):
                y = other[rows[1][at]]
                w = np.float32(0)
                for c in range(d):
                    w += y[c] * p[c]
                w *= rows[2][at]
                for c in range(d):
                    q[c] += w * y[c]
            pq = np.float32(0)
            for c in range(d):
                pq += p[c] * q[c]
            step = rz / pq
            before = rz
            rz = np.float32(0)
            for c in range(d):
                x[c] += step * p[c]
                r[c] -= step * q[c]
                rz += r[c] * r[c] * inverse[c]
            again = rz / before
            for c in range(d):
                p[c] = r[c] * inverse[c] + again * p[c]


@numba.njit(cache=True, nogil=True, parallel=True)
def _solve_parallel(cuts, rows, other, diagonal, ridge, out, steps):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _solve_rows(cuts[part], cuts[part + 1], rows, other, diagonal, ridge, out, steps)


@numba.njit(cache=True, nogil=True)
def _keep(found, scores, allowed, indptr, excluded, items, kept, short):  # type: ignore[no-untyped-def]
    """Of what the index found, the best that filters permit. short: where they took so much away that the list is not full."""
    fit, worth = np.empty(found.shape[1], np.int32), np.empty(found.shape[1], np.float32)
    for row in range(len(found)):
        gone = np.sort(excluded[indptr[row] : indptr[row + 1]]) if len(indptr) else excluded
        n = 0
        for at in range(found.shape[1]):
            item, score = found[row, at], scores[row, at]
            fits = item >= 0 and score > -np.inf
            if fits and len(allowed):
                fits = allowed[item]
            if fits and len(gone):
                place = np.searchsorted(gone, item)
                fits = not (place < len(gone) and gone[place] == item)
            if fits:
                fit[n], worth[n] = item, score
                n += 1
        best_of(worth, fit, n, kept[row], items[row])
        lost = n < found.shape[1]
        short[row] = lost and n < items.shape[1]

"""ALS: factors of users and items from implicit feedback."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.data.dataset import Dataset
from shortlist.data.mapped import load_arrays, save_arrays
from shortlist.errors import BundleError
from shortlist.retrieve.als_settings import ALSConfig, usual_factors, usual_unobserved
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import interactions
from shortlist.retrieve.indexed import retrieve_indexed
from shortlist.retrieve.item_vectors import cosines_to
from shortlist.retrieve.kernels.als_explain import shares_of, strongest_of
from shortlist.retrieve.kernels.als_solve import rotated, solve_rows
from shortlist.retrieve.kernels.coarse import CoarseVectors
from shortlist.retrieve.kernels.cooccurrence import CsrArrays, csr_arrays
from shortlist.retrieve.kernels.index import Index, IndexConfig
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.quantized import NOT_QUANTIZED, QuantizedFactors, dot_given_items
from shortlist.retrieve.requests import Candidates, Requests

INDEX_USERS = 500
"""About so many users measure the recall of an index."""
FOLD_IN_STEPS = 64
"""At most this many steps of conjugate gradients for the factor of a user; a dozen are usual."""


class ALS(Retriever):
    """Matrix factorisation by alternating least squares, with fold-in.

    Minimises

        Σ_{observed} c_ui (1 − x_u·y_i)² + α₀ Σ_all (x_u·y_i)² + Σ_u λ_u |x_u|² + Σ_i λ_i |y_i|²

    alternating between users and items, with regularisation scaled by how often a user or item occurs. Each row solves
    (α₀·G + Σ c y yᵀ + λ I) x = Σ c y, where G = YᵀY is the same for all rows. Before each half-step the factors are
    rotated into the eigenvectors of G, which changes no score and makes α₀·G + λI diagonal. A step of conjugate gradients then
    costs O(events · d) instead of O(events · d + rows · d²), and the diagonal is an almost perfect preconditioner.

    The factor of a user is not stored: it is solved from the history at request time (fold-in), so that an event counts
    at once. Up to `exact_items` items, one request reads a copy of the factors in bytes first and finds exactly the best items; beyond, requests
    search an approximate index, and items are scored by factors quantised to a byte each.

    Do not use it for users with empty histories.

    Cost: O(events · d · steps + (users + items) · d²) an iteration; memory (users + items) · d to fit, items · d after.

    Parameters
    ----------
    config : ALSConfig
        See there for the settings.

    Attributes
    ----------
    item_factors_
        float32 (items, d), rotated so that its Gram matrix is diagonal.
    item_weights_
        float32 (items,): summed weight of the events of each item; an item without events has no factor and is not
        proposed.
    gram_
        float32 (d,): the diagonal of that Gram matrix.
    mean_weight_
        float64 (): the average weight of a user's row.
    unobserved_ : float
        α₀ as it was used.
    factors_ : int
        d as it was used.
    index_ : Index or None
        Beyond `exact_items`.
    quantized_ : QuantizedFactors or None
        With an index: the item factors in a byte each.

    References
    ----------
    Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit feedback datasets".
    Rendle, Krichene, Zhang & Koren 2021, "Revisiting the performance of iALS on item recommendation benchmarks".

    Examples
    --------
    >>> ALS(factors=64)
    ALS(factors=64)
    """

    Config = ALSConfig
    config: ALSConfig
    name = "als"
    arrays: ClassVar = {
        "item_factors_": "items",
        "item_weights_": "counts",
        "gram_": "gram",
        "mean_weight_": "typical",
    }
    facts: ClassVar = ("unobserved_",)

    item_factors_: NDArray[np.float32]
    item_weights_: NDArray[np.float32]
    gram_: NDArray[np.float32]
    mean_weight_: NDArray[np.float64]
    unobserved_: float
    index_: Index | None = None
    quantized_: QuantizedFactors | None = None
    _start: NDArray[np.float32] | None = None

    @property
    def factors_(self) -> int:
        """d, as it was used."""
        return int(self.item_factors_.shape[1])

    @override
    @property
    def item_factors(self) -> NDArray[np.float32] | None:
        return self.item_factors_

    # ---------------------------------------------------------------- training

    def warm_start(self, earlier: Retriever, rows: NDArray[np.integer]) -> Self:
        """Start the next fit from the item factors of an earlier ALS, where the number of factors is not set to another one."""
        if isinstance(earlier, ALS) and self.config.factors in {None, earlier.factors_}:
            known = rows >= 0
            start = np.where(known[:, None], earlier.item_factors_[np.where(known, rows, 0)], 0)
            self._start = start.astype(np.float32)
        return self

    def _fit(self, dataset: Dataset) -> None:
        self._fit_matrix(interactions(dataset, self.event_weighting))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """Learn from a (users, items) matrix of weights. Rows without events are left out."""
        self._fit_matrix(X)
        return self._finish(X.shape[1])

    def _fit_matrix(self, X: sp.csr_matrix) -> None:
        X = X[np.diff(X.indptr) > 0]
        T = X.T.tocsr()
        (n_users, n_items), config = X.shape, self.config
        alpha = self.unobserved_ = config.unobserved or usual_unobserved(n_items)
        self.item_weights_ = np.asarray(X.sum(0), np.float32).ravel()
        items = self._initial(n_items)
        items[self.item_weights_ == 0] = 0
        users = np.zeros((n_users, items.shape[1]), np.float32)
        of_user, of_item = (np.asarray(M.sum(1), np.float64).ravel() for M in (X, T))
        self.mean_weight_ = np.array(of_user.mean() + alpha * n_items if n_users else 1.0)
        user_ridge = self._ridge(of_user, n_items, float(self.mean_weight_))
        item_ridge = self._ridge(of_item, n_users, float(of_item.mean() + alpha * n_users))
        user_rows, item_rows = csr_arrays(X), csr_arrays(T)
        for _ in range(config.iterations):
            gram, items, users = rotated(items, users)
            self._solve(user_rows, items, gram, user_ridge, users, config.steps)
            gram, users, items = rotated(users, items)
            self._solve(item_rows, users, gram, item_ridge, items, config.steps)
        self.gram_, self.item_factors_, users = rotated(items, users)
        self._make_index(users[:: max(1, len(users) // INDEX_USERS)])

    def _make_index(self, users: NDArray[np.float32]) -> None:
        """Build the index of a large catalogue. users: factors of some users, with which its recall is measured."""
        self.index_ = self.quantized_ = None
        config = self.config
        if len(self.item_factors_) > config.exact_items:
            settings = IndexConfig(exact_items=config.exact_items, recall=config.recall)
            self.index_ = Index(settings).build(self.item_factors_, users)
            self.quantized_ = QuantizedFactors.of(self.item_factors_)

    def of_factors(
        self, items: NDArray[np.float32], gram: NDArray[np.float32], unobserved: float, mean_weight: float
    ) -> Self:
        """Use item factors that were learned before, rotated so that their Gram matrix is diagonal; all items count as taken."""
        self.item_factors_, self.gram_ = items, gram
        self.item_weights_ = np.ones(len(items), np.float32)
        self.unobserved_, self.mean_weight_ = unobserved, np.array(mean_weight)
        return self._finish(len(items))

    def of_learned(
        self,
        items: NDArray[np.float32],
        users: NDArray[np.float32],
        item_weights: NDArray[np.float32],
        mean_weight: float,
    ) -> Self:
        """Use factors that another program learned.

        Parameters
        ----------
        items, users
            float32 (items, d) and (some users, d): their products are scores. The users only measure the index of a large
            catalogue.
        item_weights
            float32 (items,): the summed weight of the events of each item.
        mean_weight
            Average weight of the events of a user.
        """
        self.unobserved_ = self.config.unobserved or usual_unobserved(len(items))
        self.item_weights_ = item_weights
        self.mean_weight_ = np.array(mean_weight + self.unobserved_ * len(items))
        self.gram_, self.item_factors_, users = rotated(items, users)
        self._make_index(users)
        return self._finish(len(items))

    def _initial(self, n_items: int) -> NDArray[np.float32]:
        """Return the item factors that training starts from; those of a warm start serve one fit."""
        start, self._start = self._start, None
        d = start.shape[1] if start is not None else self.config.factors or usual_factors(n_items)
        rng = np.random.default_rng(self.config.seed)
        items = rng.normal(0, 0.1 / np.sqrt(d), (n_items, d)).astype(np.float32)
        return items if start is None else np.where(start.any(1, keepdims=True), start, items)

    def _ridge(
        self, event_weight: NDArray[np.float64], others: int, mean_weight: float
    ) -> NDArray[np.float32]:
        """Return λ of each row.

        Parameters
        ----------
        event_weight
            (rows,): summed weight of the events of each row.
        others
            Size of the other side.
        mean_weight
            Mean weight of a row, its events and α₀ · `others` together.
        """
        share = (event_weight + self.unobserved_ * others) / max(mean_weight, 1e-12)
        return np.asarray(self.config.regularisation * share**self.config.scaling, np.float32)

    def _solve(
        self,
        rows: CsrArrays,
        other: NDArray[np.float32],
        gram: NDArray[np.float32],
        ridge: NDArray[np.float32],
        out: NDArray[np.float32],
        steps: int,
    ) -> None:
        """Improve the factors `out` of some rows in place, given those of their columns, whose Gram matrix is diagonal."""
        diagonal = (self.unobserved_ * gram).astype(np.float32)
        run_rows(len(out), solve_rows, rows, other, diagonal, ridge, out, steps)

    # ---------------------------------------------------------------- requests

    @override
    def _prepare(self) -> None:
        exact = len(self.item_factors_) <= self.config.exact_items
        self._derived = CoarseVectors.of(self.item_factors_) if exact else None

    def fold_in(self, requests: Requests) -> NDArray[np.float32]:
        """Return the factor of each history, float32 (B, d); zero where it holds no item of the model."""
        return requests.folded(self.item_factors_, lambda: self._fold_in(requests))

    def _fold_in(self, requests: Requests) -> NDArray[np.float32]:
        indptr, items, weights = requests.sums(self.n_items_)
        source, taken = self._factors_of(items)
        factors = np.zeros((len(requests), self.factors_), np.float32)
        held = np.bincount(
            np.repeat(np.arange(len(requests)), np.diff(indptr)), weights, len(requests)
        ).astype(np.float64)
        ridge = self._ridge(held, self.n_items_, float(self.mean_weight_))
        self._solve((indptr, taken, weights), source, self.gram_, ridge, factors, FOLD_IN_STEPS)
        return factors

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        factors = self.fold_in(requests)
        quantized = self.quantized_
        scores = factors @ self.item_factors_.T if quantized is None else quantized.dot(factors)
        scores[:, self.item_weights_ == 0] = -np.inf
        scores[np.diff(requests.sums(self.n_items_)[0]) == 0] = -np.inf
        return scores

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        coarse: CoarseVectors | None = self._derived
        if self.index_ is None and coarse is not None and coarse.pays(len(requests), k):
            filled = np.diff(requests.sums(self.n_items_)[0]) > 0
            known = filled, self.item_weights_
            wanted = (self.fold_in(requests), self.item_factors_, k, known)
            return Candidates(*coarse.best(*wanted, requests.filters()))
        if self.index_ is None:
            return super().retrieve(requests, k)
        factors, exact = self.fold_in(requests), super().retrieve
        return retrieve_indexed(
            requests,
            k,
            self.index_,
            factors,
            lambda items: self._dot_given(factors, requests, items),
            lambda few: exact(few, k),
        )

    @override
    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        return self._dot_given(self.fold_in(requests), requests, items)

    def _dot_given(
        self, factors: NDArray[np.float32], requests: Requests, items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return scores of given items for users whose factors are known; −inf where there is no score."""
        scores = np.full(items.shape, -np.inf, np.float32)
        quantized = self.quantized_
        codes, steps = (
            (self.item_factors_, NOT_QUANTIZED) if quantized is None else (quantized.codes, quantized.steps)
        )
        indptr = requests.sums(self.n_items_)[0]
        wanted = np.ascontiguousarray(items, np.int32)
        run_rows(
            len(factors), dot_given_items, factors, codes, steps, self.item_weights_, indptr, wanted, scores
        )
        return scores

    def _factors_of(self, items: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return an array of factors and the rows of some items in it: all factors, or where quantised, those of the items."""
        if self.quantized_ is None:
            return self.item_factors_, items
        return self.quantized_.rows(items), np.arange(len(items), dtype=np.int32)

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        if not 0 <= item < self.n_items_:
            return None
        if self.quantized_ is not None:
            return self.quantized_.cosines_to(item)
        return cosines_to(self.item_factors_, item)

    # ---------------------------------------------------------------- explanations

    def explain(
        self, requests: Requests, row: int, items: NDArray[np.integer]
    ) -> NDArray[np.floating] | None:
        """Return the share of each event in the score, y_iᵀ A⁻¹ c_j y_j; the shares of an item sum to x·y_i."""
        requests = requests.within(self.n_items_)
        low, high = requests.histories.indptr[row : row + 2].tolist()
        shares = np.zeros((len(items), high - low))
        if high > low:
            known = items < self.n_items_
            diagonal = self._diagonals(requests)[row]
            own, taken = self._factors_of(requests.histories.item[low:high])
            wanted = self._factors_of(np.where(known, items, 0).astype(np.int32))
            shares_of(own, taken, requests.weights[low:high], diagonal, *wanted, shares)
            shares[~known] = 0
        return shares

    @override
    def strongest(
        self, requests: Requests, owner: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        requests = requests.within(self.n_items_)
        h, known = requests.histories, items < self.n_items_
        found = np.full(len(items), -1, np.int64)
        bounds = np.searchsorted(owner, np.arange(len(requests) + 1))
        own, taken = self._factors_of(h.item)
        wanted = self._factors_of(np.where(known, items, 0).astype(np.int32))
        events = own, taken, requests.weights, h.indptr
        strongest_of(events, bounds, self._diagonals(requests), *wanted, found)
        found[~known] = -1
        return found

    def _diagonals(self, requests: Requests) -> NDArray[np.float64]:
        """Return the diagonal part α₀·G + λI of each request's equations, float64 (B, d)."""
        begin = requests.histories.indptr
        total = np.concatenate([[0.0], np.cumsum(requests.weights, dtype=np.float64)])
        ridge = self._ridge(total[begin[1:]] - total[begin[:-1]], self.n_items_, float(self.mean_weight_))
        return np.asarray(self.unobserved_ * self.gram_.astype(np.float64) + ridge[:, None])

    # ---------------------------------------------------------------- bundles

    @override
    def save(self, folder: str | Path) -> None:
        super().save(folder)
        folder = Path(folder)
        if self.index_ is not None:
            self.index_.save(folder / "index")
        if self.quantized_ is not None:
            save_arrays(folder / "coded", {"codes": self.quantized_.codes, "steps": self.quantized_.steps})

    @override
    @classmethod
    def load(cls, folder: str | Path) -> Self:
        model = super().load(folder)
        folder = Path(folder)
        if (folder / "index").exists():
            model.index_ = Index.load(folder / "index")
            model.quantized_ = QuantizedFactors(**load_arrays(folder / "coded"))
            sizes = {len(model.index_), len(model.quantized_.codes)}
            if sizes != {model.n_items_} or model.quantized_.codes.shape[1] != model.factors_:
                raise BundleError(f"{folder}: the index or the quantised factors do not match the model")
        return model

    @override
    def _saved_items(self, meta: object) -> int:
        return len(self.item_factors_)

"""The base of models that are an items × items matrix."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import ClassVar, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.scratch import ScratchPool
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import EventWeights, interactions
from shortlist.retrieve.kernels.cooccurrence import csr_arrays
from shortlist.retrieve.kernels.item_item import (
    NO_HISTORY,
    NOT_GATHERED,
    Gathered,
    History,
    Scratch,
    Weights,
    dense_rows,
    event_shares,
    given_items_rows,
    make_scratch,
    row_starts,
    top_k_scored_rows,
)
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.select import empty_lists
from shortlist.retrieve.requests import Candidates, Requests

MOST_GATHERED = 1_000_000
"""Scores of a batch that are kept for a second use: 8 MB."""
NO_BROAD = np.empty((0, 0), np.float32)
MAX_STEPS = 500
"""Steps back from which on events of a history weigh alike, so that no weight becomes zero."""


class ItemItemConfig(Settings):
    """Settings that all item-item models share."""

    repeats: float = Field(0.5, ge=0, le=1)
    """Exponent on the summed weight of an item in a history: 0 counts an item once however often it was taken, 1 counts
    every event."""
    recency: float = Field(1.0, gt=0, le=1)
    """Factor on the weight of an event of the history for each step back, above 0 to 1: 1 counts all alike, 0.5 halves with
    each event. Used when a history is read, not in training."""


class _Serving(NamedTuple):
    """The matrices as kernels take them, and a pool of work space."""

    weights: Weights
    scratch: ScratchPool[Scratch]


class ItemItem(Retriever):
    """Base of models that score an item by a weighted sum over the items of the history.

        score(history) = Σ_{i in history} (w_i · recency^(steps back))^repeats · (W[i, :] + L[i] · Rᵀ)

    W is sparse and holds what is specific to a pair of items. L and R have few columns, and only some models have them: they
    hold broad tastes, which would make W dense. Subclasses differ in how they learn W and are served alike.

    Cost of a request: the non-zeros of the history's rows of W (some thousand additions), plus catalogue × columns of R.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse: row i holds what having taken item i says about the others.
    broad_in_
        L, float32 (items, t); t is 0 without a low-rank part.
    broad_out_
        R, float32 (items, t).
    """

    Config: ClassVar[type[Settings]] = ItemItemConfig
    config: ItemItemConfig
    arrays: ClassVar = {"weights_": "weights"}
    reading: ClassVar[frozenset[str]] = frozenset({"recency"})
    """Settings that have no effect on training, only on how a history is read."""

    weights_: sp.csr_matrix
    broad_in_: NDArray[np.float32] = np.empty((0, 0), np.float32)
    broad_out_: NDArray[np.float32] = np.empty((0, 0), np.float32)
    _derived: _Serving

    def _prepare(self) -> None:
        n = self.weights_.shape[0]
        out = self.broad_out_ if self.broad_out_.size else np.empty((n, 0), np.float32)
        self._derived = _Serving((*csr_arrays(self.weights_), out), ScratchPool(partial(make_scratch, n)))

    @override
    def _saved_items(self, meta: object) -> int:
        return int(self.weights_.shape[0])

    def of_weights(self, weights: sp.csr_matrix) -> Self:
        """Use a matrix W that was learned elsewhere, float32 (items, items)."""
        self.weights_ = weights
        return self._finish(weights.shape[0])

    def interactions(self, dataset: Dataset) -> sp.csr_matrix:
        """Return the (users, items) matrix that the model learns from, repeats damped."""
        return self.damped(interactions(dataset, self.event_weighting))

    def damped(self, X: sp.csr_matrix) -> sp.csr_matrix:
        """Return a (users, items) matrix of weights with the exponent `repeats` applied."""
        return sp.csr_matrix((X.data ** np.float32(self.config.repeats), X.indices, X.indptr), shape=X.shape)

    def reading_as(self, config: ItemItemConfig) -> Self | None:
        """Return this fitted model with other settings of reading a history; None where others differ, so that a fit is needed."""
        same = {name: getattr(self.config, name) for name in self.reading}
        if config.model_copy(update=same) != self.config:
            return None
        twin = self._shared()
        twin.config = config
        return twin

    def weighted(self, requests: Requests) -> Requests:
        """Return the requests with their events weighted as the model reads a history: the latest most, by `recency`."""
        if self.config.recency == 1:
            return requests
        back = np.minimum(requests.histories.steps_back, MAX_STEPS)
        return requests.with_weights((requests.weights * self.config.recency**back).astype(np.float32))

    def _history(self, requests: Requests) -> tuple[History, NDArray[np.float32]]:
        """Return the histories as sparse rows, and their low-rank part (B, t)."""
        indptr, items, weights = self.weighted(requests).sums(self.n_items_)
        weights = weights ** np.float32(self.config.repeats)
        broad = np.empty((len(requests), 0), np.float32)
        if self.broad_in_.size:
            rows = sp.csr_matrix((weights, items, indptr), shape=(len(requests), self.n_items_))
            broad = np.ascontiguousarray(rows @ self.broad_in_, np.float32)
        return (indptr, items, weights), broad

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        scores = np.empty((len(requests), self.n_items_), np.float32)
        run_rows(len(requests), dense_rows, *self._history(requests), self._derived.weights, scores)
        return scores

    def _room(self, history: History) -> Gathered:
        """Return room for the scores that the histories can have: at most the non-zeros of their rows of W."""
        starts = row_starts(history, self._derived.weights)
        if self.broad_in_.size or starts[-1] > MOST_GATHERED:
            return NOT_GATHERED
        n = int(starts[-1])
        return starts, np.zeros(len(starts) - 1, np.int64), np.empty(n, np.int32), np.empty(n, np.float32)

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        items, scores = empty_lists(len(requests), min(k, self.n_items_))
        history, broad = self._history(requests)
        gathered = self._room(history)
        run_rows(
            len(requests),
            top_k_scored_rows,
            history,
            broad,
            self._derived.weights,
            requests.filters(),
            items,
            scores,
            gathered,
            scratch=self._derived.scratch,
        )
        requests.keep_gathered(self, gathered)
        return Candidates(items, scores)

    @override
    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        scores = np.full(items.shape, -np.inf, np.float32)
        gathered = requests.gathered(self)
        run_rows(
            len(requests),
            given_items_rows,
            *((NO_HISTORY, NO_BROAD) if len(gathered[1]) else self._history(requests)),
            self._derived.weights,
            np.ascontiguousarray(items, np.int32),
            scores,
            gathered,
            scratch=self._derived.scratch,
        )
        return scores

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        if not 0 <= item < self.n_items_:
            return None
        line = np.asarray(self.weights_[[item]].toarray().ravel(), np.float32)
        return line + self.broad_out_ @ self.broad_in_[item] if self.broad_in_.size else line

    @override
    def explain(
        self, requests: Requests, row: int, items: NDArray[np.integer]
    ) -> NDArray[np.floating] | None:
        requests = self.weighted(requests).within(self.n_items_)
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        taken, weight = h.item[events], requests.weights[events].astype(np.float64)
        shares = np.zeros((len(items), len(taken)), np.float32)
        order = np.argsort(items, kind="stable")
        event_shares(self._derived.weights, taken, order, items[order].astype(np.int32), shares)
        if self.broad_in_.size:
            known = items < self.n_items_
            shares[known] += self.broad_out_[items[known]] @ self.broad_in_[taken].T
        total = (taken[:, None] == taken) @ weight  # over the events of the same item
        damped = np.divide(total**self.config.repeats, total, out=np.zeros_like(total), where=total > 0)
        return np.asarray(shares * (weight * damped))


class MatrixItemItem(ItemItem):
    """Base of item-item models that learn from a (users, items) matrix of interactions. Subclasses set `_fit_matrix`."""

    def _fit(self, dataset: Dataset) -> None:
        self._fit_matrix(self.interactions(dataset))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """Learn from a (users, items) matrix of weights."""
        self._fit_matrix(X)
        return self._finish(X.shape[1])

    @abstractmethod
    def _fit_matrix(self, X: sp.csr_matrix) -> None:
        """Learn W from a matrix of weights."""


class HistoryItemItem(ItemItem):
    """Base of item-item models that learn from histories in order of time. Subclasses set `_fit_histories`."""

    def _fit(self, dataset: Dataset) -> None:
        weights = EventWeights.of(self.event_weighting, dataset.log)(dataset.histories)
        self._fit_histories(dataset.histories, weights, len(dataset.items))

    def fit_histories(self, h: Histories, weights: NDArray[np.float32], n: int) -> Self:
        """Learn from histories in order of time; weights float32 (E,), n: number of items."""
        self._fit_histories(h, weights, n)
        return self._finish(n)

    @abstractmethod
    def _fit_histories(self, h: Histories, weights: NDArray[np.float32], n: int) -> None:
        """Learn W from histories."""

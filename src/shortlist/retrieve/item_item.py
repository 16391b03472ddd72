"""Models that are an items × items matrix: what having taken one item says about every other.

    score(history) = Σ_{i in history} w_i · (W[i, :] + L[i] · O)

W is sparse and keeps what is specific to a pair; L·O, of a few columns and only where a model has one, keeps the broad
tastes that would be dense as a matrix. Neighbours, SLIM and the spectral filter differ in how they find W; they are served
alike, here. One history costs the non-zeros of its rows of W (some thousand additions, microseconds), plus the
catalogue × the columns of O.
"""

from __future__ import annotations

from typing import ClassVar

import numba
import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.retrieve.base import Candidates, Requests, Retriever, interactions
from shortlist.retrieve.kernels.cooccurrence import parts_of
from shortlist.retrieve.kernels.select import ALONE, best_of, in_parts, limits, no_candidates


class ItemItemConfig(Settings):
    repeats: float = Field(0.5, ge=0, le=1)
    """Exponent on how much a person holds of an item: 0 counts an item once however often it was taken, 1 every event."""


class ItemItem(Retriever):
    Config = ItemItemConfig
    arrays: ClassVar[tuple[str, ...]] = ("weights",)

    weights: sp.csr_matrix
    """float32 (items, items): row i holds what having taken i says about the others."""
    broad: np.ndarray = np.empty((0, 0), np.float32)
    """L, float32 (items, t); t is 0 without a broad part."""
    broad_out: np.ndarray = np.empty((0, 0), np.float32)
    """Oᵀ, float32 (items, t)."""

    def taken(self, dataset: Dataset) -> sp.csr_matrix:
        """The (users, items) matrix that the model learns from, repeats damped."""
        return self.damped(interactions(dataset))

    def damped(self, X: sp.csr_matrix) -> sp.csr_matrix:
        """A (users, items) matrix of weights as this model counts repeats."""
        return sp.csr_matrix((X.data ** np.float32(self.config.repeats), X.indices, X.indptr), shape=X.shape)

    def asked(self, requests: Requests) -> Requests:
        """The requests with their events weighed as this model reads a history."""
        return requests

    def _history(self, requests: Requests) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
        """The histories as (indptr, items, weights), and their broad factors (B, t)."""
        indptr, items, weights = self.asked(requests).sums(self.weights.shape[0])
        weights = weights ** np.float32(self.config.repeats)
        broad = np.empty((len(requests), 0), np.float32)
        if self.broad.size:
            rows = sp.csr_matrix((weights, items, indptr), shape=(len(requests), self.weights.shape[0]))
            broad = np.ascontiguousarray(rows @ self.broad, np.float32)
        return (indptr, items, weights), broad

    def _matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """W and O as the kernels take them, made once for a W: a request must not copy what is as long as the catalogue."""
        if self._kernel is None or self._kernel[0] is not self.weights:
            n = self.weights.shape[1]
            out = self.broad_out if self.broad_out.size else np.empty((n, 0), np.float32)
            self._kernel = self.weights, (*parts_of(self.weights), out)
        return self._kernel[1]

    _kernel: tuple[sp.csr_matrix, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] | None = None

    def score(self, requests: Requests) -> np.ndarray:
        scores = np.empty((len(requests), self.weights.shape[1]), np.float32)
        in_parts(
            len(requests), _dense_rows, _dense_parallel, *self._history(requests), self._matrix(), scores
        )
        return scores

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        items, scores = no_candidates(len(requests), min(k, self.weights.shape[1]))
        filters = limits(requests.allowed, requests.excluded_indptr, requests.excluded)
        in_parts(
            len(requests),
            _best_rows,
            _best_parallel,
            *self._history(requests),
            self._matrix(),
            *filters,
            self._scratch(len(requests)),
            items,
            scores,
        )
        return Candidates(items, scores)

    def _scratch(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a kernel fills and clears again, as long as the catalogue. Few requests use one that is kept (to make it anew
        costs more than they do); of many, each part makes its own.
        """
        size = self.weights.shape[1]
        if n > ALONE and numba.get_num_threads() > 1:
            return _made(0)
        if self._kept is None or len(self._kept[0]) != size:
            self._kept = _made(size)
        return self._kept

    _kept: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def score_items(self, requests: Requests, items: np.ndarray) -> np.ndarray:
        scores = np.full(items.shape, -np.inf, np.float32)
        in_parts(
            len(requests),
            _some_rows,
            _some_parallel,
            *self._history(requests),
            self._matrix(),
            np.ascontiguousarray(items, np.int32),
            self._scratch(len(requests)),
            scores,
        )
        return scores

    def similar(self, item: int) -> np.ndarray | None:
        line = self.weights[[item]].toarray().ravel()
        return line + self.broad_out @ self.broad[item] if self.broad.size else line

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        taken, weight = h.item[events], self.asked(requests).weights[events].astype(np.float64)
        shares = np.zeros((len(items), len(taken)), np.float32)
        _pairs(*self._matrix()[:3], taken, np.ascontiguousarray(items, np.int32), shares)
        if self.broad.size:
            shares = shares + self.broad_out[items] @ self.broad[taken].T
        whole = (taken[:, None] == taken) @ weight  # of which each event is its share
        damped = np.divide(whole**self.config.repeats, whole, out=np.zeros_like(whole), where=whole > 0)
        return shares * (weight * damped)

    def add_items(self, dataset: Dataset) -> None:
        n = len(dataset.items)
        new = n - self.weights.shape[0]
        indptr = np.pad(self.weights.indptr, (0, new), "edge")
        self.weights = sp.csr_matrix((self.weights.data, self.weights.indices, indptr), shape=(n, n))
        if self.broad.size:
            self.broad = np.pad(self.broad, ((0, new), (0, 0)))
            self.broad_out = np.pad(self.broad_out, ((0, new), (0, 0)))


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _gather(row, history, broad, W, line, touched):  # type: ignore[no-untyped-def]
    """Scores of one history into `line`, which is NaN; `touched[:n]` are the items that have one, and n is returned."""
    n = 0
    for at in range(history[0][row], history[0][row + 1]):
        item, weight = history[1][at], history[2][at]
        if weight != 0:
            for to in range(W[0][item], W[0][item + 1]):
                other = W[1][to]
                if np.isnan(line[other]):
                    touched[n] = other
                    n += 1
                    line[other] = weight * W[2][to]
                else:
                    line[other] += weight * W[2][to]
    t = broad.shape[1]
    if t and history[0][row + 1] > history[0][row]:
        for other in range(len(line)):
            total = np.float32(0)
            for c in range(t):
                total += broad[row, c] * W[3][other, c]
            if total != 0:
                if np.isnan(line[other]):
                    touched[n] = other
                    n += 1
                    line[other] = total
                else:
                    line[other] += total
    return n


@numba.njit(cache=True, nogil=True)
def _made(size):  # type: ignore[no-untyped-def]
    """Scratch: scores, NaN for none; which items are blocked; and the list of those that have one."""
    return np.full(size, np.float32(np.nan)), np.zeros(size, np.bool_), np.empty(size, np.int32)


@numba.njit(cache=True, nogil=True)
def _best_rows(low, high, history, broad, W, allowed, indptr, excluded, scratch, items, scores):  # type: ignore[no-untyped-def]
    n_items = len(W[0]) - 1
    line, blocked, touched = scratch if len(scratch[0]) == n_items else _made(n_items)
    for row in range(low, high):
        n = _gather(row, history, broad, W, line, touched)
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                blocked[excluded[at]] = True
        worth, m = np.empty(n, np.float32), 0
        for at in range(n):
            other = touched[at]
            if line[other] > -np.inf and not blocked[other] and (len(allowed) == 0 or allowed[other]):
                worth[m], touched[m] = line[other], other
                m += 1
            line[other] = np.nan
        best_of(worth, touched, m, scores[row], items[row])
        if len(indptr):
            for at in range(indptr[row], indptr[row + 1]):
                blocked[excluded[at]] = False


@numba.njit(cache=True, nogil=True, parallel=True)
def _best_parallel(cuts, history, broad, W, allowed, indptr, excluded, scratch, items, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _best_rows(
            cuts[part], cuts[part + 1], history, broad, W, allowed, indptr, excluded, scratch, items, scores
        )


@numba.njit(cache=True, nogil=True)
def _dense_rows(low, high, history, broad, W, scores):  # type: ignore[no-untyped-def]
    n_items = len(W[0]) - 1
    touched = np.empty(n_items, np.int32)
    for row in range(low, high):
        scores[row, :] = np.nan
        _gather(row, history, broad, W, scores[row], touched)
        for item in range(n_items):
            if np.isnan(scores[row, item]):
                scores[row, item] = -np.inf


@numba.njit(cache=True, nogil=True, parallel=True)
def _dense_parallel(cuts, history, broad, W, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _dense_rows(cuts[part], cuts[part + 1], history, broad, W, scores)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _some_rows(low, high, history, broad, W, items, scratch, scores):  # type: ignore[no-untyped-def]
    n_items = len(W[0]) - 1
    line, _, touched = scratch if len(scratch[0]) == n_items else _made(n_items)
    none = np.empty((len(broad), 0), np.float32)
    for row in range(low, high):
        n = _gather(row, history, none, W, line, touched)
        some = history[0][row + 1] > history[0][row]
        for at in range(items.shape[1]):
            item = items[row, at]
            if item < 0 or not some:
                continue
            total = np.float32(0)
            for c in range(broad.shape[1]):
                total += broad[row, c] * W[3][item, c]
            if not np.isnan(line[item]):
                scores[row, at] = line[item] + total
            elif total != 0:
                scores[row, at] = total
        for at in range(n):
            line[touched[at]] = np.nan


@numba.njit(cache=True, nogil=True, parallel=True)
def _some_parallel(cuts, history, broad, W, items, scratch, scores):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _some_rows(cuts[part], cuts[part + 1], history, broad, W, items, scratch, scores)


@numba.njit(cache=True, nogil=True)
def _pairs(indptr, indices, data, taken, items, shares):  # type: ignore[no-untyped-def]
    """What each item of a history says about some others: each row of W is read once."""
    order = np.argsort(items)
    ordered = items[order]
    for event in range(len(taken)):
        for to in range(indptr[taken[event]], indptr[taken[event] + 1]):
            at = np.searchsorted(ordered, indices[to])
            while at < len(ordered) and ordered[at] == indices[to]:
                shares[order[at], event] = data[to]
                at += 1

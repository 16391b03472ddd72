"""The input and the output of retrievers.

A model here is a function of a history, not of a user id. A known user, a visitor with two clicks, and a batch of a
million histories all arrive as `Requests`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.retrieve.event_weighting import EventWeighting, EventWeights, WeightSettings
from shortlist.retrieve.kernels.item_item import NOT_GATHERED, Gathered
from shortlist.retrieve.kernels.select import FilterArrays, filter_arrays, top_k_rows

Rows = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""Sparse rows: indptr int64 (B+1,), columns int32, values float32."""

MOST_KEPT = 16_000_000
"""Scores of a batch that are kept for a second use: 64 MB a model."""


@dataclass(eq=False, repr=False)
class _Results:
    """What models computed of the histories and weights of a batch, for other models and for a second use; a batch belongs to one call."""

    sums: dict[int, Rows] = field(default_factory=dict)
    folded: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=list)
    scored: list[tuple[object, NDArray[np.float32]]] = field(default_factory=list)
    gathered: list[tuple[object, Gathered]] = field(default_factory=list)


@dataclass(frozen=True)
class Requests:
    """B requests, in codes.

    Item codes may be beyond the catalogue that a model was fitted on, because items are added while a model serves. A model
    ignores such items in histories and proposes none.

    Attributes
    ----------
    histories
        What each user did, oldest first.
    weights
        float32 (E,): how much each event of the histories counts.
    moments
        int64 ms (B,): when each request is made.
    allowed
        bool (items,): the items that may be returned, for the whole batch; None for all. May be longer than the model.
    available
        bool (items,): the items that could be returned if the requests had no filters of their own; None for all. Always
        a superset of `allowed`. The ranks and scores of candidates are measured among these, so that they do not depend
        on a filter.
    context
        What is known of the requests themselves, such as the device: name → attribute of B rows. A column of the log's
        context that no request has may be missing.
    excluded_indptr, excluded
        Ragged item codes that must not be returned (seen, blocked): request b excludes
        `excluded[excluded_indptr[b]:excluded_indptr[b + 1]]`; None for none.
    attributes
        What is known of the users: name → attribute of B rows.
    """

    histories: Histories
    weights: NDArray[np.float32]
    moments: NDArray[np.int64]
    allowed: NDArray[np.bool_] | None = None
    excluded_indptr: NDArray[np.int64] | None = None
    excluded: NDArray[np.integer] | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    available: NDArray[np.bool_] | None = None
    context: dict[str, Attribute] = field(default_factory=dict)
    _results: _Results = field(default_factory=_Results, repr=False)

    def __len__(self) -> int:
        return len(self.histories)

    def __repr__(self) -> str:
        return f"Requests({len(self)} requests, {len(self.weights)} events)"

    def sums(self, n_items: int) -> Rows:
        """Return the histories as sparse rows of summed weights, without items from n_items on.

        Computed once for all models of a batch; do not write into it.
        """
        if n_items not in self._results.sums:
            h = self.histories
            indptr = np.zeros(len(h) + 1, np.int64)
            items, weights = np.empty_like(h.item), np.empty_like(self.weights)
            size = _sum_rows(h.indptr, h.item, self.weights, n_items, indptr, items, weights)
            self._results.sums[n_items] = indptr, items[:size], weights[:size]
        return self._results.sums[n_items]

    def folded(
        self, items: NDArray[np.float32], compute: Callable[[], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the factors of the histories beside the factors of some items; computed once for these items."""
        for known, factors in self._results.folded:
            if known is items:
                return factors
        factors = compute()
        self._results.folded.append((items, factors))
        return factors

    def scored(self, model: object, score: Callable[[Requests], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the scores of the whole catalogue by a model, float32 (B, items); do not write into them.

        A model that scores every item to propose some is asked for the scores of given items next. They are computed once for
        both, unless there are more than `MOST_KEPT`.
        """
        for known, scores in self._results.scored:
            if known is model:
                return scores
        scores = score(self)
        if scores.size <= MOST_KEPT:
            self._results.scored.append((model, scores))
        return scores

    def keep_gathered(self, model: object, gathered: Gathered) -> None:
        """Keep the scores that an item-item model found while it proposed items: it is asked for those of given items next."""
        self._results.gathered.append((model, gathered))

    def gathered(self, model: object) -> Gathered:
        """Return the scores that were kept of a model, or empty arrays."""
        return next((kept for known, kept in self._results.gathered if known is model), NOT_GATHERED)

    def matrix(self, n_items: int) -> sp.csr_matrix:
        """Return the histories as a sparse (B, n_items) matrix of summed weights."""
        indptr, items, weights = self.sums(n_items)
        return sp.csr_matrix((weights.copy(), items, indptr), shape=(len(self), n_items))

    def filters(self) -> FilterArrays:
        """Return the filters in the form that kernels take."""
        return filter_arrays(self.allowed, self.excluded_indptr, self.excluded)

    @property
    def is_filtered(self) -> bool:
        """Whether the requests have filters of their own."""
        return self.allowed is not self.available

    def without_filters(self) -> Requests:
        """Return the same requests without filters of their own; what models computed of the histories is shared."""
        return replace(self, allowed=self.available) if self.is_filtered else self

    def with_weights(self, weights: NDArray[np.float32]) -> Requests:
        """Return the same requests with other weights of their events."""
        return replace(self, weights=weights, _results=_Results())

    def within(self, n_items: int) -> Requests:
        """Return requests in which events of items from n_items on have no weight and a valid code.

        Events keep their places, so that results by event stay aligned. Costs nothing where there are no such events.
        """
        h = self.histories
        unknown = h.item >= n_items
        if not unknown.any():
            return self
        item = np.where(unknown, 0, h.item).astype(np.int32)
        weights = np.where(unknown, 0, self.weights).astype(np.float32)
        return replace(self, histories=replace(h, item=item), weights=weights, _results=_Results())

    @classmethod
    def of_users(
        cls,
        dataset: Dataset,
        users: NDArray[np.integer],
        moments: NDArray[np.int64],
        weighting: WeightSettings | None = None,
        exclude_seen: bool = True,
    ) -> Requests:
        """Make the requests of users with all that a data set holds of them.

        Parameters
        ----------
        dataset
            Holds the histories and user attributes.
        users
            int (B,): user codes, −1 for an unknown user.
        moments
            int64 ms (B,).
        weighting
            How much an event counts (default: every event counts 1).
        exclude_seen
            Whether items of a user's history must not be returned.
        """
        h = dataset.histories
        known = users >= 0
        safe = np.where(known, users, 0)
        own = h.pick(h.indptr[safe], np.where(known, h.indptr[safe + 1], h.indptr[safe]))
        weights = EventWeights.of(weighting or EventWeighting(), dataset.log)(own)
        attributes = {name: a.take(users) for name, a in dataset.users.attributes.items()}
        indptr, excluded = (own.indptr, own.item) if exclude_seen else (None, None)
        return cls(own, weights, moments, None, indptr, excluded, attributes)

    def rows(self, start: int, end: int) -> Requests:
        """Return the requests start ≤ b < end."""
        h = self.histories
        low, high = int(h.indptr[start]), int(h.indptr[end])
        part = Histories(
            h.indptr[start : end + 1] - low,
            h.item[low:high],
            h.time[low:high],
            h.kind[low:high],
            h.value[low:high],
        )
        indptr, excluded = self.excluded_indptr, self.excluded
        if indptr is not None and excluded is not None:
            excluded, indptr = excluded[indptr[start] : indptr[end]], indptr[start : end + 1] - indptr[start]
        some = np.arange(start, end)
        return Requests(
            part,
            self.weights[low:high],
            self.moments[start:end],
            self.allowed,
            indptr,
            excluded,
            {name: a.take(some) for name, a in self.attributes.items()},
            self.available,
            {name: a.take(some) for name, a in self.context.items()},
        )


@numba.njit(cache=True, nogil=True)
def _sum_rows(
    begin: NDArray[np.int64],
    item: NDArray[np.int32],
    weight: NDArray[np.float32],
    n_items: int,
    indptr: NDArray[np.int64],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> int:
    """Write each history's distinct items in rising order with their summed weights; return how many there are."""
    n = 0
    for row in range(len(begin) - 1):
        low, high = begin[row], begin[row + 1]
        order = np.argsort(item[low:high], kind="mergesort")
        first = n
        for at in order:
            one = item[low + at]
            if one >= n_items:
                continue
            if n > first and items[n - 1] == one:
                weights[n - 1] += weight[low + at]
            else:
                items[n], weights[n] = one, weight[low + at]
                n += 1
        indptr[row + 1] = n
    return n


@dataclass(frozen=True)
class Candidates:
    """The best items of each request, best first.

    Attributes
    ----------
    item
        int32 (B, k): item codes, −1 where there are fewer than k.
    score
        float32 (B, k): their scores, −inf where there is no item.
    """

    item: NDArray[np.int32]
    score: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Candidates({self.item.shape[0]} requests, k={self.item.shape[1]})"


def top_k(scores: NDArray[np.float32], requests: Requests, k: int) -> Candidates:
    """Return the k highest scores of each row among the items that the request permits.

    Filters act before the cut, so that a strict filter still fills the list. Ties go to the lower code, so that results
    repeat. O(B · items).

    Parameters
    ----------
    scores
        float32 (B, items); −inf or NaN where an item is not proposed.
    """
    return Candidates(*top_k_rows(scores, k, requests.filters()))

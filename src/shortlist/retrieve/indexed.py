"""Candidates from an approximate index, under filters that the index does not know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.als_solve import filter_found
from shortlist.retrieve.kernels.index import Index
from shortlist.retrieve.kernels.select import empty_lists
from shortlist.retrieve.requests import Candidates, Requests

NONE = np.empty(0, np.int32)


def retrieve_indexed(
    requests: Requests,
    k: int,
    index: Index,
    factors: NDArray[np.float32],
    given: Callable[[NDArray[np.int32]], NDArray[np.float32]],
    exact: Callable[[Requests], Candidates],
    added: NDArray[np.int32] = NONE,
) -> Candidates:
    """Return the best k items of each request by an index.

    Filters act after the index: as many more items are fetched as they may remove, and a request whose list is still too short
    is searched exactly.

    Parameters
    ----------
    factors
        float32 (B, d): the factors of the requests.
    given
        Returns the scores of given items int32 (B, m), float32 (B, m).
    exact
        Returns the best k items of requests without the index.
    added
        int32 (a,): items that the index does not hold; they are compared with what it finds.
    """
    indptr = requests.excluded_indptr
    excluded = 0 if indptr is None else int(np.diff(indptr).max(initial=0))
    share = 1.0 if requests.allowed is None else max(float(requests.allowed.mean()), 0.25)
    found = index.search(factors, min(len(index), int((k + excluded) / share) + 20))[0]
    if len(added):
        found = np.hstack([found, np.broadcast_to(added, (len(found), len(added)))])
    item, score = empty_lists(len(requests), k)
    short = np.zeros(len(requests), np.bool_)
    filter_found(found, given(found), requests.filters(), item, score, short)
    for row in np.flatnonzero(short).tolist():
        best = exact(requests.rows(row, row + 1))
        width = best.item.shape[1]
        item[row, :width], score[row, :width] = best.item[0], best.score[0]
    return Candidates(item, score)

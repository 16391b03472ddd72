"""Numbers of candidates compared with the other items of their given list.

Training computes them over the lists of the log, serving over the list of a request, both by `compare_within_lists`.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import CategoryAttribute
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.features.layout import FeatureLayout
from shortlist.features.rows import FeatureRows
from shortlist.features.spec_lists import WithinListFeature

WAYS = ("rank", "difference", "ratio", "share", "z_score", "reference")
"""`how`, in the order of the kernel's numbers."""
LATEST = 50
"""Number of latest events of a user among which the latest item on the list is sought."""


class ListComparison:
    """The features of kind `within_list` of one matrix.

    Parameters
    ----------
    layout
        The columns.
    rows
        Requests and candidates.
    ids
        Ids of the catalogue.
    """

    def __init__(self, layout: FeatureLayout, rows: FeatureRows, ids: IdMap) -> None:
        self._layout, self._rows, self._ids = layout, rows, ids
        self._bounds: NDArray[np.int64] | None = None
        self._chosen: dict[tuple[str, str | None], NDArray[np.int64]] = {}

    def __repr__(self) -> str:
        return f"ListComparison({self._rows!r})"

    def compare(self, feature: WithinListFeature, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the column of a feature, float32 (rows,). matrix: with the column that is compared."""
        lists = self._rows.lists
        if lists is None:
            return np.full(len(matrix), np.nan, np.float32)
        if self._bounds is None:
            self._bounds = self._rows.bounds
        values = np.ascontiguousarray(matrix[:, self._layout.columns[feature.of][0]])
        chosen = self._chosen_rows(feature, lists.listed, self._bounds)
        return compare_within_lists(feature, values, lists.listed, self._bounds, chosen)

    def _chosen_rows(
        self, feature: WithinListFeature, listed: NDArray[np.bool_], bounds: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The row of each list that others are compared with; −1 where there is none."""
        to, rows = feature.to, self._rows
        key = to, feature.event
        if key in self._chosen:
            return self._chosen[key]
        if to == "latest":
            histories = rows.histories.last(LATEST)
            if feature.event is not None:
                histories = histories.only(histories.kind == self._layout.kinds.index(feature.event))
            found = latest_on_list(histories, rows.item, listed, bounds)
        elif to.startswith("context."):
            column = rows.requests.context.get(to.partition(".")[2])
            assert column is None or isinstance(column, CategoryAttribute)
            found = named_on_list(column, self._ids, rows.item, listed, bounds)
        else:
            found = np.full(len(bounds) - 1, -1, np.int64)
        self._chosen[key] = found
        return found


def compare_within_lists(
    feature: WithinListFeature,
    values: NDArray[np.float32],
    listed: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Compare numbers with those of the other items of their lists.

    Parameters
    ----------
    feature
        How to compare.
    values
        float32 (rows,): the numbers; NaN where unknown.
    listed
        bool (rows,): the rows that are items of a given list.
    bounds
        int64 (requests + 1,): the rows of request r are `bounds[r]:bounds[r + 1]`.
    chosen
        int64 (requests,): the row that is compared with where `to` is `latest` or `context.x`; −1 where it is not on the list.

    Returns
    -------
    ndarray of shape (rows,), float32
        NaN where a number, the list or what is compared with is unknown.

    Notes
    -----
    Cost: sorting each list, O(rows · log(list)).
    """
    compared = np.full(len(values), np.nan, np.float32)
    reference = {"median": 0, "min": 1, "max": 2, "mean": 4}.get(feature.to, 3)
    _compare(values, listed, bounds, chosen, WAYS.index(feature.how), reference, compared)
    return compared


def latest_on_list(
    histories: Histories, item: NDArray[np.int32], listed: NDArray[np.bool_], bounds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the row of the item of each list that the user acted on last, int64 (requests,); −1 where there is none.

    Cost: O(events · list).
    """
    found = np.full(len(bounds) - 1, -1, np.int64)
    _latest(histories.indptr, histories.item, item, listed, bounds, found)
    return found


def named_on_list(
    column: CategoryAttribute | None,
    ids: IdMap,
    item: NDArray[np.int32],
    listed: NDArray[np.bool_],
    bounds: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the row of the item of each list whose id a context column names, int64 (requests,); −1 where there is none.

    Parameters
    ----------
    column
        The context column, one row a request; None where no request has it.
    ids
        Ids of the catalogue.
    item, listed, bounds
        As for `compare_within_lists`; item int32 (rows,).
    """
    found = np.full(len(bounds) - 1, -1, np.int64)
    if column is None or not len(found):
        return found
    words, at = np.unique(column.codes, return_inverse=True)
    codes = ids.codes([column.vocabulary[word] if word >= 0 else "" for word in words.tolist()])
    _named(np.where(words >= 0, codes, -1).astype(np.int32)[at], item, listed, bounds, found)
    return found


@numba.njit(cache=True, nogil=True)
def _compare(
    values: NDArray[np.float32],
    listed: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    chosen: NDArray[np.int64],
    way: int,
    reference: int,
    compared: NDArray[np.float32],
) -> None:
    """Way: a place in `WAYS`; reference: see `_reference`."""
    for request in range(len(bounds) - 1):
        rows = np.arange(bounds[request], bounds[request + 1])
        rows = rows[listed[rows] & ~np.isnan(values[rows])]
        if not len(rows):
            continue
        # sorted, so that sums do not depend on the order of the list
        known = np.sort(values[rows].astype(np.float64))
        at = chosen[request]
        to = np.float64(values[at]) if reference == 3 and at >= 0 else _reference(known, reference)
        if way == 3:
            to = known.sum()
        spread = known.std() if way == 4 else 0.0
        for row in rows:
            value = np.float64(values[row])
            if way == 0:
                compared[row] = np.searchsorted(known, value)
            elif way == 1:
                compared[row] = value - to
            elif way == 4:
                compared[row] = (value - known.mean()) / spread if spread > 0 else 0.0
            elif way == 5:
                compared[row] = to
            elif to != 0:
                compared[row] = value / to


@numba.njit(cache=True, nogil=True)
def _reference(known: NDArray[np.float64], reference: int) -> float:
    """Return the median (0), minimum (1), maximum (2) or mean (4) of sorted numbers; NaN for 3, an item that is not on the list."""
    n = len(known)
    if reference == 0:
        return float((known[(n - 1) // 2] + known[n // 2]) / 2)
    if reference == 3:
        return np.nan
    if reference == 4:
        return float(known.mean())
    return float(known[0] if reference == 1 else known[n - 1])


@numba.njit(cache=True, nogil=True)
def _row_of(wanted: np.int32, item: NDArray[np.int32], listed: NDArray[np.bool_], low: int, high: int) -> int:
    """Return the row low ≤ row < high of an item that is on the list; −1 where there is none."""
    for row in range(low, high):
        if listed[row] and item[row] == wanted:
            return row
    return -1


@numba.njit(cache=True, nogil=True)
def _latest(
    indptr: NDArray[np.int64],
    events: NDArray[np.int32],
    item: NDArray[np.int32],
    listed: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    for request in range(len(found)):
        for event in range(indptr[request + 1] - 1, indptr[request] - 1, -1):
            found[request] = _row_of(events[event], item, listed, bounds[request], bounds[request + 1])
            if found[request] >= 0:
                break


@numba.njit(cache=True, nogil=True)
def _named(
    wanted: NDArray[np.int32],
    item: NDArray[np.int32],
    listed: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    for request in range(len(found)):
        if wanted[request] >= 0:
            found[request] = _row_of(wanted[request], item, listed, bounds[request], bounds[request + 1])

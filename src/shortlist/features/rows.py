"""The rows of the feature matrix: requests and their candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.features.keys import RequestKeys


@dataclass(frozen=True, eq=False, repr=False)
class ListNumbers:
    """Which rows of a matrix are items of given lists, and the numbers that were given with them.

    Attributes
    ----------
    listed : ndarray of shape (rows,), bool
        Whether a row is an item of the list of its request; False for candidates that the recommender found itself.
    given : Mapping[str, ndarray of shape (rows,), float32]
        Column of `data.given` → number of each row; NaN where there is none.
    """

    listed: NDArray[np.bool_]
    given: Mapping[str, NDArray[np.float32]]

    def __repr__(self) -> str:
        return f"ListNumbers({int(self.listed.sum()):,} of {len(self.listed):,} rows)"


@dataclass(frozen=True, eq=False, repr=False)
class DescribedRows:
    """Rows of items that the catalogue does not have: what a request says of them.

    Attributes
    ----------
    rows : ndarray of shape (m,), int64
        The rows of the matrix; their item code is −1.
    values
        For each of them: attribute of items → value, as `Attribute.parse` accepts it. Attributes that are not named are unknown.
    """

    rows: NDArray[np.int64]
    values: Sequence[Mapping[str, Any]]

    def __repr__(self) -> str:
        return f"DescribedRows({len(self.rows):,} rows)"


@dataclass(frozen=True, repr=False)
class FeatureRows:
    """R requests and their candidates. The rows of a request are adjacent.

    Parameters
    ----------
    requests
        Users (−1: a visitor), contexts and attributes of the R requests.
    moments
        int64 (R,), the time of each request, ms.
    histories
        The history of each request.
    request
        int64 (rows,), the request of each row.
    item
        int32 (rows,), the candidate of each row; −1 for an item that the catalogue does not have (`described`).
    sources
        Names of the sources of candidates.
    ranks, scores
        float32 (rows, sources), NaN where a source did not return the item.
    position
        float32 (rows,), where the item was shown (default: the first position).
    lists
        Which rows are items of given lists (default: none is).
    described
        What is known of items that the catalogue does not have (default: it has all).
    shown
        The impressions of each visitor, which a history does not have (default: none are known).
    """

    requests: RequestKeys
    moments: NDArray[np.int64]
    histories: Histories
    request: NDArray[np.int64]
    item: NDArray[np.int32]
    sources: list[str]
    ranks: NDArray[np.float32]
    scores: NDArray[np.float32]
    position: NDArray[np.float32] | None = None
    lists: ListNumbers | None = None
    described: DescribedRows | None = None
    shown: Histories | None = None

    def __repr__(self) -> str:
        return f"FeatureRows({len(self.item):,} rows of {len(self.users):,} requests, sources: {', '.join(self.sources)})"

    @property
    def users(self) -> NDArray[np.int32]:
        """The users of the requests, int32 (R,), −1 for a visitor."""
        return self.requests.users

    @property
    def latest_moment(self) -> int:
        """The latest time of a request, ms; 0 without requests."""
        return int(self.moments.max()) if len(self.moments) else 0

    @property
    def bounds(self) -> NDArray[np.int64]:
        """int64 (R + 1,): the rows of request r are `bounds[r]:bounds[r + 1]`."""
        return np.searchsorted(self.request, np.arange(len(self.moments) + 1))

    def some(self, chosen: NDArray[np.bool_]) -> FeatureRows:
        """Return the rows that a mask selects, bool (rows,), of the same requests. They are items of the catalogue."""
        position, lists = self.position, self.lists
        if lists is not None:
            lists = ListNumbers(
                lists.listed[chosen], {name: numbers[chosen] for name, numbers in lists.given.items()}
            )
        return replace(
            self,
            request=self.request[chosen],
            item=self.item[chosen],
            ranks=self.ranks[chosen],
            scores=self.scores[chosen],
            position=None if position is None else position[chosen],
            lists=lists,
        )

    def attribute(self, side: str, name: str) -> Attribute | None:
        """Return an attribute of the requests (`context`), or of their users as sent with them (`user`)."""
        return (self.requests.user_attributes if side == "user" else self.requests.context).get(name)

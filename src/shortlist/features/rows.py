"""The rows of the feature matrix: requests and their candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.features.keys import KeyRows, RequestKeys


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
        int32 (rows,), the candidate of each row.
    sources
        Names of the sources of candidates.
    ranks, scores
        float32 (rows, sources), NaN where a source did not return the item.
    position
        float32 (rows,), where the item was shown (default: the first position).
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

    def take(self, rows: NDArray[np.integer]) -> FeatureRows:
        """Return some of the rows, in rising order, of the same requests."""
        return replace(
            self,
            request=self.request[rows],
            item=self.item[rows],
            ranks=self.ranks[rows],
            scores=self.scores[rows],
            position=None if self.position is None else self.position[rows],
        )

    def key_rows(self, items: Mapping[str, Attribute]) -> KeyRows:
        """Return the rows as rows of keys. items: name → attribute of the catalogue's items."""
        return KeyRows(self.requests, self.request, self.item, items)

    def attribute(self, side: str, name: str) -> Attribute | None:
        """Return an attribute of the requests (`context`), or of their users as sent with them (`user`)."""
        return (self.requests.user_attributes if side == "user" else self.requests.context).get(name)

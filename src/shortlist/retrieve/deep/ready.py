"""What a fitted network answers requests with."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from shortlist.data.growable import GrowableArray
from shortlist.deep.layout import WeightLayout
from shortlist.retrieve.deep.stored_vectors import StoredVectors
from shortlist.retrieve.deep.trend import Trend
from shortlist.retrieve.kernels.coarse import NO_TERMS
from shortlist.retrieve.requests import Candidates, Requests

Layout = TypeVar("Layout", bound=WeightLayout)


class Ready(NamedTuple, Generic[Layout]):
    """The parts of a fitted model that requests need."""

    shape: Layout
    weights: list[dict[str, NDArray[np.float32]]]
    """The weights of each network by name."""
    vectors: StoredVectors
    """Of the fitted and of the appended items."""
    known: GrowableArray[np.float32]
    """float32 (items,): 1 for items that are proposed."""
    trend: Trend | None

    def scores(self, states: NDArray[np.float32], visit: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the scores of the whole catalogue, float32 (B, items), for requests with these vectors and parts of the trend."""
        scores = self.vectors.dot(states)
        if self.trend is not None:
            self.trend.add_to(scores, visit)
        scores[:, self.known.array == 0] = -np.inf
        scores[~states.any(1)] = -np.inf
        return scores

    def is_quick(self, requests: int, k: int) -> bool:
        """Return whether `best` answers so many requests for k items faster than `scores`."""
        coarse = self.vectors.coarse
        return coarse is not None and coarse.pays(requests, k)

    def best(
        self, states: NDArray[np.float32], visit: NDArray[np.int64], requests: Requests, k: int
    ) -> Candidates:
        """Return the best k items of few requests, which are those of `scores`."""
        coarse, terms = self.vectors.coarse, NO_TERMS
        if coarse is None:
            raise ValueError("these vectors are not searched as they are")
        if self.trend is not None and (visit >= 0).any():
            terms = np.zeros((len(states), len(self.vectors)), np.float32)
            self.trend.add_to(terms, visit)
        known = np.asarray(states.any(1)), self.known.array
        found = coarse.best(states, self.vectors.codes.array, k, known, requests.filters(), terms)
        return Candidates(*found)

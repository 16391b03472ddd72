"""The sources as requests of a window would have met them: cheap ones are refitted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve import Retriever

REFITS = 8
"""Into how many parts the training cuts a window; cheap sources are refitted before each."""


class FreshSources:
    """Retrievers by the moment of a request.

    A recommender that is shipped has sources that were refitted on everything, so they know yesterday. If the ranker met only sources that
    were fitted before its whole window, weeks ago, it would learn that what is popular there is out of date, and distrust the most recent
    popularity when it serves. Sources that are fitted in one pass (`Retriever.refreshed`) are therefore refitted as of the beginning of each
    part of the window, on events before it; others keep what they learned before the window.

    Parameters
    ----------
    retrievers
        Name → retriever, fitted on events before the window.
    dataset
        The log.
    span
        Start and end of the window, ms.
    refits
        Number of parts; 0: no source is refitted.
    """

    def __init__(
        self, retrievers: Mapping[str, Retriever], dataset: Dataset, span: tuple[int, int], refits: int = 0
    ) -> None:
        self._retrievers, self._dataset = dict(retrievers), dataset
        self._edges = np.linspace(*span, refits, endpoint=False).astype(np.int64)

    @property
    def names(self) -> list[str]:
        """Names of the sources."""
        return list(self._retrievers)

    def batches(
        self, moments: NDArray[np.int64], size: int
    ) -> Iterator[tuple[int, int, dict[str, Retriever]]]:
        """Yield first and last request, exclusive, of batches of at most so many, and the sources that they meet.

        Parameters
        ----------
        moments
            int64 (requests,): their times, ms. Where they do not rise, no source is refitted.
        size
            Largest number of requests of a batch.
        """
        edges = self._edges if len(moments) and bool((np.diff(moments) >= 0).all()) else self._edges[:0]
        bounds = [0, *np.searchsorted(moments, edges).tolist(), len(moments)]
        for part, (low, high) in enumerate(pairwise(bounds)):
            if low == high:
                continue
            sources = self._retrievers if part == 0 else self._refitted(int(edges[part - 1]))
            for start in range(low, high, size):
                yield start, min(start + size, high), sources

    def _refitted(self, moment: int) -> dict[str, Retriever]:
        past = self._dataset.before(moment)
        return {name: source.refreshed(past) or source for name, source in self._retrievers.items()}

    def __repr__(self) -> str:
        return f"FreshSources({', '.join(self._retrievers)}; {len(self._edges)} refits)"

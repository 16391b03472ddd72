"""The sources as requests of a window would have met them: cheap ones are refitted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve import Retriever

REFITS = 8
"""Into how many parts the training cuts a window; cheap sources are refitted before each."""
Refit = Callable[[Mapping[str, Retriever], Sequence[int]], Iterator[Mapping[str, Retriever]]]
"""(retrievers, moments in ms) → for each moment, the retrievers as they would be if they were fitted on what was before it."""


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
    refit
        Refits sources where the data set is a part of the log only (default: on the data set).
    """

    def __init__(
        self,
        retrievers: Mapping[str, Retriever],
        dataset: Dataset,
        span: tuple[int, int],
        refits: int = 0,
        refit: Refit | None = None,
    ) -> None:
        self._retrievers, self._refit = dict(retrievers), refit or refit_on(dataset)
        self._edges = np.linspace(*span, refits, endpoint=False).astype(np.int64)

    @property
    def names(self) -> list[str]:
        """Names of the sources."""
        return list(self._retrievers)

    def batches(
        self, moments: NDArray[np.int64], size: int
    ) -> Iterator[tuple[int, int, Mapping[str, Retriever]]]:
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
        parts = [(part, low, high) for part, (low, high) in enumerate(pairwise(bounds)) if low < high]
        refitted = self._refit(self._retrievers, [int(edges[part - 1]) for part, *_ in parts if part])
        for part, low, high in parts:
            sources = next(refitted) if part else self._retrievers
            for start in range(low, high, size):
                yield start, min(start + size, high), sources

    def __repr__(self) -> str:
        return f"FreshSources({', '.join(self._retrievers)}; {len(self._edges)} refits)"


def refit_on(dataset: Dataset) -> Refit:
    """Return what refits sources on a log, one moment after the other."""

    def refit(
        retrievers: Mapping[str, Retriever], moments: Sequence[int]
    ) -> Iterator[Mapping[str, Retriever]]:
        for moment in moments:
            past = dataset.before(moment)
            yield {name: source.refreshed(past) or source for name, source in retrievers.items()}

    return refit

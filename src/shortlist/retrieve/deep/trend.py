"""What is taken more often now than usual, as a term of the scores of a network.

A network learns which item follows a history over the whole log: P(i | history). Where demand moves, the items of the last days are
taken more often than that says. Bayes' rule corrects it: P(i | history, now) ∝ P(i | history) · P(i | now) / P(i), if history and moment are
independent given the item. P(i | now) is estimated by the events of the last day, week and month. `learn_trend` learns how much each counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.growable import GrowableArray
from shortlist.errors import BundleError
from shortlist.retrieve.persistence import read_arrays, write_arrays
from shortlist.retrieve.requests import Requests

DAY = 86_400_000
"""Milliseconds."""
WINDOWS = (1, 7, 30)
"""Days before a moment whose events are counted."""
FRESH = 30 * DAY
"""A request this long after the newest event, or before that event, does not read the term: its days are others."""
PAUSES = np.array([DAY // 24, DAY, 30 * DAY])
"""Times since the latest event between which the term is learned apart: within a visit, what was just taken says more; after a pause, what is
popular now."""
VISITS = len(PAUSES) + 1


@dataclass(frozen=True, eq=False, repr=False)
class LearnedTrend(ShortRepr):
    """What is added to the scores of a network.

    Attributes
    ----------
    weights
        float64 (visits, 1 + windows + 1): the factor on the score of the network, and the weights of the lift of each window and of
        log P(i); a row for each of the times that `PAUSES` part.
    terms
        float32 (visits, items): the sum of what is added to each item's score.
    of_none
        float32 (visits,): the same for an item without events.
    newest
        int64 (1,): the time of the newest event that was counted, ms.
    """

    weights: NDArray[np.float64]
    terms: NDArray[np.float32]
    of_none: NDArray[np.float32]
    newest: NDArray[np.int64]

    def save(self, folder: Path) -> None:
        """Write the arrays into a folder."""
        write_arrays(folder, vars(self))

    @classmethod
    def load(cls, folder: Path, n_items: int) -> Self:
        """Read what `save` wrote. A `BundleError` where the arrays are not those of so many items."""
        found = cls(**read_arrays(folder, ["weights", "terms", "of_none", "newest"]))
        for name, kind, shape in (
            ("weights", np.float64, (VISITS, len(WINDOWS) + 2)),
            ("terms", np.float32, (VISITS, n_items)),
            ("of_none", np.float32, (VISITS,)),
            ("newest", np.int64, (1,)),
        ):
            array = getattr(found, name)
            if array.dtype != kind or array.shape != shape or not np.isfinite(float(array.sum())):
                raise BundleError(f"{folder}: {name} is damaged: {np.dtype(kind)} {shape} is expected")
        return found


def visits_after(pause: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of the weights for each time since the latest event, ms (B,)."""
    return np.searchsorted(PAUSES, pause, side="right")


class Trend(NamedTuple):
    """The learned trend over a catalogue that grows.

    Attributes
    ----------
    learned
        What was learned.
    terms
        For each row of the weights, float32 (items,): what is added to the score of each item.
    """

    learned: LearnedTrend
    terms: tuple[GrowableArray[np.float32], ...]

    @classmethod
    def of(cls, learned: LearnedTrend) -> Self:
        """Wrap learned arrays without copying them."""
        return cls(learned, tuple(GrowableArray(term) for term in learned.terms))

    def extended(self, items: int) -> Self:
        """Return the trend with so many appended items, which have no events."""
        of_none = self.learned.of_none
        longer = (term.extended(np.full(items, of_none[at])) for at, term in enumerate(self.terms))
        return self._replace(terms=tuple(longer))

    def visits(self, requests: Requests) -> NDArray[np.int64]:
        """Return the row of the weights that each request reads, −1 where the term does not apply, int64 (B,)."""
        h, age = requests.histories, requests.moments - self.learned.newest[0]
        filled = np.flatnonzero(np.diff(h.indptr))
        visit = np.full(len(requests), len(PAUSES))
        visit[filled] = visits_after(requests.moments[filled] - h.time[h.indptr[1:][filled] - 1])
        visit[(age < 0) | (age > FRESH)] = -1
        return visit

    def scaled(self, states: NDArray[np.float32], visit: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of requests times the factor on their scores, float32 (B, d)."""
        scale = np.append(self.learned.weights[:, 0], 1.0)  # the last one is that of −1
        return np.asarray(states * scale[visit][:, None], np.float32)

    def add_to(self, scores: NDArray[np.float32], visit: NDArray[np.int64]) -> None:
        """Add the term to scores of the whole catalogue, float32 (B, items)."""
        for at in set(visit.tolist()) - {-1}:
            if (rows := visit == at).all():
                scores += self.terms[at].array
            else:
                scores[rows] += self.terms[at].array

    def added_given(
        self, scores: NDArray[np.float32], items: NDArray[np.integer], visit: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return scores of given items, float32 (B, m), with the term; items that the model does not know keep theirs."""
        there = (items >= 0) & (items < len(self.terms[0]))
        known, found = np.where(there, items, 0), scores.copy()
        for at in set(visit.tolist()) - {-1}:
            rows = visit == at
            found[rows] += np.where(there[rows], self.terms[at].array[known[rows]], 0)
        return found

    def with_terms(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of items, float32 (items, d), each followed by its terms: what an index searches."""
        return np.column_stack([vectors, *(term.array for term in self.terms)])

    def with_visits(self, states: NDArray[np.float32], visit: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of requests, float32 (B, d), each followed by 1 at its visit: what an index is asked."""
        chosen = np.arange(VISITS) == visit[:, None]
        return np.hstack([states, chosen], dtype=np.float32)

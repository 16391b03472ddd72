"""The last days of a log, held out from a network: what was taken in them, and the requests that were made for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve.deep.inputs import known_events
from shortlist.retrieve.deep.trend import DAY, FRESH, VISITS, visits_after
from shortlist.retrieve.requests import Requests

SHARE = 0.05
"""Share of the events that the last days hold, or more: they are whole days (UTC)."""
MOST = 2_000
"""Later events that are asked for at most."""
MOST_SCORES = 200_000_000
"""Scores that are computed for them at most: on large catalogues, of fewer events."""
FEWEST = 20
"""Later events that are asked for at least."""
ROWS = 64
"""Requests that are answered at once."""


def last_days(times: NDArray[np.int64]) -> int | None:
    """Return the midnight (UTC) at which the last days begin, ms; None where all events are of one day.

    Parameters
    ----------
    times
        Milliseconds of all events, rising, int64 (E,).
    """
    if not len(times):
        return None
    moment = max(int(times[int(len(times) * (1 - SHARE))]), int(times[-1]) - FRESH) // DAY * DAY
    return moment if times[0] < moment else None


class LaterVisits(NamedTuple):
    """Events after a moment: the item that was taken, int32 (H,), and the requests that were made for it, at the time of the event."""

    target: NDArray[np.int32]
    requests: Requests

    @classmethod
    def of(cls, dataset: Dataset, weights: NDArray[np.float32], moment: int, seed: int) -> Self:
        """Take events after a moment: of each user the first one after each kind of pause (`PAUSES`), and of these a sample.

        Parameters
        ----------
        dataset
            Holds the histories, and what is known of users and events.
        weights
            float32 (E,): those of the histories' events.
        moment
            Milliseconds.
        seed
            Of the sample.
        """
        n_items = len(dataset.items)
        rows = dataset.history_rows[weights > 0]
        h, weights = known_events(dataset.histories, weights, n_items)
        owner = h.owner
        later = np.flatnonzero((h.time >= moment) & (np.arange(len(h.item)) > h.indptr[:-1][owner]))
        visit = visits_after(h.time[later] - h.time[later - 1])
        later = later[np.unique(owner[later] * VISITS + visit, return_index=True)[1]]
        most = min(MOST, max(MOST_SCORES // max(n_items, 1), FEWEST))
        later = np.sort(np.random.default_rng(seed).permutation(later)[:most])
        users, begin = owner[later], h.indptr[:-1][owner[later]]
        past = h.pick(begin, later)
        read = np.arange(len(past.item)) - past.indptr[:-1][past.owner] + begin[past.owner]
        requests = Requests(
            past,
            weights[read],
            h.time[later],
            attributes={name: a.take(users) for name, a in dataset.users.attributes.items()},
            context={name: a.take(rows[later]) for name, a in dataset.log.context.items()},
        )
        return cls(h.item[later], requests)

    @property
    def visits(self) -> NDArray[np.int64]:
        """The row of the weights that each reads, int64 (H,)."""
        h = self.requests.histories
        return visits_after(self.requests.moments - h.time[h.indptr[1:] - 1])

    def parts(self) -> Iterator[tuple[int, Self]]:
        """Yield a few events at once, and the row of the first."""
        for low in range(0, len(self.target), ROWS):
            high = min(low + ROWS, len(self.target))
            yield low, type(self)(self.target[low:high], self.requests.rows(low, high))


def day_of(moment: int) -> str:
    """Return the day (UTC) of a time in ms as text."""
    return str(np.datetime64(moment, "ms").astype("datetime64[D]"))


def before(dataset: Dataset, moment: int) -> Dataset:
    """Return a data set without the events from a moment on."""
    return replace(dataset, log=dataset.log.rows(np.flatnonzero(dataset.log.time < moment)))

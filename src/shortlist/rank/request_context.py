"""The context of past requests, as examples of the ranker have it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.rank.past_requests import PastRequests

WITHOUT_CONTEXT = 0.1
"""Share of the training requests whose context is taken away, in part or as a whole."""


def request_contexts(
    dataset: Dataset, past: PastRequests, without: float = 0.0, seed: int = 0
) -> dict[str, Attribute]:
    """Return the context columns of the event that each request is taken from; unknown for requests of a batch.

    Logs have a context with every event, but some requests come without one: from a batch, or from a page that does not know
    it. A ranker that never met an unknown context predicts arbitrary probabilities then: trees send unknown values to a side
    that they have not learnt. So a share of the training requests loses its context: half of them all columns, half of them
    one column, drawn at random (feature dropout).

    Parameters
    ----------
    dataset
        The data set of the requests.
    past
        The requests.
    without
        Share of the requests whose context is taken away; `WITHOUT_CONTEXT` for training, 0 for validation.
    seed
        Seed of the draw.
    """
    log = dataset.log
    if not log.context:
        return {}
    low = np.searchsorted(log.time, past.moments)
    high = np.searchsorted(log.time, past.moments, side="right")
    rows = np.full(len(past), -1)
    for at, (lo, hi, user) in enumerate(zip(low, high, past.users, strict=True)):
        own = np.flatnonzero(log.user[lo:hi] == user)
        if len(own):
            rows[at] = lo + own[0]
    unknown = _taken_away(len(past), len(log.context), without, np.random.default_rng([seed, len(past)]))
    return {
        name: attribute.take(np.where(unknown[:, column], -1, rows))
        for column, (name, attribute) in enumerate(log.context.items())
    }


def _taken_away(n: int, columns: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which context columns of which requests are taken away, bool (requests, columns)."""
    chosen = rng.random(n) < share
    whole = rng.random(n) < 0.5
    one = rng.integers(0, columns, n)
    return np.asarray(chosen[:, None] & (whole[:, None] | (one[:, None] == np.arange(columns))))

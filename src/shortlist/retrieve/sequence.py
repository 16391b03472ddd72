"""Sequence: what people take next, and in the same sitting.

Two cheap models of order in one items × items matrix, strong where the next act follows from the last ones and no deep
learning is wanted (Ludewig & Jannach 2018, "Evaluation of session-based recommendation algorithms"):

- a Markov mix: a pair (a, then b within `window` steps) votes for a → b with fading^(steps − 1), so the transition
  of first order counts most and those of second and higher order less (the mixture transition model; Raftery 1985);
- session neighbours: within one session (no gap longer than `session`) the pair also votes backwards, b → a, with
  weight `backward`, since what was taken together goes together.

Votes across a longer gap fade with it, 2^(−gap / half_life). A history asks with its latest events first: the event n
steps back counts recency^n. Needs times; on a table without them the order of rows is all it has.

Time: events · window. Memory: items · k.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.config.base import Duration, duration_ms
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.retrieve.base import Requests, event_weights
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig


class SequenceConfig(ItemItemConfig):
    window: int = Field(5, ge=1, le=100)
    """How many steps ahead a pair may be."""
    fading: float = Field(0.8, gt=0, le=1)
    """By how much a pair counts less for each step between."""
    backward: float = Field(0.5, ge=0, le=1)
    """Weight of the opposite direction within a session."""
    session: Duration = "1h"
    half_life: Duration = "7d"
    """Across sessions, a gap of this length halves a vote."""
    recency: float = Field(0.8, gt=0, le=1)
    """By how much an event of the history counts less for each step back."""
    power: float = Field(0.3, ge=0, le=1)
    """Exponent on the popularity of the recommended item; the asking item's is 1 − power."""
    k: int = Field(200, ge=1)
    repeats: float = Field(1.0, ge=0, le=1)


class Sequence(ItemItem):
    Config = SequenceConfig
    name = "sequence"

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_histories(
            dataset.histories, event_weights(dataset, dataset.histories), len(dataset.items)
        )

    def fit_histories(self, h: Histories, weights: np.ndarray, n: int) -> Self:
        """From histories in order of time; weights float32 (E,)."""
        config = self.config
        session, half_life = duration_ms(config.session), duration_ms(config.half_life)
        breaks = np.concatenate([[0], np.cumsum(np.diff(h.time) > session)]) if len(h.time) else np.empty(0)
        owner = h.owner
        W = sp.csr_matrix((n, n), dtype=np.float32)
        for step in range(1, config.window + 1):
            a, b = np.arange(len(h.item) - step), np.arange(step, len(h.item))
            own = (
                (owner[a] == owner[b]) & (h.item[a] != h.item[b]) if len(h.item) > step else np.empty(0, bool)
            )
            a, b = a[own], b[own]
            together = breaks[a] == breaks[b]
            gap = np.where(together, 0, h.time[b] - h.time[a])
            vote = weights[b] * config.fading ** (step - 1) * np.exp2(-gap / half_life)
            W = W + sp.csr_matrix((vote.astype(np.float32), (h.item[a], h.item[b])), shape=(n, n))
            if config.backward:
                a, b, vote = a[together], b[together], vote[together] * config.backward
                W = W + sp.csr_matrix((vote.astype(np.float32), (h.item[b], h.item[a])), shape=(n, n))
        counts = np.maximum(np.bincount(h.item, weights, n), 1.0)
        W = sp.csr_matrix(
            sp.diags_array(counts ** (config.power - 1)) @ W @ sp.diags_array(counts**-config.power),
            dtype=np.float32,
        )
        self.weights = _strongest_of_rows(W, config.k)
        return self

    def asked(self, requests: Requests) -> Requests:
        h = requests.histories
        back = h.indptr[1:][h.owner] - 1 - np.arange(len(h.item))
        weights = requests.weights * self.config.recency ** np.minimum(back, 500)
        return requests.weighed(weights.astype(np.float32))


def _strongest_of_rows(W: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Each row's k largest entries; ties go to the lower item."""
    W.sort_indices()
    rows = np.repeat(np.arange(W.shape[0]), np.diff(W.indptr))
    order = np.lexsort([W.indices, -W.data, rows])
    place = np.arange(len(rows)) - np.repeat(W.indptr[:-1], np.diff(W.indptr))
    kept = np.sort(order[(place < k) & (W.data[order] > 0)])
    return sp.csr_matrix((W.data[kept], (rows[kept], W.indices[kept])), shape=W.shape)

"""Sequence: the items that users take next, and in the same session."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.config.base import Duration, duration_ms
from shortlist.data.histories import Histories
from shortlist.retrieve.item_item import HistoryItemItem, ItemItemConfig


class SequenceConfig(ItemItemConfig):
    """Settings of `Sequence`."""

    window: int = Field(5, ge=1, le=100)
    """Number of steps ahead that a pair may be apart, from 1 to 100."""
    fading: float = Field(0.8, gt=0, le=1)
    """Factor on the weight of a pair for each step between, above 0 to 1."""
    backward: float = Field(0.5, ge=0, le=1)
    """Weight of the opposite direction within a session, from 0 to 1."""
    session: Duration = "1h"
    """The longest gap within a session; a duration."""
    half_life: Duration = "7d"
    """Gap between sessions that halves the weight of a pair; a duration."""
    recency: float = Field(0.8, gt=0, le=1)
    """Factor on the weight of an event of the history for each step back, above 0 to 1."""
    power: float = Field(0.3, ge=0, le=1)
    """Exponent on the popularity of the recommended item, from 0 to 1; that of the history's item is 1 − power."""
    k: int = Field(200, ge=1)
    """Number of successors that each item keeps, 1 or more."""
    repeats: float = Field(1.0, ge=0, le=1)
    """Exponent on the summed weight of an item in a history: 0 counts an item once however often it was taken, 1 counts
    every event."""


class Sequence(HistoryItemItem):
    """Recommend what users take next, and in the same session.

    Two models of order in one items × items matrix, strong where the next event follows from the last ones:

    - a mixture of Markov chains: a pair (a, then b within `window` steps) adds fading^(steps − 1) to a → b, so that
      transitions of first order count most;
    - session neighbours: within one session (no gap longer than `session`) the pair also adds to b → a, with the weight
      `backward`, because items of one session belong together.

    Across a longer gap the weight of a pair fades with it, 2^(−gap / half_life). The event n steps back in a history counts
    recency^n.

    It needs times; without them it has only the order of rows. Do not use it where the order of a history says nothing.

    Cost: events · window to fit; memory items · k.

    Parameters
    ----------
    config : SequenceConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse: row a holds the weights of the successors of a.

    References
    ----------
    Raftery 1985, "A model for high-order Markov chains" (the mixture transition model).
    Ludewig & Jannach 2018, "Evaluation of session-based recommendation algorithms".

    Examples
    --------
    >>> Sequence(window=3)
    Sequence(window=3)
    """

    Config = SequenceConfig
    config: SequenceConfig
    name = "sequence"

    def _fit_histories(self, h: Histories, weights: NDArray[np.float32], n: int) -> None:
        counts = np.bincount(h.item, weights, n)
        own, others = self.scales(counts)
        W = transitions(self.config, h, weights, n)
        self.weights_ = _strongest_of_rows(
            sp.csr_matrix(sp.diags_array(own) @ W @ sp.diags_array(others), dtype=np.float32), self.config.k
        )

    def scales(self, counts: NDArray[np.number]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the factors on the rows and the columns of the transitions, float64 (items,), from the summed weight of each item."""
        known, power = np.maximum(counts, 1.0).astype(np.float64), self.config.power
        return known ** (power - 1), known**-power


def transitions(config: SequenceConfig, h: Histories, weights: NDArray[np.float32], n: int) -> sp.csr_matrix:
    """Return the summed weight of what follows what in some histories, (items, items): those of several parts add up."""
    session, half_life = duration_ms(config.session), duration_ms(config.half_life)
    breaks = np.concatenate([[0], np.cumsum(np.diff(h.time) > session)]) if len(h.time) else np.empty(0)
    owner = h.owner
    W = sp.csr_matrix((n, n), dtype=np.float32)
    for step in range(1, config.window + 1):
        a, b = np.arange(len(h.item) - step), np.arange(step, len(h.item))
        own = (owner[a] == owner[b]) & (h.item[a] != h.item[b]) if len(h.item) > step else np.empty(0, bool)
        a, b = a[own], b[own]
        together = breaks[a] == breaks[b]
        gap = np.where(together, 0, h.time[b] - h.time[a])
        vote = weights[b] * config.fading ** (step - 1) * np.exp2(-gap / half_life)
        W = W + sp.csr_matrix((vote.astype(np.float32), (h.item[a], h.item[b])), shape=(n, n))
        if config.backward:
            a, b, vote = a[together], b[together], vote[together] * config.backward
            W = W + sp.csr_matrix((vote.astype(np.float32), (h.item[b], h.item[a])), shape=(n, n))
    return W


def _strongest_of_rows(W: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Return the k largest entries of each row; ties go to the lower item."""
    W.sort_indices()
    rows = np.repeat(np.arange(W.shape[0]), np.diff(W.indptr))
    order = np.lexsort([W.indices, -W.data, rows])
    place = np.arange(len(rows)) - np.repeat(W.indptr[:-1], np.diff(W.indptr))
    kept = np.sort(order[(place < k) & (W.data[order] > 0)])
    return sp.csr_matrix((W.data[kept], (rows[kept], W.indices[kept])), shape=W.shape)

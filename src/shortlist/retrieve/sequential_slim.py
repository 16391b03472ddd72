"""Sequential SLIM: each item predicted from the items that users took before it."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.data.histories import Histories
from shortlist.retrieve.item_item import HistoryItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import nearest
from shortlist.retrieve.slim import regressions


class SequentialSLIMConfig(ItemItemConfig):
    """Settings of `SequentialSLIM`."""

    regularisation: float = Field(2.5, gt=0)
    """λ, above 0, in units of one event that follows one event, for an item with one event."""
    recency: float = Field(0.8, gt=0, le=1)
    """Factor on the weight of an event of the history for each step back, above 0 to 1; in training and when a history is read."""
    window: int = Field(20, ge=1, le=200)
    """Number of events before a target that are its inputs, from 1 to 200."""
    spread: float = Field(0.15, ge=0, le=1)
    """Exponent by which targets after many inputs count less, from 0 to 1."""
    power: float = Field(0.3, ge=0, le=1)
    """Exponent by which popular items count less, from 0 to 1; regularisation grows with count^(2·power)."""
    lift: float = Field(0.3, ge=0, le=1)
    """Exponent by which the scores of popular items are scaled up again, from 0 to 1."""
    support: int = Field(256, ge=1, le=4096)
    """Number of items that each regression may use, from 1 to 4096."""
    repeats: float = Field(1.0, ge=0, le=1)
    """Exponent on the summed weight of an item in a history: 0 counts an item once however often it was taken, 1 counts
    every event."""


class Steps(NamedTuple):
    """The events that follow others, as a regression: one row each.

    Attributes
    ----------
    inputs
        float32 (rows, items): the items before the event, the latest with the greatest weight.
    targets
        float32 (rows, items): the item of the event.
    """

    inputs: sp.csr_matrix
    targets: sp.csr_matrix


class SequentialSLIM(HistoryItemItem):
    """Item-item regression in order of time: each item is predicted from the items that came before it.

        W = argmin Σ_events ‖target − inputs · W‖² + λ‖W‖²

    Every event of a history but the first is a target. Its inputs are the events before it, at most `window`, the one n steps
    before the latest with weight recency^n. In contrast to `SLIM`, W is not symmetric in time: a camera predicts its bag
    more than the bag predicts the camera. In contrast to `Sequence`, it accounts for correlation: what two items of a history
    say together is counted once. Rows and columns are scaled by `spread`, `power` and `lift` as in `SLIM`.

    The regression of each item uses the `support` items that most often came before it, and is solved by conjugate gradients.

    It needs times; without them it has only the order of rows. Do not use it where the order of a history says nothing.

    Cost: O(events · window²) for the equations and O(items · support²) to solve them, on all cores; memory
    events · window + items · support.

    Parameters
    ----------
    config : SequentialSLIMConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse; column j is the regression of item j.

    References
    ----------
    Choi, Kim, Lee, Shim & Lee 2021, "Session-aware linear item-item models for session-based recommendation" (SLIT).
    Ning & Karypis 2011, "SLIM: sparse linear methods for top-N recommender systems".

    Examples
    --------
    >>> SequentialSLIM(window=10)
    SequentialSLIM(window=10)
    """

    Config = SequentialSLIMConfig
    config: SequentialSLIMConfig
    name = "sequential_slim"
    reading: ClassVar[frozenset[str]] = frozenset()  # inputs fade in training as they do in a history

    def _fit_histories(self, h: Histories, weights: NDArray[np.float32], n: int) -> None:
        config = self.config
        counts = np.maximum(np.bincount(h.item, weights, n), 1.0)
        steps = steps_of(h, weights, n, config.window, config.recency)
        size = np.maximum(np.asarray(steps.inputs.sum(1), np.float64).ravel(), 1e-9)
        rows, columns = sp.diags_array(size**-config.spread), sp.diags_array(counts**-config.power)
        inputs = sp.csr_matrix(rows @ steps.inputs @ columns, dtype=np.float32)
        targets = sp.csr_matrix(rows @ steps.targets @ columns, dtype=np.float32)
        support, _ = nearest(
            inputs, np.ones(n), counts ** (0.75 - config.power), 0.0, min(config.support, n), targets
        )
        W = regressions(inputs, targets, support, config.regularisation)
        W = sp.diags_array(counts**-config.power) @ W @ sp.diags_array(counts**config.lift)
        self.weights_ = sp.csr_matrix(W, dtype=np.float32)


def steps_of(h: Histories, weights: NDArray[np.float32], n: int, window: int, recency: float) -> Steps:
    """Return the events that follow others as inputs and targets.

    Parameters
    ----------
    h
        Histories in order of time.
    weights
        float32 (E,): how much each event counts.
    n
        Number of items.
    window
        Number of events before a target that are inputs.
    recency
        Factor on the weight of an input for each step back.
    """
    place = np.arange(len(h.item)) - h.indptr[:-1][h.owner]  # number of events before
    rows, columns, values = [], [], []
    for step in range(1, window + 1):
        target = np.flatnonzero(place >= step)
        given = target - step
        different = h.item[given] != h.item[target]  # an item does not predict itself
        rows.append(target[different])
        columns.append(h.item[given[different]])
        values.append(weights[given[different]] * recency ** (step - 1))
    shape = (len(h.item), n)
    row, column = np.concatenate(rows), np.concatenate(columns)
    inputs = sp.csr_matrix((np.concatenate(values).astype(np.float32), (row, column)), shape=shape)
    follows = np.flatnonzero(place > 0)
    targets = sp.csr_matrix(
        (np.ones(len(follows), np.float32) * weights[follows], (follows, h.item[follows])), shape=shape
    )
    return Steps(inputs, targets)

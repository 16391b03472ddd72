"""How much an event of a history counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.log import Log


class WeightSettings(Protocol):
    """The two settings that weights follow from; the section `[retrieve]` of a project has them."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Event kind → weight."""

    @property
    def values(self) -> Mapping[str, float]:
        """Event kind → exponent on the event's value."""


@dataclass(frozen=True)
class EventWeighting:
    """The declaration of event weights, as a retriever is given it when it is made.

    An event of kind k with value v has the weight

        w_k · (v / mean value of kind k)^e_k

    Parameters
    ----------
    weights
        Event kind → w_k, 0 or more; 1 where a kind is not named.
    values
        Event kind → e_k, from 0 to 1; 0 where a kind is not named, so that values do not matter.

    Examples
    --------
    >>> EventWeighting({"play": 1.0, "click": 0.2}, {"play": 0.5})
    EventWeighting(weights={'play': 1.0, 'click': 0.2}, values={'play': 0.5})
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: WeightSettings) -> EventWeighting:
        """Copy the weights of a project's section `[retrieve]`."""
        return cls(dict(settings.weights), dict(settings.values))


@dataclass(frozen=True)
class EventWeights:
    """Event weights for the kinds of one log.

    Attributes
    ----------
    kind
        float32 (kinds,): the weight of each kind.
    exponent
        float32 (kinds,): how strongly the value of an event matters.
    mean_value
        float32 (kinds,): the mean value of the events of each kind.
    """

    kind: NDArray[np.float32]
    exponent: NDArray[np.float32]
    mean_value: NDArray[np.float32]

    @classmethod
    def of(cls, settings: WeightSettings, log: Log) -> EventWeights:
        """Measure the mean values on a log. O(events) where `values` names a kind."""
        kinds = log.kinds or [""]
        mean = np.ones(len(kinds), np.float32)
        for code, name in enumerate(kinds):
            if settings.values.get(name):
                values = log.value[log.kind == code]
                values = values[np.isfinite(values)]
                mean[code] = values.mean() if len(values) and values.mean() > 0 else 1.0
        return cls(
            np.array([settings.weights.get(name, 1.0) for name in kinds], np.float32),
            np.array([settings.values.get(name, 0.0) for name in kinds], np.float32),
            mean,
        )

    def __call__(self, histories: Histories) -> NDArray[np.float32]:
        """Return the weight of each event, float32 (E,), 0 or more. An event without a value counts as one of mean value."""
        weights = self.kind[histories.kind]
        if self.exponent.any():
            share = np.maximum(histories.value, 0) / self.mean_value[histories.kind]
            share = np.where(np.isfinite(share), share, 1.0) ** self.exponent[histories.kind]
            weights = (weights * share).astype(np.float32)
        return weights

    def __repr__(self) -> str:
        return f"EventWeights({len(self.kind)} kinds)"


def interactions(dataset: Dataset, weighting: WeightSettings | None = None) -> sp.csr_matrix:
    """Return the (users, items) matrix of summed event weights, float32, from which item-based models learn.

    Parameters
    ----------
    dataset
        Its histories are the rows.
    weighting
        How much an event counts (default: every event counts 1).
    """
    h = dataset.histories
    weights = EventWeights.of(weighting or EventWeighting(), dataset.log)(h)
    matrix = sp.csr_matrix(
        (weights, (h.owner, h.item)), shape=(len(dataset.users), len(dataset.items)), dtype=np.float32
    )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix

"""Again: what the user took before, most often and most recently."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from typing_extensions import override

from shortlist.config.base import Duration, duration_ms
from shortlist.data.dataset import Dataset
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.requests import Requests


class AgainConfig(ItemItemConfig):
    """Settings of `Again`."""

    half_life: Duration | None = "60d"
    """Age at which an event of the history counts half; a duration such as "60d". None: age does not matter."""
    repeats: float = Field(1.0, ge=0, le=1)
    """Exponent on the summed weight of an item in a history: 0 counts an item once however often it was taken, 1 counts
    every event."""


class Again(ItemItem):
    """Recommend what the user took before, most often and most recently.

        score(i) = (Σ_{events of the history with item i} w · 2^(−age / half_life))^repeats

    In groceries, music and apps, most of what people take next they have taken before, and the own frequency with a decay is hard to beat
    there. It learns nothing, and proposes only items of the history, so that it works with a history that was given a second
    ago. Use it where items may be shown again (`rerank.show_seen`, or `show_again`), beside sources of new items: where seen
    items are hidden it proposes nothing.

    Cost: nothing to fit; a request reads its history once.

    Parameters
    ----------
    config : AgainConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        The identity, float32 (items, items), sparse: an item says something of itself only.

    References
    ----------
    Anderson, Kumar, Tomkins & Vassilvitskii 2014, "The dynamics of repeat consumption".
    Hu, He, Gao & Zhang 2020, "Modeling personalized item frequency information for next-basket recommendation".

    Examples
    --------
    >>> Again(half_life="90d")
    Again(half_life='90d')
    """

    Config = AgainConfig
    config: AgainConfig
    name = "again"

    def _fit(self, dataset: Dataset) -> None:
        self.weights_ = sp.identity(len(dataset.items), np.float32, format="csr")

    @override
    def weighted(self, requests: Requests) -> Requests:
        if self.config.half_life is None:
            return requests
        h = requests.histories
        age = np.maximum(requests.moments[h.owner] - h.time, 0) / duration_ms(self.config.half_life)
        # 2^-60 is still positive: an old event is behind later ones, not gone
        return requests.with_weights((requests.weights * np.exp2(-np.minimum(age, 60.0))).astype(np.float32))

"""A least share of slots for some providers, at a bounded price.

A ranker that learns from clicks gives small providers less and less: who is not shown is not chosen (the rich get richer). A least share puts
the best of their items where the slate loses least: the worst others leave first. Each exchange costs predicted utility, so it is made only
while the slate's loss stays under what somebody said they would pay; how much of the share was reached, and what it cost, is the answer and not
a hope (Singh & Joachims 2018, "Fairness of exposure in rankings"; Zehlike et al. 2017, "FA*IR").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shared:
    """`order` int64 (≤ n,): the slate; `reached`: the share of its slots; `price`: the share of its utility that was given up."""

    order: np.ndarray
    reached: float
    price: float


def fair_share(
    order: np.ndarray, utility: np.ndarray, favoured: np.ndarray, share: float, most_loss: float, n: int
) -> Shared:
    """Order int64 (pool,), best first; utility float64 and favoured bool, (rows,) by the rows that order names. O(pool)."""
    slate, spare = order[:n].copy(), order[n:]
    if not len(slate):
        return Shared(slate, 0.0, 0.0)
    owed = math.ceil(share * len(slate) - 1e-9)
    whole = float(utility[slate].sum())
    # a slate worth nothing, or less, has no share of it to give up: then only exchanges that cost nothing are made
    budget, spent = most_loss * max(whole, 0.0), 0.0
    coming = spare[favoured[spare]]
    coming = coming[np.argsort(-utility[coming], kind="stable")]
    places = np.flatnonzero(~favoured[slate])
    leaving = places[np.argsort(utility[slate[places]], kind="stable")]
    have = int(favoured[slate].sum())
    for place, row in zip(leaving.tolist(), coming.tolist(), strict=False):
        if have >= owed:
            break
        loss = float(utility[slate[place]] - utility[row])
        if spent + loss > budget + 1e-12:
            break
        slate[place], spent, have = row, spent + loss, have + 1
    return Shared(slate, have / len(slate), spent / whole if whole > 0 else 0.0)

"""Fairness: a minimum share of slots for some providers, at a bounded loss of utility."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FairSlate:
    """A slate with a minimum share of protected items.

    Attributes
    ----------
    order : ndarray of shape (at most n,), int64
        Rows of the slate.
    reached
        Share of its slots that protected items have.
    price
        Share of the slate's utility that was given up.
    """

    order: NDArray[np.int64]
    reached: float
    price: float

    def __repr__(self) -> str:
        return f"FairSlate({len(self.order)} items, reached={self.reached:.3g}, price={self.price:.3g})"


def fair_share(
    order: NDArray[np.int64],
    utility: NDArray[np.float64],
    protected: NDArray[np.bool_],
    share: float,
    most_loss: float,
    n: int,
    earlier: tuple[int, int] = (0, 0),
) -> FairSlate:
    """Give protected items a minimum share of the slots while the loss of utility stays within a budget.

    A ranker that learns from clicks shows small providers less and less, because items that are not shown are not
    chosen. Here the least useful other items of the slate are exchanged for the best protected items outside it, one by
    one, until the share is reached or the next exchange exceeds the budget. `reached` and `price` report the result.
    Cost: O(pool log pool).

    Parameters
    ----------
    order : ndarray of shape (pool,), int64
        Rows of candidates, best first; the first n are the slate.
    utility : ndarray of shape (rows,), float64
        Utility by the rows that `order` names.
    protected : ndarray of shape (rows,), bool
        Whether a row belongs to the providers that get the share.
    share
        Minimum share of the slots, rounded up.
    most_loss
        Maximum share of the slate's utility that may be lost.
    n
        Number of slots.
    earlier
        Of the pages before this one, the number of slots and of protected items in them: the share is that of all pages together,
        and the loss that of this page.

    References
    ----------
    Zehlike et al. (2017). FA*IR: a fair top-k ranking algorithm. CIKM.

    Singh & Joachims (2018). Fairness of exposure in rankings. KDD.
    """
    slate, rest = order[:n].copy(), order[n:]
    if not len(slate):
        return FairSlate(slate, 0.0, 0.0)
    required = math.ceil(share * (earlier[0] + len(slate)) - 1e-9) - earlier[1]
    total = float(utility[slate].sum())
    # A slate of zero or negative utility has no budget: only exchanges without loss are made.
    budget, spent = most_loss * max(total, 0.0), 0.0
    entering = rest[protected[rest]]
    entering = entering[np.argsort(-utility[entering], kind="stable")]
    places = np.flatnonzero(~protected[slate])
    leaving = places[np.argsort(utility[slate[places]], kind="stable")]
    count = int(protected[slate].sum())
    for place, row in zip(leaving.tolist(), entering.tolist(), strict=False):
        if count >= required:
            break
        loss = float(utility[slate[place]] - utility[row])
        if spent + loss > budget + 1e-12:
            break
        slate[place], spent, count = row, spent + loss, count + 1
    return FairSlate(slate, count / len(slate), spent / total if total > 0 else 0.0)

"""How well a network ranks the events that are held out for early stopping. Only training imports it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortlist.metrics.ranking import discount

DEPTH = 10
"""Length of the list on which held-out events are evaluated."""
WATCHED = f"ndcg@{DEPTH}"
"""The curve that early stopping follows."""
SLACK = 0.03
"""Two epochs whose curves differ by less cannot be told apart by some thousand held-out events: a standard error of the difference."""
ROWS = 256
"""Held-out events that are ranked at once."""


def ranks_of(
    states: Tensor, vectors: Tensor, target: Tensor, seen: tuple[Tensor, Tensor]
) -> NDArray[np.int64]:
    """Return how many items score higher than the target of each row; seen items are left out unless they are the target.

    Parameters
    ----------
    states
        (B, d).
    vectors
        (items, d).
    target
        int64 (B,).
    seen
        Row and item of each event of the histories, int64 (E,) each.
    """
    scores = states @ vectors.T
    own = scores.gather(1, target[:, None])
    hidden = torch.zeros_like(scores, dtype=torch.bool)
    hidden[seen] = True
    return ((scores > own) & ~hidden).sum(1).cpu().numpy()


def quality(ranks: NDArray[np.int64]) -> dict[str, float]:
    """Return NDCG and hit rate of lists with one relevant item at these ranks, from 0."""
    gains = np.append(discount(DEPTH), 0.0)[np.minimum(ranks, DEPTH)]
    return {WATCHED: float(gains.mean()), f"hit_rate@{DEPTH}": float((ranks < DEPTH).mean())}

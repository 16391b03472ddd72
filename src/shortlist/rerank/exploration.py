"""Exploration: slates drawn at random around the best one, with known propensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.rerank.cold_start import ColdStartSlot

POOL = 5
"""Number of candidates per slot from which slates are drawn."""
ExplorationMethod = Literal["plackett_luce", "epsilon"]
Draw = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rows and their propensities."""


@dataclass(frozen=True, slots=True)
class ExplorationPolicy:
    """How slates are drawn from ranked candidates.

    - `plackett_luce` draws without replacement; the candidate at rank r (from 0) has the weight (r + 1)^(−1 / strength).
      At strength 0.3 the first item moves now and then; at 1 the tenth item has a tenth of the first one's weight. It is
      sampled by adding Gumbel noise to log weights.
    - `epsilon` fills each slot with probability ε = strength by a uniformly drawn candidate, otherwise by the best
      remaining one. Every candidate has a minimum propensity, which off-policy estimates need.

    Exploration costs utility on each explored slate. Without off-policy evaluation or retraining on the log, leave it
    off.

    Parameters
    ----------
    strength
        0 for no exploration; 0.3 is little, 1 is much.
    method
        `"plackett_luce"` or `"epsilon"`.
    first_slot
        The first slot, from 0, that is explored; slots above it keep the best candidates.

    References
    ----------
    Kool, van Hoof & Welling (2019). Stochastic beams and where to find them. ICML. (Gumbel top-k sampling.)
    """

    strength: float
    method: ExplorationMethod = "plackett_luce"
    first_slot: int = 0


def pool_of(n: int, ranked: int) -> int:
    """Return the number of candidates, the best of some that are ranked, from which slates of n items are drawn."""
    return min(POOL * n, ranked)


def explore(
    ranked: int, n: int, policy: ExplorationPolicy, seed: int, cold_start: ColdStartSlot | None = None
) -> Draw:
    """Draw a slate from ranked candidates.

    Parameters
    ----------
    ranked
        Number of candidates; row r is the one at rank r.
    n
        Number of slots.
    policy
        How to draw.
    seed
        Seed of the draw; the same seed gives the same slate.
    cold_start
        New items that may get a reserved slot. Their rows may be `ranked` or higher.

    Returns
    -------
    rows : ndarray of shape (at most n,), int64
        The slate.
    propensities : ndarray of shape (at most n,), float64
        Probability of each item in its slot, given the slots above.
    """
    if policy.strength <= 0 and cold_start is None:
        size = min(ranked, n)
        return np.arange(size), np.ones(size)
    rng = np.random.default_rng(seed)
    remaining = np.arange(ranked)
    if cold_start is None:
        return _draw(remaining, 0, n, policy, rng)
    # Slots are drawn in the order in which propensities are conditioned: above, the reserved slot, below.
    slot = min(cold_start.slot, max(n - 1, 0))
    rows, propensities = _draw(remaining, 0, slot, policy, rng)
    remaining = remaining[~np.isin(remaining, rows)]
    new, probability = cold_start.draw_probabilities(rows)
    coin, pick = rng.random(2)
    if len(new) and coin < cold_start.share:
        at = min(int(np.searchsorted(np.cumsum(probability), pick)), len(new) - 1)
        regular = _propensity(remaining, int(new[at]), slot, policy)
        own = cold_start.share * probability[at] + (1 - cold_start.share) * regular
        remaining = remaining[remaining != new[at]]
        rows, propensities = np.append(rows, new[at]), np.append(propensities, own)
        below, rest = _draw(remaining, slot + 1, n, policy, rng)
        return np.concatenate([rows, below]), np.concatenate([propensities, rest])
    below, rest = _draw(remaining, slot, n, policy, rng)
    if len(new) and len(below):
        by_trial = float(probability[new == below[0]].sum())
        rest[0] = (1 - cold_start.share) * rest[0] + cold_start.share * by_trial
    return np.concatenate([rows, below]), np.concatenate([propensities, rest])


def _draw(
    remaining: NDArray[np.int64], begin: int, end: int, policy: ExplorationPolicy, rng: np.random.Generator
) -> Draw:
    """Fill slots begin … end from the remaining rows, int64 in order of rank."""
    strength = policy.strength
    size = max(min(end - begin, len(remaining)), 0)
    fixed = size if strength <= 0 else min(max(policy.first_slot - begin, 0), size)
    head, remaining, size = remaining[:fixed], remaining[fixed:], size - fixed
    if not size:
        return head, np.ones(len(head))
    if policy.method == "epsilon":
        places, propensities = _draw_epsilon(len(remaining), size, min(strength, 1.0), rng)
    else:
        log_weight = _log_weights(remaining, strength)
        noisy = log_weight + rng.gumbel(size=len(remaining))
        places = np.argsort(-noisy, kind="stable")[:size]
        propensities = plackett_luce_propensities(log_weight, places)
    return np.concatenate([head, remaining[places]]), np.concatenate([np.ones(len(head)), propensities])


def _propensity(remaining: NDArray[np.int64], row: int, slot: int, policy: ExplorationPolicy) -> float:
    """Return the probability that a row gets the next slot if that slot is not reserved for a new item."""
    place = np.flatnonzero(remaining == row)
    if not len(place):
        return 0.0
    if policy.strength <= 0 or slot < policy.first_slot:
        return float(place[0] == 0)
    if policy.method == "epsilon":
        return _epsilon_propensity(int(place[0]), len(remaining), min(policy.strength, 1.0))
    return float(plackett_luce_propensities(_log_weights(remaining, policy.strength), place)[0])


def _log_weights(ranks: NDArray[np.int64], strength: float) -> NDArray[np.float64]:
    return np.asarray(-np.log(ranks + 1.0) / max(strength, 1e-6))


def _draw_epsilon(ranked: int, size: int, epsilon: float, rng: np.random.Generator) -> Draw:
    places, propensities = np.empty(size, np.int64), np.empty(size)
    remaining = list(range(ranked))
    for slot, (coin, pick) in enumerate(rng.random((size, 2)).tolist()):
        at = int(pick * len(remaining)) if coin < epsilon else 0
        propensities[slot] = _epsilon_propensity(at, len(remaining), epsilon)
        places[slot] = remaining.pop(at)
    return places, propensities


def _epsilon_propensity(place: int, remaining: int, epsilon: float) -> float:
    return epsilon / remaining + (1 - epsilon) * (place == 0)


def plackett_luce_propensities(
    log_weight: NDArray[np.float64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probability of each choice given those before it, for draws without replacement.

    Parameters
    ----------
    log_weight : ndarray of shape (candidates,), float64
        Logarithm of each candidate's weight.
    chosen : ndarray of shape (n,), int64
        Candidates in the order in which they were drawn.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    unchosen = np.ones(len(log_weight), bool)
    unchosen[chosen] = False
    tail = np.logaddexp.reduce(log_weight[unchosen]) if unchosen.any() else -np.inf
    # Remaining mass per slot, summed from the last slot on in log space: subtracting from the total would lose small weights.
    mass = np.logaddexp.accumulate(np.append(tail, log_weight[chosen][::-1]))[1:][::-1]
    return np.asarray(np.minimum(np.exp(log_weight[chosen] - mass), 1.0))

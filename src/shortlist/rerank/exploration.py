"""Exploration: slates drawn around the best one, with chances that are known.

**plackett_luce** draws the arranged candidates without replacement, the one at rank r with weight (r + 1)^(−1/strength) (drawn by adding
Gumbel noise: Kool et al. 2019). At strength 0.3 the first is moved now and then; at 1 the tenth still has a tenth of the first one's
chance in every slot. **epsilon** gives each slot, with the chance ε = strength, to any of the candidates alike, else to the best that is
left: simple to explain, and every candidate has a least chance. Slots above `first` are never explored: what a page opens with can be kept
the best.

What is logged is the chance of each item in its slot given the slots above, which is what off-policy estimates need. A seed makes a slate
again. New items have a way of their own (`newcomers.py`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from shortlist.rerank.cold_start import Trial

POOL = 5
"""So many candidates a slot are drawn from."""
Way = Literal["plackett_luce", "epsilon"]


def explored(
    ranked: int,
    n: int,
    strength: float,
    seed: int,
    way: Way = "plackett_luce",
    first: int = 0,
    newcomer: Trial | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Which of `ranked` candidates, best first, go to the n slots: rows int64 (≤ n,) and their chances float64 (≤ n,).

    newcomer: new items that have a slot of their own now and then; their rows may lie beyond `ranked`.
    """
    if strength <= 0 and newcomer is None:
        size = min(ranked, n)
        return np.arange(size), np.ones(size)
    rng = np.random.default_rng(seed)
    left = np.arange(ranked)
    if newcomer is None:
        return _draw(left, 0, n, strength, rng, way, first)
    # slot by slot, as it is logged: those above, the slot where a newcomer may stand, those below
    slot = min(newcomer.slot, max(n - 1, 0))
    chosen, chance = _draw(left, 0, slot, strength, rng, way, first)
    left = left[~np.isin(left, chosen)]
    new, best = newcomer.draws(chosen)
    coin, pick = rng.random(2)
    if len(new) and coin < newcomer.share:
        at = min(int(np.searchsorted(np.cumsum(best), pick)), len(new) - 1)
        own = newcomer.share * best[at] + (1 - newcomer.share) * _usual(
            left, new[at], slot, strength, way, first
        )
        left = left[left != new[at]]
        chosen, chance = np.append(chosen, new[at]), np.append(chance, own)
        below, after = _draw(left, slot + 1, n, strength, rng, way, first)
        return np.concatenate([chosen, below]), np.concatenate([chance, after])
    below, after = _draw(left, slot, n, strength, rng, way, first)
    if len(new) and len(below):
        after[0] = (1 - newcomer.share) * after[0] + newcomer.share * float(best[new == below[0]].sum())
    return np.concatenate([chosen, below]), np.concatenate([chance, after])


def _draw(
    left: np.ndarray, begin: int, end: int, strength: float, rng: np.random.Generator, way: Way, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slots begin … end from the candidates that are left, int64 in order of rank: which, and with which chances."""
    size = max(min(end - begin, len(left)), 0)
    sure = size if strength <= 0 else min(max(first - begin, 0), size)
    head, left, size = left[:sure], left[sure:], size - sure
    if not size:
        return head, np.ones(len(head))
    if way == "epsilon":
        chosen, chance = _epsilon(len(left), size, min(strength, 1.0), rng)
    else:
        score = _scores(left, strength)
        chosen = np.argsort(-(score + rng.gumbel(size=len(left))), kind="stable")[:size]
        chance = chances(score, chosen)
    return np.concatenate([head, left[chosen]]), np.concatenate([np.ones(len(head)), chance])


def _usual(left: np.ndarray, row: int, slot: int, strength: float, way: Way, first: int) -> float:
    """The chance that a row has the next slot without newcomers."""
    at = np.flatnonzero(left == row)
    if not len(at):
        return 0.0
    if strength <= 0 or slot < first:
        return float(at[0] == 0)
    if way == "epsilon":
        return _epsilon_chance(int(at[0]), len(left), min(strength, 1.0))
    return float(chances(_scores(left, strength), at)[0])


def _scores(left: np.ndarray, strength: float) -> np.ndarray:
    return np.asarray(-np.log(left + 1.0) / max(strength, 1e-6))


def _epsilon(
    ranked: int, size: int, epsilon: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    chosen, chance = np.empty(size, np.int64), np.empty(size)
    left = list(range(ranked))
    for slot, (coin, place) in enumerate(rng.random((size, 2)).tolist()):
        at = int(place * len(left)) if coin < epsilon else 0
        chance[slot] = _epsilon_chance(at, len(left), epsilon)
        chosen[slot] = left.pop(at)
    return chosen, chance


def _epsilon_chance(at: int, left: int, epsilon: float) -> float:
    """Of the candidate at a place among those that are left: any alike, or the best."""
    return epsilon / left + (1 - epsilon) * (at == 0)


def chances(score: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chance of each choice given those before it, float64 (n,), for weights e^score."""
    unchosen = np.ones(len(score), bool)
    unchosen[chosen] = False
    tail = np.logaddexp.reduce(score[unchosen]) if unchosen.any() else -np.inf
    # what is left at each slot, summed from the last on and as logarithms: differences of sums would lose the small ones
    left = np.logaddexp.accumulate(np.append(tail, score[chosen][::-1]))[1:][::-1]
    return np.asarray(np.minimum(np.exp(score[chosen] - left), 1.0))

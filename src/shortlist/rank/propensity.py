"""Position bias: how much less a lower slot is looked at, from the log itself.

The examination model says: chance of a click = chance that the slot is examined × chance that the item is wanted. What
is sought is the first factor, as a share of the top slot's.

- **swaps**: where the log knows its propensities and they come from drawing one item after the other (Plackett–Luce), then
  for each two neighbours of a slate the chance of the opposite order is known too. Weighted by it, every pair is a small
  randomised experiment: the same two items, in either order. The ratio of clicks in the two slots is the ratio of their
  examination; slots are chained (Joachims et al. 2017 swap on purpose; here chance has already swapped).
- **harvest**: without propensities, or where slates were certain, items that were shown in both slots (by different engines, at different times) are the
  experiment (Agarwal et al. 2019, "Estimating position bias without intrusive interventions"). That is right where an item's
  slot does not depend on who looks, beyond what the item is.

Intervals: bootstrap over people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.rank.labels import labels

FEWEST = 20
"""Clicks that a slot needs before its ratio is believed."""
RARE = 0.05
"""Both orders of a pair must have had this chance."""
DRAWN = 1e-6
"""What must have been left to draw from where a slot was drawn."""


@dataclass(frozen=True)
class Examination:
    """`share` float64 (slots,): how much each slot is examined, the top one 1; `low`, `high`: 95 % interval; `clicks`
    int64 (slots,); `method`: swaps, harvest or none.
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clicks: np.ndarray
    method: str

    def at(self, position: np.ndarray) -> np.ndarray:
        """The share at each position (−1: not shown, so not in question); slots below the last are like it."""
        if not len(self.share):
            return np.ones(len(position))
        return np.where(position < 0, 1.0, self.share[np.clip(position, 0, len(self.share) - 1).astype(int)])


NOTHING = Examination(*(np.empty(0),) * 3, np.empty(0, np.int64), "none")


def examination(
    dataset: Dataset,
    objective: Objective,
    resamples: int = 200,
    method: str | None = None,
    seed: int = 0,
) -> Examination:
    """Estimate it from a data set's impressions. Without impressions in several slots the method is `none`."""
    log = dataset.log
    rows = np.flatnonzero(log.is_kind([IMPRESSION]) & (log.position >= 0))
    if not len(rows):
        return NOTHING
    positive = objective.model_copy(update={"kind": "probability"})
    click = labels(log, positive, log.user[rows], log.item[rows], log.time[rows] - 1)
    slots = int(log.position[rows].max()) + 1
    clicks = np.bincount(log.position[rows], click, slots).astype(np.int64)
    slots = int(np.argmax(clicks < FEWEST)) if (clicks < FEWEST).any() else slots
    if slots < 2:
        return NOTHING
    used, pairs = "harvest", None
    if method != "harvest":
        unknown = (log.slate[rows] < 0) | np.isnan(log.propensity[rows])
        known = ~np.isin(log.slate[rows], np.unique(log.slate[rows[unknown]]))
        swaps = _swaps(dataset, rows[known], click[known], slots)
        clicked = np.bincount(swaps.slot, (swaps.upper > 0) | (swaps.lower > 0), slots - 1)
        if clicked.min() >= FEWEST or method == "swaps":
            used, pairs = "swaps", swaps
    if pairs is None:
        pairs = _harvest(dataset, rows, click, slots)
    share = _chained(pairs, np.ones(len(dataset.users)), slots)
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [_chained(pairs, rng.poisson(1.0, len(dataset.users)).astype(float), slots) for _ in range(resamples)]
    )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Examination(share, low, high, clicks[:slots], used)


def position_curve(dataset: Dataset, project: Project) -> Examination | None:
    """Estimate the curve that `rank.position_bias = "weights"` uses, from the project's first probability.

    Returns None if the project does not use it, or has no probability.
    """
    if project.rank.position_bias != "weights":
        return None
    objectives = project.objectives.values()
    clicked = next((o for o in objectives if o.kind == "probability" and o.given is None), None)
    return examination(dataset, clicked, seed=project.seed) if clicked is not None else None


@dataclass(frozen=True)
class _Pairs:
    """Weighted clicks of slot k ("upper") and k + 1 ("lower"), each with the person it came from."""

    slot: np.ndarray
    user: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


def _swaps(dataset: Dataset, rows: np.ndarray, click: np.ndarray, slots: int) -> _Pairs:
    log = dataset.log
    order = np.lexsort([log.position[rows], log.slate[rows], log.user[rows]])
    rows, click = rows[order], click[order]
    position, slate, user = log.position[rows].astype(int), log.slate[rows], log.user[rows]
    chance = log.propensity[rows].astype(np.float64)
    starts = np.flatnonzero(np.concatenate([[True], (slate[1:] != slate[:-1]) | (user[1:] != user[:-1])]))
    # undo "given the slots above": each item's weight as a share of all, and what was left when its slot was drawn
    left = np.ones(len(rows))
    whole = np.diff(np.append(starts, len(rows)))
    weight = np.empty(len(rows))
    for depth in range(int(whole.max(initial=0))):
        at = starts[whole > depth] + depth
        weight[at] = chance[at] * left[at]
        follow = at[np.isin(at + 1, starts[whole > depth] + depth + 1) & (whole[whole > depth] > depth + 1)]
        left[follow + 1] = np.maximum(left[follow] - weight[follow], 1e-9)
    upper = np.flatnonzero(
        np.concatenate(
            [
                (slate[1:] == slate[:-1]) & (user[1:] == user[:-1]) & (position[1:] == position[:-1] + 1),
                [False],
            ]
        )
    )
    upper = upper[position[upper] + 1 < slots]
    a, b, rest = weight[upper], weight[upper + 1], left[upper]
    this, other = 1.0 / np.maximum(rest - a, 1e-9), 1.0 / np.maximum(rest - b, 1e-9)
    order = this / (this + other)
    # no experiment where the opposite order had next to no chance: what a recommender puts first for certain is also what is
    # liked best, and would make the slots below look dark
    fair = (rest > DRAWN) & (chance[upper] < 1 - DRAWN) & (order >= RARE) & (order <= 1 - RARE)
    upper, inverse = upper[fair], 1 / order[fair]
    return _Pairs(position[upper], user[upper], click[upper] * inverse, click[upper + 1] * inverse)


def _harvest(dataset: Dataset, rows: np.ndarray, click: np.ndarray, slots: int) -> _Pairs:
    log = dataset.log
    kept = log.position[rows] < slots
    rows, click = rows[kept], click[kept]
    position, item, user = log.position[rows].astype(np.int64), log.item[rows], log.user[rows]
    n = len(dataset.items)
    shown = np.bincount(item * slots + position, minlength=n * slots).reshape(n, slots).astype(np.float64)
    parts = []
    for slot in range(slots - 1):
        # an item's clicks per showing, in items that both slots had, weighted by the scarcer slot
        common = np.minimum(shown[:, slot], shown[:, slot + 1])
        for at in (slot, slot + 1):
            here = (position == at) & (common[item] > 0)
            scaled = click[here] * common[item[here]] / shown[item[here], at]
            zero = np.zeros(int(here.sum()))
            parts.append(
                (np.full(len(zero), slot), user[here], *((scaled, zero) if at == slot else (zero, scaled)))
            )
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _chained(pairs: _Pairs, draws: np.ndarray, slots: int) -> np.ndarray:
    times = draws[pairs.user]
    upper = np.bincount(pairs.slot, pairs.upper * times, slots - 1)
    lower = np.bincount(pairs.slot, pairs.lower * times, slots - 1)
    ratio = np.divide(lower, upper, out=np.ones(slots - 1), where=upper > 0)
    return np.concatenate([[1.0], np.cumprod(ratio)])

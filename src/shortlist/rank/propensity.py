"""Position bias: how often each slot is examined, estimated from the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.rank.labels import labels

MIN_CLICKS = 20
"""A slot needs this many clicks; the first slot with fewer ends the curve."""
MIN_ORDER_PROBABILITY = 0.05
"""Each order of a pair must have had this probability."""
DRAWN = 1e-6
"""A slot was drawn at random if at least this share of the weights was left to draw from."""
RESAMPLES = 200
"""Bootstrap samples of an interval."""


@dataclass(frozen=True, eq=False, repr=False)
class Examination:
    """How often users look at each slot of a slate, relative to the top slot.

    The examination model factorises p(click) = p(slot is examined) · p(item is attractive). The first factor is
    estimated from pairs of adjacent slots, whose ratios are multiplied from the top slot down.

    - **swaps**: if the log has propensities of a Plackett–Luce policy, which draws one item after the other, then the
      probability of the opposite order of two adjacent items is known too. Weighted by its inverse, each pair is a
      randomised experiment: the same two items in either order. The ratio of clicks in the two slots is that of their
      examination probabilities. (Joachims et al. intervene to swap items; here the policy's randomness has done it.)
    - **harvest**: without propensities, or for slates without randomness, items that were shown in both slots, by different
      systems or at different times, are the experiment. It is unbiased if the slot of an item does not depend on the
      user, given the item.

    Intervals come from a bootstrap over users. Do not use the curve if slates are scrolled in two directions: examination
    then depends on more than the slot.

    Parameters
    ----------
    share : ndarray of shape (slots,), float64
        Examination probability of each slot; the top slot has 1.
    low, high : ndarray of shape (slots,), float64
        95 % interval.
    clicks : ndarray of shape (slots,), int64
        Number of clicks in each slot.
    method : {"swaps", "harvest", "none"}
        How it was estimated; `none` if the log has no impressions in several slots.

    References
    ----------
    Joachims, Swaminathan & Schnabel (2017). Unbiased learning-to-rank with biased feedback. WSDM.
    Agarwal, Zaitsev, Wang, Li, Najork & Joachims (2019). Estimating position bias without intrusive interventions. WSDM.
    """

    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    clicks: NDArray[np.int64]
    method: str

    def at(self, position: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the examination probability at each position.

        It is 1 for items that were not shown (position −1). Slots below the last have the probability of the last.
        """
        if not len(self.share):
            return np.ones(len(position))
        return np.where(position < 0, 1.0, self.share[np.clip(position, 0, len(self.share) - 1).astype(int)])

    def __repr__(self) -> str:
        return f"Examination({self.method}, {len(self.share)} slots, {int(self.clicks.sum()):,} clicks)"


NO_EXAMINATION = Examination(np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64), "none")


def estimate_examination(
    dataset: Dataset,
    objective: Objective,
    resamples: int = RESAMPLES,
    method: str | None = None,
    seed: int = 0,
) -> Examination:
    """Estimate how often each slot is examined from the impressions of a data set.

    Parameters
    ----------
    dataset
        The data set, with positions and, for `swaps`, propensities of impressions.
    objective
        What counts as a click.
    resamples
        Number of bootstrap samples of the intervals.
    method : {"swaps", "harvest"}, optional
        Default: `swaps` if every slot has enough clicks in pairs of known propensity, else `harvest`.
    seed
        Seed of the bootstrap.

    Returns
    -------
    Examination
        With the method `none` if there are no impressions in several slots.
    """
    log = dataset.log
    rows = np.flatnonzero(log.is_kind([IMPRESSION]) & (log.position >= 0))
    if not len(rows):
        return NO_EXAMINATION
    positive = objective.model_copy(update={"kind": "probability"})
    click = labels(log, positive, log.user[rows], log.item[rows], log.time[rows] - 1)
    slots = int(log.position[rows].max()) + 1
    clicks = np.bincount(log.position[rows], click, slots).astype(np.int64)
    slots = int(np.argmax(clicks < MIN_CLICKS)) if (clicks < MIN_CLICKS).any() else slots
    if slots < 2:
        return NO_EXAMINATION
    used, pairs = "harvest", None
    if method != "harvest":
        unknown = (log.slate[rows] < 0) | np.isnan(log.propensity[rows])
        known = ~np.isin(log.slate[rows], np.unique(log.slate[rows[unknown]]))
        swaps = _swaps(dataset, rows[known], click[known], slots)
        clicked = np.bincount(swaps.slot, (swaps.upper > 0) | (swaps.lower > 0), slots - 1)
        if clicked.min() >= MIN_CLICKS or method == "swaps":
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
    return estimate_examination(dataset, clicked, seed=project.seed) if clicked is not None else None


@dataclass(frozen=True, eq=False, repr=False)
class _Pairs:
    """Weighted clicks of pairs: slot k (`upper`) and slot k + 1 (`lower`), each pair with its user; arrays (pairs,)."""

    slot: NDArray[np.int64]
    user: NDArray[np.int32]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]


def _swaps(dataset: Dataset, rows: NDArray[np.int64], click: NDArray[np.float32], slots: int) -> _Pairs:
    """Return adjacent pairs of slates with known propensities, clicks weighted by the inverse probability of their order."""
    log = dataset.log
    order = np.lexsort((log.position[rows], log.slate[rows], log.user[rows]))
    rows, click = rows[order], click[order]
    position, slate, user = log.position[rows].astype(int), log.slate[rows], log.user[rows]
    chance = log.propensity[rows].astype(np.float64)
    starts = np.flatnonzero(np.concatenate([[True], (slate[1:] != slate[:-1]) | (user[1:] != user[:-1])]))
    # a propensity is conditional on the slots above; recover each item's share of all weights (`weight`), and the share
    # that was left when its slot was drawn (`left`)
    left = np.ones(len(rows))
    size = np.diff(np.append(starts, len(rows)))
    weight = np.empty(len(rows))
    for depth in range(int(size.max(initial=0))):
        at = starts[size > depth] + depth
        weight[at] = chance[at] * left[at]
        follow = at[np.isin(at + 1, starts[size > depth] + depth + 1) & (size[size > depth] > depth + 1)]
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
    in_order = this / (this + other)
    # leave out pairs whose opposite order was improbable: items that a recommender always ranks first are also liked best,
    # so the slots below would seem to be examined less
    likely = (in_order >= MIN_ORDER_PROBABILITY) & (in_order <= 1 - MIN_ORDER_PROBABILITY)
    randomised = (rest > DRAWN) & (chance[upper] < 1 - DRAWN) & likely
    upper, inverse = upper[randomised], 1 / in_order[randomised]
    return _Pairs(position[upper], user[upper], click[upper] * inverse, click[upper + 1] * inverse)


def _harvest(dataset: Dataset, rows: NDArray[np.int64], click: NDArray[np.float32], slots: int) -> _Pairs:
    """Return clicks on items that were shown in both slots of a pair, scaled to as many impressions in either slot."""
    log = dataset.log
    inside = log.position[rows] < slots
    rows, click = rows[inside], click[inside]
    position, item, user = log.position[rows].astype(np.int64), log.item[rows], log.user[rows]
    n = len(dataset.items)
    shown = np.bincount(item * slots + position, minlength=n * slots).reshape(n, slots).astype(np.float64)
    parts = []
    for slot in range(slots - 1):
        # clicks per impression of items that both slots had, weighted by the rarer slot
        common = np.minimum(shown[:, slot], shown[:, slot + 1])
        for at in (slot, slot + 1):
            here = (position == at) & (common[item] > 0)
            scaled = click[here] * common[item[here]] / shown[item[here], at]
            zero = np.zeros(int(here.sum()))
            parts.append(
                (np.full(len(zero), slot), user[here], *((scaled, zero) if at == slot else (zero, scaled)))
            )
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _chained(pairs: _Pairs, user_weights: NDArray[np.float64], slots: int) -> NDArray[np.float64]:
    """Return the examination probability of each slot, float64 (slots,): the product of the ratios of adjacent slots."""
    weight = user_weights[pairs.user]
    upper = np.bincount(pairs.slot, pairs.upper * weight, slots - 1)
    lower = np.bincount(pairs.slot, pairs.lower * weight, slots - 1)
    ratio = np.divide(lower, upper, out=np.ones(slots - 1), where=upper > 0)
    return np.concatenate([[1.0], np.cumprod(ratio)])

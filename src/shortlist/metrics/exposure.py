"""Metrics of a whole set of slates: coverage, concentration of exposure, popularity lift.

These numbers have no value for one user. Confidence intervals, and differences between two recommenders, come from
**pseudo-values** (the jackknife: Quenouille 1956; Miller 1974): n × the number over all users − (n − 1) × the number
without this user, computed here for all users at once. Pseudo-values are then treated like any metric that has a value
per user; their mean is the number itself.

`slates` int, shape (users, n): item codes, −1 where a slate is shorter; `k`: the number of places that count. Where the slates are
only a part of the set, `whole` holds the sums over all of it (`Exposure`), of which each part adds its own: the pseudo-values of a part
are then those that its users have in the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics.ranking import discount

Slates = NDArray[np.integer]
PerUser = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Exposure:
    """How often each group of items was shown, in a set of slates.

    Attributes
    ----------
    users
        Number of slates.
    shown
        float64 (groups,): how often each was shown, or by what weights of places.
    """

    users: int
    shown: NDArray[np.float64]

    @classmethod
    def of(
        cls, slates: Slates, owner_of: NDArray[np.integer], n: int, k: int, by_place: bool = False
    ) -> Exposure:
        """Count a set of slates; the arguments are those of `gini_pseudo_values`."""
        owner, weight = _owners(slates, owner_of, k, by_place)
        counts = owner >= 0
        weights = np.broadcast_to(weight, owner.shape)[counts] if by_place else None
        return cls(len(slates), np.bincount(owner[counts], weights, n).astype(np.float64))

    def __repr__(self) -> str:
        return f"Exposure({self.users:,} slates, {len(self.shown):,} groups)"


@dataclass(frozen=True)
class Lift:
    """Sums of the popularity lift over users with a history and a slate: how many, what was shown to them, and what they took."""

    users: int
    shown: float
    past: float

    @property
    def value(self) -> float:
        """The lift; NaN where no user counts."""
        return self.shown / self.past - 1 if self.users else float("nan")


def coverage(slates: Slates, n_items: int, k: int) -> float:
    """Fraction of the catalogue that is on at least one slate.

    One impression counts as much as a thousand. (Herlocker et al. 2004: catalogue coverage.)
    """
    top = slates[:, :k]
    seen = np.zeros(max(n_items, int(top.max(initial=-1)) + 1), bool)
    seen[top[top >= 0]] = True
    return int(seen.sum()) / max(n_items, 1)


def coverage_pseudo_values(slates: Slates, n_items: int, k: int, whole: Exposure | None = None) -> PerUser:
    """Pseudo-values of `coverage`: a user's part is the items that no other user was shown."""
    whole = whole or Exposure.of(slates, np.arange(n_items), n_items, k)
    top, owner = _shown(slates, k)
    only = whole.shown == 1
    without = np.bincount(owner, only[top], len(slates)) / max(n_items, 1)
    value = int((whole.shown > 0).sum()) / max(n_items, 1)
    return _centred(value, whole.users * without, int(only.sum()) / max(n_items, 1))


def gini(exposure: NDArray[np.floating] | NDArray[np.integer]) -> float:
    """Gini index of exposure: 0 if all have the same, near 1 if one has everything; NaN without exposure.

    Does not show who is favoured, or whether they deserve it.

    Formula: 2 Σ i·xᵢ ÷ (n Σ xᵢ) − (n + 1) ÷ n, for x in ascending order (Gini 1912).
    """
    total = exposure.sum()
    if not len(exposure) or total <= 0:
        return float("nan")
    n = len(exposure)
    return float(2 * (np.arange(1, n + 1) * np.sort(exposure)).sum() / (n * total) - (n + 1) / n)


def gini_pseudo_values(
    slates: Slates,
    owner_of: NDArray[np.integer],
    n: int,
    k: int,
    by_place: bool = False,
    whole: Exposure | None = None,
) -> PerUser:
    """Pseudo-values of the Gini index of exposure.

    Parameters
    ----------
    slates
    owner_of : ndarray of int, shape (items,)
        The group that each item's exposure counts for, 0 … n − 1, or −1 for none: `arange(items)` for the exposure of items, a
        provider's number for provider exposure.
    n
        Number of groups.
    k
    by_place
        Weight an impression by 1 ÷ log₂(place + 1), as attention declines with the place.

    References
    ----------
    Singh & Joachims 2018, "Fairness of exposure in rankings".
    """
    whole = whole or Exposure.of(slates, owner_of, n, k, by_place)
    owner, weight = _owners(slates, owner_of, k, by_place)
    value, total = gini(whole.shown), whole.shown.sum()
    if np.isnan(value):
        return np.full(len(slates), np.nan)
    # the derivative of the index by one more impression: the rank among all groups, against the mean; ties share a rank
    _, tie, count = np.unique(whole.shown, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[tie]
    slope = np.append((2 * rank - (n + 1)) / (n * total) - value / total, 0.0)
    return _centred(value, whole.users * (slope[owner] @ weight), float(slope[:-1] @ whole.shown))


def popularity_lift_pseudo_values(
    slates: Slates,
    indptr: NDArray[np.integer],
    taken: NDArray[np.integer],
    popularity: NDArray[np.floating],
    k: int,
    whole: Lift | None = None,
) -> PerUser:
    """Pseudo-values of the popularity lift, NaN for users without a history or slate.

    The lift is the mean popularity of shown items ÷ the mean popularity of the same users' histories − 1. 0: as mainstream as the users;
    1: twice as popular. It cannot show niche users who are served badly, if the mean fits.

    Parameters
    ----------
    slates
    indptr : ndarray of int, shape (users + 1,)
        The history of user b is `taken[indptr[b]:indptr[b + 1]]`.
    taken : ndarray of int
        Item codes.
    popularity : ndarray of float, shape (items,)
    k

    References
    ----------
    Abdollahpouri et al. 2019, "The unfairness of popularity bias in recommendation".
    """
    shown, past, known = _lifts(slates, indptr, taken, popularity, k)
    whole = whole or _lift(shown, past, known)
    values = np.full(len(slates), np.nan)
    if known.any():
        mean = whole.past / whole.users
        values[known] = whole.value + (shown[known] - (whole.value + 1) * past[known]) / mean
    return values


def popularity_lift(
    slates: Slates,
    indptr: NDArray[np.integer],
    taken: NDArray[np.integer],
    popularity: NDArray[np.floating],
    k: int,
) -> Lift:
    """Return the sums of `popularity_lift_pseudo_values`, which has the same arguments."""
    return _lift(*_lifts(slates, indptr, taken, popularity, k))


def _lift(shown: PerUser, past: PerUser, known: NDArray[np.bool_]) -> Lift:
    return Lift(int(known.sum()), float(shown[known].sum()), float(past[known].sum()))


def _lifts(
    slates: Slates,
    indptr: NDArray[np.integer],
    taken: NDArray[np.integer],
    popularity: NDArray[np.floating],
    k: int,
) -> tuple[PerUser, PerUser, NDArray[np.bool_]]:
    """Return each user's mean popularity of shown items and of the history, and who has both."""
    top, owner = _shown(slates, k)
    n, sizes = len(slates), np.diff(indptr)
    shown = np.bincount(owner, popularity[top], n) / np.maximum(np.bincount(owner, minlength=n), 1)
    past = np.bincount(np.repeat(np.arange(n), sizes), popularity[taken], n) / np.maximum(sizes, 1)
    return shown, past, (sizes > 0) & (np.bincount(owner, minlength=n) > 0) & (past > 0)


def _owners(
    slates: Slates, owner_of: NDArray[np.integer], k: int, by_place: bool
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Return the group of each shown item, −1 for none, and the weight of each place."""
    top = slates[:, :k]
    weight = discount(top.shape[1]) if by_place else np.ones(top.shape[1])
    # item −1, an empty place, is the last entry
    return np.append(owner_of, -1)[top], weight


def _shown(slates: Slates, k: int) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """Return the items shown, and the row of the slate that each is on."""
    top = slates[:, :k]
    filled = top >= 0
    return top[filled], np.repeat(np.arange(len(top)), filled.sum(1))


def _centred(value: float, parts: PerUser, mean: float) -> PerUser:
    """Return the parts, shifted by their mean in the whole set so that it becomes the value."""
    return np.asarray(value + parts - mean)

"""Who gets shown: numbers about all slates together, and each person's part in them.

Coverage, Gini and popularity lift belong to a whole set of slates and have no value for one person. Their intervals, and
the differences between two recommenders, come from **pseudo-values** (the jackknife: Quenouille 1956, Miller 1974): n ×
the number with everybody − (n − 1) × the number without this person, here computed for all at once. They are then treated
like any metric that has a value a person; their mean is the number itself.

`slates` int (users, n), −1 where shorter; `k`: how many places count.
"""

from __future__ import annotations

import numpy as np

from shortlist.metrics.ranking import discount


def coverage(slates: np.ndarray, n_items: int, k: int) -> float:
    """Share of the catalogue that is on at least one slate. Hides that one showing counts as much as a thousand."""
    top = slates[:, :k]
    seen = np.zeros(max(n_items, int(top.max(initial=-1)) + 1), bool)
    seen[top[top >= 0]] = True
    return int(seen.sum()) / max(n_items, 1)


def coverage_parts(slates: np.ndarray, n_items: int, k: int) -> np.ndarray:
    """Pseudo-values of `coverage`, float64 (users,): somebody's part is the items that nobody else was shown."""
    top, owner = _shown(slates, k)
    only = np.bincount(top, minlength=n_items) == 1
    without = np.bincount(owner, only[top], len(slates)) / max(n_items, 1)
    return _around(coverage(slates, n_items, k), len(slates) * without)


def gini(exposure: np.ndarray) -> float:
    """How unequal an exposure float (n,) is: 0 where all have the same, near 1 where one has all (Gini 1912). NaN where
    there is none. Hides which are favoured, and whether they deserve it.
    """
    total = exposure.sum()
    if not len(exposure) or total <= 0:
        return float("nan")
    n = len(exposure)
    return float(2 * (np.arange(1, n + 1) * np.sort(exposure)).sum() / (n * total) - (n + 1) / n)


def gini_parts(
    slates: np.ndarray, owner_of: np.ndarray, n: int, k: int, by_place: bool = False
) -> np.ndarray:
    """Pseudo-values of the Gini index of exposure, float64 (users,).

    owner_of int (items,): whose each item is, 0 … n − 1, or −1 for nobody's: `arange(items)` for items themselves, a
    provider's number for provider exposure. by_place: a showing counts 1 / log₂(place + 1) (Singh & Joachims 2018).
    """
    top = slates[:, :k]
    weight = discount(top.shape[1]) if by_place else np.ones(top.shape[1])
    # item −1, an empty place, is the last entry of both tables
    whose = np.append(owner_of, -1)[top]
    there = whose >= 0
    counted = np.broadcast_to(weight, top.shape)[there] if by_place else None
    exposure = np.bincount(whose[there], counted, n)
    value, total = gini(exposure), exposure.sum()
    if value != value:
        return np.full(len(slates), np.nan)
    # the derivative of the index by one more showing: where it stands among all, against the mean. Ties share a rank
    _, tie, count = np.unique(exposure, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[tie]
    slope = np.append((2 * rank - (n + 1)) / (n * total) - value / total, 0.0)
    return _around(value, len(slates) * (slope[whose] @ weight))


def popularity_lift_parts(
    slates: np.ndarray, indptr: np.ndarray, taken: np.ndarray, popularity: np.ndarray, k: int
) -> np.ndarray:
    """Pseudo-values of the popularity lift, float64 (users,): mean popularity of what is shown over the mean popularity of
    what those people took before, minus 1 (Abdollahpouri et al. 2019). 0: as mainstream as they are; 1: twice. NaN for
    people without a history or slate. Hides niche tastes that are served as badly as before, if the mean fits.

    popularity float (items,); indptr int64 (users + 1,), taken int: the histories, ragged.
    """
    top, owner = _shown(slates, k)
    n = len(slates)
    shown = np.bincount(owner, popularity[top], n) / np.maximum(np.bincount(owner, minlength=n), 1)
    sizes = np.diff(indptr)
    past = np.bincount(np.repeat(np.arange(n), sizes), popularity[taken], n) / np.maximum(sizes, 1)
    known = (sizes > 0) & (np.bincount(owner, minlength=n) > 0) & (past > 0)
    if not known.any():
        return np.full(n, np.nan)
    ratio = shown[known].mean() / past[known].mean()
    parts = np.full(n, np.nan)
    parts[known] = ratio - 1 + (shown[known] - ratio * past[known]) / past[known].mean()
    return parts


def _shown(slates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The items shown and whose slate each is on."""
    top = slates[:, :k]
    there = top >= 0
    return top[there], np.repeat(np.arange(len(top)), there.sum(1))


def _around(value: float, parts: np.ndarray) -> np.ndarray:
    return np.asarray(value + parts - parts.mean())

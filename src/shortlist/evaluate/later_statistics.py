"""Attributes that were computed from later events: a count of sales over the whole log, a mean rating of next month.

A statistic of events is what is lasting in an item (its appeal, its price), and chance: which people happened to come. A property
that the item had before, however well it is measured, knows nothing of that chance. So its correlation with a statistic is at
most the square root of the statistic's reliability (Spearman 1904), and the reliability is known from the log: the events are
split at random into halves, and r, the correlation of the halves, gives 2r / (1 + r) for the whole (Spearman–Brown).
A column that follows a later statistic more closely than that has seen its events. A list price that follows the revenue of an item
is below the bound: revenue is no chance.

References
----------
- Spearman (1904). The proof and measurement of association between two things. American Journal of Psychology.
- Kaufman, Rosset & Perlich (2012). Leakage in data mining: formulation, detection, and avoidance. ACM TKDD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import NumberAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log

FOLLOWS = 0.9
"""A column follows a statistic if their rank correlation is at least this."""
FEWEST, DISTINCT = 50, 10
"""Fewest items with a value, and fewest different values, by which a column is judged."""
SHOWN = 5
"""Impressions that a rate needs."""
SPLITS, DRAWS, LOWEST = 8, 200, 0.005
"""Random halves of the events, bootstrap resamples of the items, and the quantile of them that must be above the bound."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Statistic:
    """A statistic of the events of each item or user.

    Attributes
    ----------
    name
        What it is: `the number of play events`.
    of
        Rows of the log, bool (events,) → its values, float64 (n,), NaN where there is none.
    """

    name: str
    of: Callable[[Mask], Floats]


def find_later_statistics(dataset: Dataset, cut: int) -> Iterator[tuple[str, str]]:
    """Yield the number attributes that know events from after a cut (ms), with the evidence."""
    log = dataset.log
    after = log.time >= cut
    for role, entities, codes in (("items", dataset.items, log.item), ("users", dataset.users, log.user)):
        numbers = {n: a for n, a in entities.attributes.items() if isinstance(a, NumberAttribute)}
        if not numbers:
            continue
        statistics = list(_statistics(log, codes, len(entities)))
        past = [statistic.of(~after) for statistic in statistics]
        for name, attribute in numbers.items():
            evidence = _evidence(attribute.values.astype(np.float64), statistics, past, after)
            if evidence:
                yield f"{role}.{name}", evidence


def _statistics(log: Log, codes: NDArray[np.int32], n: int) -> Iterator[Statistic]:
    def counts(rows: Mask) -> Floats:
        return np.bincount(codes[rows], minlength=n).astype(np.float64)

    def means(rows: Mask) -> Floats:
        rows = rows & ~np.isnan(log.value)
        total, size = np.bincount(codes[rows], log.value[rows].astype(np.float64), n), counts(rows)
        return np.where(size > 0, total / np.maximum(size, 1), np.nan)

    def counts_of(kind: Mask) -> Callable[[Mask], Floats]:
        return lambda rows: counts(rows & kind)

    def means_of(kind: Mask) -> Callable[[Mask], Floats]:
        return lambda rows: means(rows & kind)

    def rates_of(kind: Mask) -> Callable[[Mask], Floats]:
        def rates(rows: Mask) -> Floats:
            looks = counts(rows & shown)
            return np.where(looks >= SHOWN, counts(rows & kind) / np.maximum(looks, 1), np.nan)

        return rates

    shown = log.is_kind([IMPRESSION])
    for kind in log.kinds:
        of = log.is_kind([kind])
        yield Statistic(f"the number of {kind} events", counts_of(of))
        if not np.isnan(log.value[of]).all():
            yield Statistic(f"the mean value of {kind} events", means_of(of))
        if shown.any() and kind != IMPRESSION:
            yield Statistic(f"the rate of {kind} per impression", rates_of(of))
    if len(log.kinds) > 1:
        yield Statistic("the number of events", counts_of(log.acted))


def _evidence(values: Floats, statistics: list[Statistic], past: list[Floats], after: Mask) -> str | None:
    """Return the evidence that a column was computed from later events, or None.

    A column is clean if some statistic of the past explains it as well: items that are popular before the cut are shown
    more after it, so a clean count follows the later counts, too. `past`: each statistic before the cut.
    """
    known_value = ~np.isnan(values)
    if known_value.sum() < FEWEST or len(np.unique(values[known_value])) < DISTINCT:
        return None
    everything = np.ones(len(after), bool)
    for statistic, own_past in zip(statistics, past, strict=True):
        whole = statistic.of(everything)
        known = known_value & (np.nan_to_num(whole) != 0) & ~np.isnan(own_past)
        for period, rows in (("the whole log", everything), ("the test period", after)):
            against = statistic.of(rows)
            both = known & ~np.isnan(against)
            if both.sum() < FEWEST or len(np.unique(values[both])) < DISTINCT:
                continue
            if len(np.unique(against[both])) < DISTINCT / 2:
                continue
            own = _correlation(values[both], against[both])
            if abs(own) < FOLLOWS:
                continue
            pasts = [np.nan_to_num(one[both]) for one in past]
            best = max(pasts, key=lambda one: abs(_correlation(values[both], one)))
            if abs(own) <= abs(_correlation(values[both], best)):
                continue
            halves = _halves(statistic, rows)
            bound, surely = _compare(values[both], against[both], best, [half[:, both] for half in halves])
            if surely:
                before = _correlation(values[both], own_past[both])
                return (
                    f"it follows {statistic.name} over {period} (rank correlation {own:.3f}) more closely than before the test "
                    f"({before:.3f}), and than a column can that does not know these events (at most {bound:.3f}), so it counts later events"
                )
    return None


def _halves(statistic: Statistic, rows: Mask) -> list[Floats]:
    """The statistic of random halves of its events, float64 (2, n) for each of some splits."""
    rng = np.random.default_rng(0)
    coins = [rng.random(len(rows)) < 0.5 for _ in range(SPLITS)]
    return [np.stack([statistic.of(rows & coin), statistic.of(rows & ~coin)]) for coin in coins]


def _compare(values: Floats, against: Floats, past: Floats, halves: list[Floats]) -> tuple[float, bool]:
    """Return the bound on the correlation, and whether a column is above it and closer than to the past in nearly all resamples."""
    ranks = np.stack([_ranks(v) for v in (values, against, past)])
    half_ranks = [np.stack([_ranks(v) for v in half]) for half in halves]
    rng = np.random.default_rng(0)
    beyond, closer = np.empty(DRAWS), np.empty(DRAWS)
    for draw, rows in enumerate(rng.integers(0, len(values), (DRAWS, len(values)))):
        table = np.abs(_correlations(ranks[:, rows])[0])
        beyond[draw] = table[1] - _bound([half[:, rows] for half in half_ranks])
        closer[draw] = table[1] - table[2]
    surely = np.quantile(beyond, LOWEST) > 0 and np.quantile(closer, LOWEST) > 0
    return _bound(half_ranks), bool(surely)


def _bound(halves: list[Floats]) -> float:
    """The square root of the reliability, by ranks of halves (2, n); without items that have both halves, 1."""
    found = []
    for half in halves:
        both = ~np.isnan(half).any(axis=0)
        if both.sum() >= FEWEST // 2:
            found.append(_correlations(half[:, both])[0, 1])
    if not found:
        return 1.0
    r = max(float(np.mean(found)), 0.0)
    return float(np.sqrt(2 * r / (1 + r)))


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata  # slow to import, and rarely needed

    return np.asarray(rankdata(values, nan_policy="omit"))


def _correlations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.nan_to_num(np.asarray(np.corrcoef(rows)))
    return found


def _correlation(a: Floats, b: Floats) -> float:
    return float(_correlations(np.stack([_ranks(a), _ranks(b)]))[0, 1])

"""How much the popularity of the last day, week and month counts in the scores of a network: learned from later events."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shortlist.data.dataset import Dataset
from shortlist.metrics.ranking import discount
from shortlist.retrieve.deep.later_visits import LaterVisits, day_of
from shortlist.retrieve.deep.trend import DAY, VISITS, WINDOWS, LearnedTrend
from shortlist.retrieve.requests import Requests

Score = Callable[[Requests], NDArray[np.float32]]

PRIOR = 20.0
"""Pseudo-events, distributed as those of the whole log, that each window starts with."""
DEPTH = 10
"""Length of the lists whose NDCG decides whether the term is used."""
PROPOSED = 100
"""Candidates that the network, and each window, proposes for a later event."""
LEAST = 20
"""With fewer later events that can be ranked, nothing is learned; after a pause, what was learned after a shorter one is used."""
DEVIATIONS = 2.0
"""The term is used where it ranks the later events better by more than so many standard errors of the gain: within a day of the latest
event, and later, each taken together."""
GROUPS = (slice(0, 2), slice(2, VISITS))
ALONE = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
"""The weights of the network alone: what learning is drawn to within a visit."""
USUAL = np.array([0.3, 0.0, 0.8, 0.2, 0.7])
"""What learning is drawn to after a pause. Chosen on the validation of MovieTweetings and MovieLens-100K."""
PENALTY = 30.0
"""Strength of that draw, as the curvature of the objective. Chosen with them."""
HEAD = 0.25
"""By how much the objective looks at the head of lists, see `learned_weights`. Chosen with them."""
SCALES = (0.1, 10.0)
"""Range of the factor on the scores of the network."""


class RecentCounts(NamedTuple):
    """The events of a log in the order of time: item int32 (E,) and ms int64 (E,); and the number of items."""

    item: NDArray[np.int32]
    time: NDArray[np.int64]
    n_items: int

    @classmethod
    def of(cls, dataset: Dataset, weights: NDArray[np.float32]) -> Self:
        """Take the events of a data set that have a weight. weights: float32, those of its histories."""
        rows = np.sort(dataset.history_rows[weights > 0])
        return cls(dataset.log.item[rows], dataset.log.time[rows], len(dataset.items))

    def before(self, moment: int) -> Self:
        """Return the events before a moment, ms."""
        end = int(np.searchsorted(self.time, moment))
        return self._replace(item=self.item[:end], time=self.time[:end])

    def counts(self, moment: int) -> NDArray[np.float64]:
        """Return how often each item was taken in each window before a moment, float64 (windows, items)."""
        end = np.searchsorted(self.time, moment)
        begins = [np.searchsorted(self.time, moment - days * DAY) for days in WINDOWS]
        counted = [np.bincount(self.item[begin:end], minlength=self.n_items) for begin in begins]
        return np.stack(counted).astype(np.float64)

    def usual(self) -> NDArray[np.float64]:
        """Return P(i), float64 (items,): the share of each item in all events, and one event more."""
        counted = np.bincount(self.item, minlength=self.n_items)
        return (counted + 1.0) / (len(self.item) + self.n_items)


def recency(
    counts: NDArray[np.float64], sums: NDArray[np.float64], usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what is known of the popularity of some items, float64 (m, windows + 1): the lift of each window, and log P(i).

    The lift is log(P(i | window) / P(i)), smoothed by `PRIOR`.

    Parameters
    ----------
    counts
        float64 (windows, m): the events of these items in each window.
    sums
        float64 (windows,): those of all items.
    usual
        float64 (m,): P(i).
    """
    lifts = np.log((counts + PRIOR * usual) / ((sums[:, None] + PRIOR) * usual))
    return np.asarray(np.vstack([lifts, np.log(usual)]).T)


class LaterChoices(NamedTuple):
    """Candidates of H later events: those of the network and of each window.

    Attributes
    ----------
    inputs
        float64 (H, C, 1 + windows + 1): the score of the network, the lifts, and log P(i).
    there
        bool (H, C): whether it is a candidate; the others are items that are there already.
    taken
        bool (H, C): the item that was taken; none in a row in which it is no candidate.
    """

    inputs: NDArray[np.float64]
    there: NDArray[np.bool_]
    taken: NDArray[np.bool_]

    @classmethod
    def of(cls, score: Score, later: LaterVisits, past: RecentCounts, moment: int) -> Self:
        """Propose items for each event, by what was known at a moment before all of them.

        Parameters
        ----------
        score
            Returns the scores of a network that has learned from the events before the moment, float32 (B, items).
        later
            Events after it.
        past
            The events before it.
        moment
            Milliseconds.
        """
        usual, counts, rows = past.usual(), past.counts(moment), []
        for _, part in later.parts():
            scores, h = score(part.requests).astype(np.float64), part.requests.histories
            own = scores[np.arange(len(scores)), part.target].copy()
            scores[h.owner, h.item] = -np.inf
            scores[np.arange(len(scores)), part.target] = own
            for row, target in zip(scores, part.target.tolist(), strict=True):
                rows.append(_candidates(row, target, counts, usual))
        inputs, there, taken = zip(*rows, strict=True)
        return cls(np.stack(inputs), np.stack(there), np.stack(taken))

    def rows(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some rows."""
        return type(self)(self.inputs[chosen], self.there[chosen], self.taken[chosen])

    def values(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums by which candidates are ordered, float64 (H, C); −inf where there is none."""
        return np.where(self.there, self.inputs @ weights, -np.inf)

    def gains(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gain of the item that was taken in each list of ten, float64 (H,)."""
        values = self.values(weights)
        own = np.where(self.taken, values, -np.inf).max(1)
        rank = np.minimum((values > own[:, None]).sum(1), DEPTH)
        return np.where(self.taken.any(1), np.append(discount(DEPTH), 0.0)[rank], 0.0)


def _candidates(
    scores: NDArray[np.float64], target: int, counts: NDArray[np.float64], usual: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a row of `LaterChoices`. scores: −inf for items that are no candidates."""
    allowed = np.isfinite(scores)
    lists = [_best(scores), *(_best(np.where(allowed, one, -np.inf)) for one in counts)]
    item = np.sort(np.concatenate(lists))
    there = allowed[item] & np.append(True, item[1:] != item[:-1])
    known = recency(counts[:, item], counts.sum(1), usual[item])
    inputs = np.hstack([np.where(there, scores[item], 0.0)[:, None], known])
    return inputs, there, there & (item == target)


def _best(values: NDArray[np.float64]) -> NDArray[np.intp]:
    most = min(PROPOSED, len(values))
    return np.argpartition(-values, most - 1)[:most]


def learned_weights(choices: LaterChoices, usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the inputs, float64 (1 + windows + 1,), by a conditional logit whose objective looks at the head of lists.

    With p, the share of the item that was taken among the candidates, Σ (p^q − 1) / q is maximised, less a penalty that draws the
    weights towards the usual ones. Its limit for q → 0 is Σ log p, the likelihood, which is decided by the items far down, about which the
    network knows more than popularity does; with q = `HEAD` an event counts less the worse it can be predicted (Ferrari & Yang 2010, "Maximum
    Lq-likelihood estimation").
    """
    asked = choices.rows(np.asarray(choices.taken.any(1)))
    own = asked.inputs[asked.taken]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        values = asked.values(weights)
        shares = np.exp(values - values.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        certain = shares[asked.taken] ** HEAD
        expected = np.einsum("hc,hcw->hw", shares, asked.inputs)
        off = weights - usual
        missed = -float(certain.sum()) / HEAD + PENALTY * float(off @ off) / 2
        return missed, certain @ (expected - own) + PENALTY * off

    bounds = [SCALES, *[(0.0, None)] * (len(usual) - 1)]
    found = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def weights_of_visits(
    choices: LaterChoices, visits: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of each kind of visit, float64 (visits, 1 + windows + 1), and what each event gains by them, float64 (H,).

    Those of the network alone where nothing is gained that is clear of chance. visits: int64 (H,).
    """
    weights, gained = np.tile(ALONE, (VISITS, 1)), np.zeros(len(visits))
    for visit in range(VISITS):
        mine: NDArray[np.bool_] = np.asarray(visits == visit)
        own = choices.rows(mine)
        if own.taken.any(1).sum() < LEAST:
            weights[visit] = weights[max(visit - 1, 0)]
            continue
        learned = learned_weights(own, USUAL if visit else ALONE)
        gain = own.gains(learned) - own.gains(ALONE)
        if gain.mean() > 0:
            weights[visit], gained[mine] = learned, gain
    for group in GROUPS:
        mine = np.isin(visits, np.arange(VISITS)[group])
        gain = gained[mine]
        if not len(gain) or gain.mean() <= DEVIATIONS * gain.std() / np.sqrt(len(gain)):
            weights[group], gained[mine] = ALONE, 0.0
    return weights, gained


def learn_trend(
    score: Score, later: LaterVisits, past: RecentCounts, moment: int, whole: RecentCounts
) -> tuple[LearnedTrend | None, str]:
    """Return the term, and a line that says what it gains; None where it gains nothing that is clear of chance.

    Parameters
    ----------
    score
        Returns the scores of a network that has learned from the events before a moment, float32 (B, items).
    later
        Events after that moment.
    past
        The events before it.
    moment
        Milliseconds.
    whole
        All events of the log.
    """
    if len(later.target) < LEAST:
        return None, f"trend: not used, {len(later.target)} later events are too few"
    choices, visits = LaterChoices.of(score, later, past, moment), later.visits
    weights, gained = weights_of_visits(choices, visits)
    before = choices.gains(ALONE).mean()
    line = f"trend: ndcg@{DEPTH} of events since {day_of(moment)} {before:.4g} → {before + gained.mean():.4g}"
    if not gained.any():
        return None, f"{line}; not used, this is not clear of chance"
    return _at_the_end(weights, whole), line


def _at_the_end(weights: NDArray[np.float64], recent: RecentCounts) -> LearnedTrend:
    """Return the term as of the end of the log."""
    newest = int(recent.time[-1])
    counts, usual = recent.counts(newest + 1), recent.usual()
    known = recency(counts, counts.sum(1), usual)
    none = recency(np.zeros((len(WINDOWS), 1)), counts.sum(1), np.array([usual.min()]))
    own = weights[:, 1:]
    return LearnedTrend(
        weights,
        np.asarray(own @ known.T, np.float32),
        np.asarray(own @ none[0], np.float32),
        np.array([newest], np.int64),
    )

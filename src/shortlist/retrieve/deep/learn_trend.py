"""How much the popularity of the last day, week and month counts in the scores of a network: learned from held-out events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shortlist.data.dataset import Dataset
from shortlist.metrics.ranking import discount
from shortlist.retrieve.deep.inputs import known_events
from shortlist.retrieve.deep.trend import DAY, VISITS, WINDOWS, LearnedTrend, visits_after
from shortlist.retrieve.requests import Requests

PRIOR = 20.0
"""Pseudo-events, distributed as those of the whole log, that each window starts with."""
DEPTH = 10
"""Length of the lists whose NDCG decides whether the term is used."""
PROPOSED = 100
"""Candidates that the network, and each window, proposes for a held-out event."""
LEAST = 20
"""With fewer held-out events that can be ranked, nothing is learned; after a pause, what was learned after a shorter one is used."""
DEVIATIONS = 2.0
"""The term is used where it ranks the held-out events better by more than so many standard errors of the gain, all visits together."""
MOST_SCORES = 200_000_000
"""Scores that are computed for it at most: on large catalogues, of fewer held-out events."""
ROWS = 64
"""Held-out events that are scored at once."""
ALONE = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
"""The weights of the network alone: what learning is drawn to within a visit."""
USUAL = np.array([0.3, 0.0, 0.8, 0.2, 0.7])
"""What learning is drawn to after a pause. Chosen on the validation of MovieTweetings and MovieLens-100K."""
PENALTY = 100.0
"""Strength of that draw, as the curvature of the loss: held-out events lie within the log that the network has learned from, so that
they trust it more than later ones do. Chosen with them."""
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


class HeldVisits(NamedTuple):
    """Held-out events: the item that was taken, int32 (H,), and the requests that were made for it, at its moment."""

    target: NDArray[np.int32]
    requests: Requests

    @property
    def visits(self) -> NDArray[np.int64]:
        """The row of the weights that each reads, int64 (H,)."""
        h = self.requests.histories
        return visits_after(self.requests.moments - h.time[h.indptr[1:] - 1])

    def parts(self) -> Iterator[tuple[int, Self]]:
        """Yield a few events at once, and the row of the first."""
        for low in range(0, len(self.target), ROWS):
            high = min(low + ROWS, len(self.target))
            yield low, type(self)(self.target[low:high], self.requests.rows(low, high))


class HeldChoices(NamedTuple):
    """Candidates of H held-out events: those of the network and of each window.

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
    def of(
        cls, score: Callable[[Requests], NDArray[np.float32]], held: HeldVisits, recent: RecentCounts
    ) -> Self:
        """Propose items for each event, by what was known before it. score: returns the scores of the network, (B, items)."""
        usual, rows = recent.usual(), []
        for _, part in held.parts():
            scores, h = score(part.requests).astype(np.float64), part.requests.histories
            own = scores[np.arange(len(scores)), part.target].copy()
            scores[h.owner, h.item] = -np.inf
            scores[np.arange(len(scores)), part.target] = own
            for at, moment in enumerate(part.requests.moments.tolist()):
                rows.append(_candidates(scores[at], int(part.target[at]), recent.counts(moment), usual))
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
    """Return a row of `HeldChoices`. scores: −inf for items that are no candidates."""
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


def learned_weights(choices: HeldChoices, usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the inputs, float64 (1 + windows + 1,), by a conditional logit.

    Under them the items that were taken are likeliest among the candidates; a penalty draws them towards the usual ones.
    """
    asked = choices.rows(np.asarray(choices.taken.any(1)))
    own = asked.inputs[asked.taken]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        values = asked.values(weights)
        highest = values.max(1, keepdims=True)
        shares = np.exp(values - highest)
        total = shares.sum(1, keepdims=True)
        missed = float((np.log(total) + highest).sum() - (own @ weights).sum())
        expected = np.einsum("hc,hcw->w", shares / total, asked.inputs)
        off = weights - usual
        return missed + PENALTY * float(off @ off) / 2, expected - own.sum(0) + PENALTY * off

    bounds = [SCALES, *[(0.0, None)] * (len(usual) - 1)]
    found = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def held_visits(dataset: Dataset, weights: NDArray[np.float32], users: NDArray[np.int64]) -> HeldVisits:
    """Return the last event of some users, and the requests that were made for them.

    Parameters
    ----------
    dataset
        Holds the histories, and what is known of users and events.
    weights
        float32 (E,): those of the histories' events.
    users
        int64 (H,): users with 2 events or more. Fewer are taken where more than `MOST_SCORES` would be computed.
    """
    n_items = len(dataset.items)
    users = users[:: max(1, -(-len(users) // max(MOST_SCORES // max(n_items, 1), LEAST)))]
    rows = dataset.history_rows[weights > 0]
    h, weights = known_events(dataset.histories, weights, n_items)
    begin, last = h.indptr[:-1][users], h.indptr[1:][users] - 1
    before = np.zeros(len(h.item), np.bool_)
    for low, high in zip(begin, last, strict=True):
        before[low:high] = True
    requests = Requests(
        h.pick(begin, last),
        weights[before],
        h.time[last],
        attributes={name: a.take(users) for name, a in dataset.users.attributes.items()},
        context={name: a.take(rows[last]) for name, a in dataset.log.context.items()},
    )
    return HeldVisits(h.item[last], requests)


def learn_trend(
    score: Callable[[Requests], NDArray[np.float32]], held: HeldVisits, recent: RecentCounts
) -> tuple[LearnedTrend | None, str]:
    """Return the term, and a line that says what it gains; None where it gains nothing that is clear of chance.

    Parameters
    ----------
    score
        Returns the scores of the network for the whole catalogue, float32 (B, items).
    held
        Events that the network was not trained to predict.
    recent
        All events of the log.
    """
    if len(held.target) < LEAST:
        return None, f"trend: not used, {len(held.target)} held-out events are too few"
    choices, visits = HeldChoices.of(score, held, recent), held.visits
    weights, gained = np.tile(ALONE, (VISITS, 1)), np.zeros(len(held.target))
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
    before = choices.gains(ALONE).mean()
    line = f"trend: ndcg@{DEPTH} of held-out events {before:.4g} → {before + gained.mean():.4g}"
    if gained.mean() <= DEVIATIONS * gained.std() / np.sqrt(len(gained)):
        return None, f"{line}; not used, this is not clear of chance"
    return _at_the_end(weights, recent), line


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

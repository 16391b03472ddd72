"""Search the settings of families of retrievers on a hold-out.

Each family is tuned by pattern search from its defaults: one setting is moved a step at a time and the step is kept where it
helps. On large data, the trials of a search are quick ones: models with fewer neighbours or components, whose settings
have their optimum at nearly the same place. Only the best settings of a family are then fitted whole. Intermediate results that several trials have in
common, such as eigenvectors, is computed once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.progress import Share
from shortlist.metrics.ranking import hit_matrix, ndcg
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import EventWeighting, interactions
from shortlist.retrieve.fusion.deadline import Deadline
from shortlist.retrieve.fusion.holdout import Holdout
from shortlist.retrieve.fusion.search_space import (
    CHEAP,
    CHEAP_TRIALS,
    INCLUDED,
    QUICK,
    WHOLE,
    Axis,
    absolute,
    given_settings,
    nearest_factors,
    nearest_to_default,
    position,
    search_space,
)
from shortlist.retrieve.fusion.shared_parts import SharedParts
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.registry import RETRIEVERS
from shortlist.retrieve.requests import Requests
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.spectral import Spectral

TUNING_USERS = 4_000
"""At most this many users judge a trial."""
MARGIN = 0.001
"""Fraction by which a setting must be better to be kept; less is noise, and the defaults are the better guess."""
QUICK_MARGIN = 0.005
"""The same of quick trials, whose small differences often turn round when the model is fitted whole."""
CLEAR = 0.01
"""Fraction by which a model must be better with another one in it for the other not to be tuned beside it."""
UNKNOWN = 4.0
"""How many times longer than its quick form, or than other families, a fit of unknown duration is taken to last."""
QUICK_EVENTS = 100_000
"""Beyond this many events of the training part, the trials of a search are quick ones."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried on the validation part.

    Attributes
    ----------
    model
        The family.
    settings
        Values on the axes of the family.
    ndcg
        Mean NDCG of the users of the hold-out.
    seconds
        Time of the fit.
    quick
        Whether the model was fitted in its quick form.
    """

    model: str
    settings: dict[str, Any]
    ndcg: float
    seconds: float
    quick: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values."""
        return {
            "model": self.model,
            "settings": self.settings,
            "ndcg": round(self.ndcg, 5),
            "seconds": round(self.seconds, 2),
            "quick": self.quick,
        }


def best_trial(trials: list[Trial], family: str) -> Trial:
    """Return the best trial of a family: of those that were fitted whole, where there are any."""
    return max((t for t in trials if t.model == family), key=lambda t: (not t.quick, t.ndcg))


def number_of_trials(events: int) -> int:
    """Return the number of settings that each family may try."""
    return 24 if events <= 100_000 else 16 if events <= 500_000 else 5


class Tuner:
    """Fits settings on the training part of a hold-out and measures them on its users.

    Parameters
    ----------
    holdout
        The training part and the relevant items.
    k
        Length of the lists whose NDCG decides.
    seed
        Seed of the sample of users.
    event_weighting
        How much an event counts (default: every event counts 1).
    deadline
        No trial begins that would leave too little time to fit the best model on all data.

    Attributes
    ----------
    trials : list of Trial
        All trials, in order.
    fitted : dict
        Family → the best model so far, fitted on the training part.
    X
        (users, items): the weights of the training part.
    counts
        float32 (items,): number of users of each item.
    request_seconds : dict
        Family → seconds that its latest model takes for one request of a batch.
    """

    def __init__(
        self,
        holdout: Holdout,
        k: int,
        seed: int,
        event_weighting: EventWeighting | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.holdout, self.k, self.seed, self.event_weighting = holdout, k, seed, event_weighting
        self.deadline = deadline or Deadline()
        self.trials: list[Trial] = []
        self.fitted: dict[str, Retriever] = {}
        self.X = interactions(holdout.train, event_weighting)
        self.counts = np.bincount(self.X.indices, minlength=self.X.shape[1]).astype(np.float32)
        self._users = self.sample(TUNING_USERS)
        self._requests = self.requests(self._users)
        self._parts = SharedParts()
        self.request_seconds: dict[str, float] = {}
        events = len(holdout.train.log)
        self._growth = (events + sum(map(len, holdout.truth))) / max(events, 1)

    def __repr__(self) -> str:
        return f"Tuner({self.holdout!r}, {len(self.trials)} trials)"

    def sample(self, most: int) -> NDArray[np.int64]:
        """Return at most this many rows of the hold-out's users, drawn at random."""
        n = len(self.holdout.users)
        return np.sort(np.random.default_rng(self.seed).permutation(n)[:most])

    def requests(self, users: NDArray[np.integer]) -> Requests:
        """Return the requests of rows of the hold-out's users."""
        holdout = self.holdout
        return Requests.of_users(
            holdout.train, holdout.users[users], holdout.moments[users], self.event_weighting
        )

    def make(self, trial: Trial) -> Retriever:
        """Return a model that is not fitted, with the settings of a trial."""
        return self._make(trial.model, trial.settings, trial.quick)

    def _make(self, family: str, settings: Mapping[str, Any], quick: bool) -> Retriever:
        relative = {**settings, **(QUICK[family] if quick else {})}
        return RETRIEVERS[family](event_weighting=self.event_weighting, **absolute(relative, self.X.shape[1]))

    def best(self, family: str) -> Trial:
        """Return the best trial of a family."""
        return best_trial(self.trials, family)

    def is_quick(self, family: str) -> bool:
        """Return whether the settings of a family are searched in its quick form."""
        return family in QUICK and len(self.holdout.train.log) > QUICK_EVENTS

    def includes(self, family: str) -> bool:
        """Return whether another family contains this one, and is clearly better with it than without (`INCLUDED`)."""
        other, setting = INCLUDED.get(family, ("", ""))
        if (
            other not in self.fitted
            or not self.is_quick(family)
            or self.X.shape[1] <= SLIM.Config().exact_items
        ):
            return False
        whole = [t for t in self.trials if t.model == other and not t.quick]
        with_it = max((t.ndcg for t in whole if t.settings.get(setting, 0.0) > 0), default=0.0)
        without = max((t.ndcg for t in whole if not t.settings.get(setting, 0.0)), default=0.0)
        return with_it > without * (1 + CLEAR)

    def search(self, family: str, budget: int, report: Share) -> None:
        """Search the settings of a family within a number of trials, and fit the best of them whole.

        `report` is called with the fraction of the budget that is used; the search often ends before.
        """
        quick = self.is_quick(family)
        axes = search_space(family, ordered=self.holdout.kind != "random")
        if family in CHEAP and len(self.holdout.train.log) > QUICK_EVENTS:
            budget *= CHEAP_TRIALS
        if quick:  # the size of a model is not searched in its quick form
            axes = [(names, values) for names, values in axes if not set(names) & set(QUICK[family])]
        kept = self._pattern_search(family, axes, budget, quick, report)
        if quick and self.affordable(family, quick=False):
            self._measure(family, kept, quick=False)
            if family in WHOLE and self.affordable(family, quick=False):
                self._measure(family, kept | WHOLE[family], quick=False)

    def _pattern_search(
        self, family: str, axes: list[Axis], budget: int, quick: bool, report: Share
    ) -> dict[str, Any]:
        """Move each axis in turn, a step up or down as long as it helps; return the settings that were kept."""
        current = given_settings(family, len(self.holdout.train.log))
        for names, values in axes:
            for name, value in zip(names, nearest_to_default(family, names, values), strict=True):
                current.setdefault(name, value)
        if family == "als":
            current["factors"] = nearest_factors(self.X.shape[1])
        known: dict[str, float] = {}

        def measure(settings: dict[str, Any]) -> float:
            key = repr(sorted(settings.items()))
            if key not in known:
                if len(known) >= budget or (known and not self.affordable(family, quick)):
                    return -1.0
                known[key] = self._measure(family, settings, quick)
                report(len(known) / (budget + 1))
            return known[key]

        score, margin = measure(current), QUICK_MARGIN if quick else MARGIN
        improved = True
        while improved and len(known) < budget:
            improved = False
            for axis in axes:
                for direction in (1, -1):
                    start = current, score
                    current, score, moved = _climb(start, axis, direction, measure, margin)
                    improved |= moved
        return current

    def _measure(self, family: str, settings: Mapping[str, Any], quick: bool) -> float:
        """Fit settings on the training part, record the trial, and return its NDCG."""
        model, seconds = self._fitted(family, self._make(family, settings, quick))
        began = time.perf_counter()
        value = self.value(model)
        self.request_seconds[family] = (time.perf_counter() - began) / max(len(self._requests), 1)
        trial = Trial(family, dict(settings), value, seconds, quick)
        self.trials.append(trial)
        if self.best(family) is trial:
            self.fitted[family] = model
        return value

    def _fitted(self, family: str, model: Retriever) -> tuple[Retriever, float]:
        """Return a model that is fitted on the training part, and the seconds that the fit takes."""
        known = self.fitted.get(family)
        if isinstance(known, ItemItem) and isinstance(model.config, ItemItemConfig):
            read = known.reading_as(model.config)
            if read is not None:
                return read, self.best(family).seconds
        if isinstance(known, Spectral) and isinstance(model, Spectral):
            began = time.perf_counter()
            learned = self._parts.with_residual(known, model.config, self.X)
            if learned is not None:
                return learned, self.best(family).seconds + time.perf_counter() - began
        return model, self._parts.fit(model, self.X, self.holdout.train)

    def value(self, model: Retriever) -> float:
        """Return the mean NDCG of a fitted model over the users of the hold-out."""
        return float(np.mean(self.values(model)))

    def values(self, model: Retriever, users: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
        """Return the NDCG of a fitted model for rows of the hold-out's users (default: those of the sample), float64 (users,)."""
        requests = self._requests if users is None else self.requests(users)
        users = self._users if users is None else users
        lists = [
            model.retrieve(requests.rows(start, min(start + 1024, len(requests))), self.k).item
            for start in range(0, len(requests), 1024)
        ]
        truth = [self.holdout.truth[u] for u in users]
        hits = hit_matrix(np.concatenate(lists), truth)
        return np.asarray(ndcg(hits, np.array([len(t) for t in truth]), self.k))

    # ---------------------------------------------------------------- all data

    def refit(self, trial: Trial) -> Retriever:
        """Return a model with the settings of a trial, to be fitted on all data, from where the fit on the hold-out ended."""
        model = self.make(trial)
        earlier = self.fitted.get(trial.model)
        if earlier is not None and trial is self.best(trial.model):
            model.warm_start(earlier, np.arange(self.X.shape[1]))
            if isinstance(model, Spectral) and (vectors := self._parts.vectors(model)) is not None:
                model.start_from(vectors)
        return model

    def refit_seconds(self, trial: Trial) -> float:
        """Return about how long it takes to fit the settings of a trial on all data."""
        return trial.seconds * self._growth

    def affordable(self, family: str, quick: bool = True) -> bool:
        """Return whether there is time for another trial, and then to fit the best model on all data."""
        if math.isinf(self.deadline.left()) or not self.trials:
            return True
        alike = [t.seconds for t in self.trials if t.model == family and t.quick == quick]
        known = [t.seconds for t in self.trials if t.model == family] or [t.seconds for t in self.trials]
        expected = max(alike) if alike else UNKNOWN * max(known)
        best = max(self.trials, key=lambda t: t.ndcg)
        return self.deadline.allows(expected + self.refit_seconds(best))


def _climb(
    start: tuple[dict[str, Any], float],
    axis: Axis,
    direction: int,
    measure: Callable[[dict[str, Any]], float],
    margin: float,
) -> tuple[dict[str, Any], float, bool]:
    """Move along an axis in one direction as long as it helps; return the settings, their NDCG, and whether they moved."""
    (current, score), (names, values), moved = start, axis, False
    while True:
        at = position(values, tuple(current[n] for n in names)) + direction
        if not 0 <= at < len(values):
            return current, score, moved
        tried = current | dict(zip(names, values[at], strict=True))
        value = measure(tried)
        if value <= score * (1 + margin):
            return current, score, moved
        current, score, moved = tried, value, True

"""Choose retrievers for a data set: which ones, with which settings, and how they are fused.

No model is best everywhere: on sparse check-ins a spectral filter is far ahead, on dense ratings SLIM or ALS. Each
family is tuned on a validation part of the training data, by pattern search from its defaults: one setting is moved a
step at a time and the step is kept where it helps. The number of trials depends on the size of the data alone, so that a
run repeats. The best of each family are fused (`fuse.py`), the fusion is judged on the same users, and the choice is
refitted on all data. The test is never used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, Share, silent
from shortlist.metrics.ranking import hit_matrix, ndcg
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import EventWeighting, interactions
from shortlist.retrieve.fusion.fuse import Fuse, FusionReport
from shortlist.retrieve.fusion.holdout import Holdout, Kind, hold_out
from shortlist.retrieve.fusion.search_space import (
    absolute,
    nearest_factors,
    nearest_to_default,
    position,
    search_space,
)
from shortlist.retrieve.neighbours import Neighbours
from shortlist.retrieve.registry import RETRIEVERS
from shortlist.retrieve.requests import Requests
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.spectral import Spectral, Spectrum

TUNING_USERS = 4_000
"""At most this many users judge a trial."""
FUSION_USERS = 12_000
"""At most this many users judge a fusion."""

MARGIN = 0.001
"""Fraction by which a setting must be better to be kept; less is noise, and the defaults are the better guess."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried on the validation part, their mean NDCG, and the seconds that the fit took."""

    model: str
    settings: dict[str, Any]
    ndcg: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values."""
        return {
            "model": self.model,
            "settings": self.settings,
            "ndcg": round(self.ndcg, 5),
            "seconds": round(self.seconds, 2),
        }


@dataclass
class Choice:
    """The result of `choose`.

    Attributes
    ----------
    retriever
        The chosen model, fitted on all training data.
    kind
        How the validation part was held out.
    trials
        All trials, in order.
    fusion
        How good each rule of fusion was, where a fusion was tried.
    """

    retriever: Retriever
    kind: Kind
    trials: list[Trial] = field(default_factory=list)
    fusion: FusionReport | None = None

    def sentence(self) -> str:
        """Return the choice in a sentence, with the NDCG of each family."""
        best: dict[str, Trial] = {}
        for t in self.trials:
            if t.model not in best or t.ndcg > best[t.model].ndcg:
                best[t.model] = t
        singles = ", ".join(f"{m} {t.ndcg:.4f}" for m, t in sorted(best.items(), key=lambda p: -p[1].ndcg))
        text = f"validation ({self.kind}) NDCG: {singles}"
        if self.fusion:
            rules = ", ".join(f"{rule} {value:.4f}" for rule, value in self.fusion.ndcg.items())
            text += f"; fused by {rules}"
        names = "+".join(self.retriever.sources) if isinstance(self.retriever, Fuse) else self.retriever.name
        how = f" by {self.fusion.rule}" if self.fusion and isinstance(self.retriever, Fuse) else ""
        return f"{text}. Chosen: {names}{how}."

    def __repr__(self) -> str:
        return f"Choice({self.retriever!r}, {len(self.trials)} trials)"


def choose(  # noqa: PLR0913 - a public function with optional settings
    dataset: Dataset,
    kind: Kind = "random",
    k: int = 20,
    share: float = 0.2,
    progress: Progress = silent,
    families: list[str] | None = None,
    *,
    blend: bool = True,
    seed: int = 0,
    event_weighting: EventWeighting | None = None,
) -> Choice:
    """Tune each family on a validation part, fuse the best, and refit the best of all on the whole data set.

    Parameters
    ----------
    dataset
        The training data.
    kind
        How the validation part is held out; `kind_of_split` derives it from a test.
    k
        Length of the lists whose NDCG decides.
    share
        Fraction of the events that is held out.
    progress
        Called with the step and its progress.
    families
        Models to tune (default: neighbours, als, slim, spectral, and sequence where the split is by time).
    blend
        Whether a fusion is tried (default: true).
    seed
        Seed of the hold-out and of the sample of users.
    event_weighting
        How much an event counts (default: every event counts 1).
    """
    holdout = hold_out(dataset, kind, share, seed)
    tuner = Tuner(holdout, k, seed, event_weighting)
    if families is None:
        timed = ["sequence"] if kind in {"time", "last"} else []
        families = ["neighbours", "als", "slim", "spectral", *timed]
    budget = _trials(len(holdout.train.log))
    for family in families:
        step = f"tuning {family}"
        progress(step, 0.0)
        tuner.search(family, budget, partial(progress, step))
        progress(step, 1.0)
    progress("choosing", 0.0)
    chosen, fusion = _best(tuner, families, k, blend=blend)
    progress("choosing", 1.0)
    tuner.fitted.clear()
    progress("fitting the choice", 0.0)
    chosen.fit(dataset)
    progress("fitting the choice", 1.0)
    return Choice(chosen, holdout.kind, tuner.trials, fusion)


def _best(tuner: Tuner, families: list[str], k: int, *, blend: bool) -> tuple[Retriever, FusionReport | None]:
    """Return the best family, or a fusion of the best, not fitted."""
    best = {family: tuner.best(family) for family in families}
    order = sorted(families, key=lambda f: -best[f].ndcg)
    close = [f for f in order if best[f].ndcg >= 0.5 * best[order[0]].ndcg]
    fusion: FusionReport | None = None
    if blend and len(close) > 1:
        fused = Fuse({f: tuner.fitted[f] for f in close}).of_fitted(tuner.counts)
        users = tuner.sample(FUSION_USERS)
        fusion = fused.learn(tuner.requests(users), [tuner.holdout.truth[u] for u in users], k)
        if fused.rule_ == "trees" or (fused.weights_ > 0).sum() > 1:  # otherwise one source decides
            return fused.over({f: tuner.make(f, best[f].settings) for f in close}), fusion
    return tuner.make(order[0], best[order[0]].settings), fusion


def _trials(events: int) -> int:
    """Return the number of settings that each family may try."""
    return 24 if events <= 200_000 else 16 if events <= 500_000 else 8 if events <= 2_000_000 else 5


class Tuner:
    """Fits settings on the training part of a hold-out and measures them on its users.

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
    """

    def __init__(
        self, holdout: Holdout, k: int, seed: int, event_weighting: EventWeighting | None = None
    ) -> None:
        self.holdout, self.k, self.seed, self.event_weighting = holdout, k, seed, event_weighting
        self.trials: list[Trial] = []
        self.fitted: dict[str, Retriever] = {}
        self.X = interactions(holdout.train, event_weighting)
        self.counts = np.bincount(self.X.indices, minlength=self.X.shape[1]).astype(np.float32)
        self._users = self.sample(TUNING_USERS)
        self._requests = self.requests(self._users)
        self._spectra: dict[tuple[float, float], tuple[int, Spectrum]] = {}

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

    def make(self, family: str, settings: Mapping[str, Any]) -> Retriever:
        """Return a model that is not fitted, from settings of its search space."""
        return RETRIEVERS[family](
            event_weighting=self.event_weighting, **absolute(dict(settings), self.X.shape[1])
        )

    def best(self, family: str) -> Trial:
        """Return the best trial of a family."""
        return max((t for t in self.trials if t.model == family), key=lambda t: t.ndcg)

    def search(self, family: str, budget: int, report: Share) -> None:  # noqa: C901 - one loop of pattern search
        """Pattern search: each axis in turn, a step up or down as long as it helps, within a number of trials.

        `report` is called with the fraction of the budget that is used; the search often ends before.
        """
        axes = search_space(family)
        current: dict[str, Any] = {}
        for names, values in axes:
            for name, value in zip(names, nearest_to_default(family, names, values), strict=True):
                current.setdefault(name, value)
        if family == "als":
            current["factors"] = nearest_factors(self.X.shape[1])
        known: dict[str, float] = {}

        def measure(settings: dict[str, Any]) -> float:
            key = repr(sorted(settings.items()))
            if key not in known:
                if len(known) >= budget:
                    return -1.0
                known[key] = self.measure(family, settings)
                report(len(known) / (budget + 1))
            return known[key]

        score = measure(current)
        improved = True
        while improved and len(known) < budget:
            improved = False
            for names, values in axes:
                for direction in (1, -1):
                    while True:
                        at = position(values, tuple(current[n] for n in names)) + direction
                        if not 0 <= at < len(values):
                            break
                        tried = current | dict(zip(names, values[at], strict=True))
                        value = measure(tried)
                        if value <= score * (1 + MARGIN):
                            break
                        current, score, improved = tried, value, True

    def measure(self, family: str, settings: Mapping[str, Any]) -> float:
        """Fit settings on the training part, record the trial, and return its NDCG."""
        model = self.make(family, settings)
        started = time.perf_counter()
        self._fit(model)
        seconds = time.perf_counter() - started
        value = self.value(model)
        if all(value > t.ndcg for t in self.trials if t.model == family):
            self.fitted[family] = model
        self.trials.append(Trial(family, dict(settings), value, seconds))
        return value

    def value(self, model: Retriever) -> float:
        """Return the mean NDCG of a fitted model over the users of the hold-out."""
        requests = self._requests
        lists = [
            model.retrieve(requests.rows(start, min(start + 1024, len(requests))), self.k).item
            for start in range(0, len(requests), 1024)
        ]
        truth = [self.holdout.truth[u] for u in self._users]
        hits = hit_matrix(np.concatenate(lists), truth)
        return float(np.mean(ndcg(hits, np.array([len(t) for t in truth]), self.k)))

    def _fit(self, model: Retriever) -> None:
        """Fit a model, from the matrix of the training part where it can."""
        if isinstance(model, Spectral):
            X = model.damped(self.X)
            model.fit_matrix(X, self._spectrum(model, X))
        elif isinstance(model, (Neighbours, SLIM)):
            model.fit_matrix(model.damped(self.X))
        elif isinstance(model, ALS):
            model.fit_matrix(self.X)
        else:
            model.fit(self.holdout.train)

    def _spectrum(self, model: Spectral, X: Any) -> Spectrum:
        """Return the eigenvectors for a model; settings that differ only in how they are used share them."""
        key, wanted = (model.config.spread, model.config.power), int(model.config.components or 0)
        if key not in self._spectra or self._spectra[key][0] < wanted:
            self._spectra.clear()
            self._spectra[key] = wanted, model.spectrum(X)
        return self._spectra[key][1]

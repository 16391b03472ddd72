"""Auto: which retrievers suit this data, with which settings, and how to blend them.

No model wins everywhere: on sparse check-ins a spectral filter is far ahead, on dense ratings SLIM or ALS is. So each family
is tuned on a validation part of the training data, by pattern search from its defaults: one setting is moved a step at
a time and kept where it helps, within a number of trials that depends on the size of the data alone, so that a run
repeats. The winners of the families are fused (`fuse.py`), the fusion is judged on the same people, and what was chosen
is refitted on everything.

Nothing here ever sees a test.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.metrics.ranking import hit_matrix, ndcg
from shortlist.retrieve.als import ALS, sized
from shortlist.retrieve.base import Requests, Retriever, interactions
from shortlist.retrieve.fusion.fuse import Fuse, Judged
from shortlist.retrieve.fusion.holdout import Holdout, Kind, hold_out
from shortlist.retrieve.item_item import ItemItem
from shortlist.retrieve.registry import MODELS
from shortlist.retrieve.spectral import Spectral, usual_components

JUDGES = 4_000
BLENDERS = 12_000
"""At most this many people judge a setting, and the blend."""

MARGIN = 0.001
"""By how much a setting must be better to be kept; less is noise, and defaults are the better guess."""

Axis = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]


def _axis(name: str, *values: Any) -> Axis:
    return (name,), tuple((v,) for v in values)


AXES: dict[str, list[Axis]] = {
    "neighbours": [
        _axis("spread", 0.0, 0.25, 0.5, 0.75, 1.0),
        _axis("power", 0.0, 0.1, 0.25, 0.4, 0.5, 0.6),
        _axis("k", 50, 100, 200, 500),
        _axis("shrink", 0.0, 5.0, 20.0),
    ],
    "slim": [
        _axis("regularisation", 0.3, 1.0, 2.5, 6.0, 15.0, 40.0, 100.0, 250.0, 600.0),
        (("power", "lift"), ((0.0, 0.0), (0.15, 0.15), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5))),
        _axis("spread", 0.0, 0.08, 0.15, 0.25, 0.4),
        _axis("lift", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    ],
    "als": [
        _axis("unobserved", 0.1, 0.3, 1.0, 3.0, 10.0),  # of 5 / √items
        _axis("regularisation", 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        _axis("factors", 16, 32, 64, 128, 256, 512),
        _axis("scaling", 0.5, 0.75, 1.0),
    ],
    "spectral": [
        _axis("components", 0.5, 1.0, 1.5, 2.5, 4.0),  # of the usual number
        _axis("direct", 0.0, 0.4, 0.8, 1.5, 3.0),
        _axis("flatten", 0.0, 0.3, 0.7, 1.2, 2.0),
        (("power", "lift"), ((0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5))),
        _axis("spread", 0.1, 0.2, 0.3, 0.4, 0.5),
        _axis("lift", 0.2, 0.3, 0.4, 0.5),
    ],
    "sequence": [
        _axis("recency", 0.5, 0.7, 0.8, 0.9, 0.97),
        _axis("power", 0.0, 0.15, 0.3, 0.5),
        _axis("window", 1, 3, 5, 10),
    ],
}


@dataclass(frozen=True)
class Trial:
    """One setting that was tried on the validation part: its mean NDCG, and how long it took to fit."""

    model: str
    settings: dict[str, Any]
    ndcg: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "settings": self.settings,
            "ndcg": round(self.ndcg, 5),
            "seconds": round(self.seconds, 2),
        }


@dataclass
class Choice:
    """What `choose` decided. `retriever` is fitted on all of the training data."""

    retriever: Retriever
    kind: Kind
    trials: list[Trial] = field(default_factory=list)
    judged: Judged | None = None

    def sentence(self) -> str:
        best: dict[str, Trial] = {}
        for t in self.trials:
            if t.model not in best or t.ndcg > best[t.model].ndcg:
                best[t.model] = t
        singles = ", ".join(f"{m} {t.ndcg:.4f}" for m, t in sorted(best.items(), key=lambda p: -p[1].ndcg))
        said = f"validation ({self.kind}) NDCG: {singles}"
        if self.judged:
            rules = ", ".join(f"{rule} {value:.4f}" for rule, value in self.judged.ndcg.items())
            said += f"; blended by {rules}"
        names = "+".join(self.retriever.sources) if isinstance(self.retriever, Fuse) else self.retriever.name
        how = f" by {self.judged.rule}" if self.judged and isinstance(self.retriever, Fuse) else ""
        return f"{said}. Chosen: {names}{how}."


def choose(
    dataset: Dataset,
    kind: Kind = "random",
    k: int = 20,
    share: float = 0.2,
    progress: Progress = silent,
    families: list[str] | None = None,
    blend: bool = True,
) -> Choice:
    """Tune each family on a validation part, blend the winners, refit what is best on all of `dataset`."""
    holdout = hold_out(dataset, kind, share, dataset.project.seed)
    bench = Bench(holdout, k, dataset.project.seed)
    if families is None:
        families = ["neighbours", "als", "slim", "spectral"] + (
            ["sequence"] if kind in {"time", "last"} else []
        )
    budget = _trials(len(holdout.train.log))
    for number, family in enumerate(families):
        progress("choosing", number / len(families))
        bench.search(family, budget)
    best = {family: bench.best(family) for family in families}
    order = sorted(families, key=lambda f: -best[f].ndcg)
    chosen: Retriever = bench.make(order[0], best[order[0]].settings)
    judged: Judged | None = None
    close = [f for f in order if best[f].ndcg >= 0.5 * best[order[0]].ndcg]
    if blend and len(close) > 1:
        fused = Fuse({f: bench.fitted[f] for f in close})
        fused.counts = bench.counts
        people = bench.people(BLENDERS)
        judged = fused.learn(bench.requests(people), [holdout.truth[p] for p in people], k)
        if fused.config.rule == "trees" or (fused.weights > 0).sum() > 1:  # a blend of one source is no blend
            chosen = _rebuilt(fused, {f: bench.make(f, best[f].settings) for f in close})
    progress("choosing", 1.0)
    bench.fitted.clear()
    chosen.fit(dataset)
    return Choice(chosen, holdout.kind, bench.trials, judged)


def _rebuilt(fused: Fuse, fresh: dict[str, Retriever]) -> Fuse:
    """The fusion as it was learnt, over sources to be fitted anew; those without weight are left out where nobody asks them."""
    kept = (
        list(fresh)
        if fused.config.rule == "trees"
        else [f for f, w in zip(fused.sources, fused.weights, strict=True) if w > 0]
    )
    again = Fuse({f: fresh[f] for f in kept}, fused.config)
    again.weights = np.array([w for f, w in zip(fused.sources, fused.weights, strict=True) if f in kept])
    again.booster = fused.booster
    return again


def _trials(events: int) -> int:
    """How many settings each family may try."""
    return 24 if events <= 200_000 else 16 if events <= 500_000 else 8 if events <= 2_000_000 else 5


class Bench:
    """Fits settings on the training part and judges them by the people held out."""

    def __init__(self, holdout: Holdout, k: int, seed: int) -> None:
        self.holdout, self.k, self.seed = holdout, k, seed
        self.trials: list[Trial] = []
        self.fitted: dict[str, Retriever] = {}
        self.X = interactions(holdout.train)
        self.counts = np.bincount(self.X.indices, minlength=self.X.shape[1]).astype(np.float32)
        self.judges = self.people(JUDGES)
        self.asked = self.requests(self.judges)
        self.spectra: dict[tuple[float, float], tuple[int, tuple[np.ndarray, np.ndarray]]] = {}

    def people(self, most: int) -> np.ndarray:
        n = len(self.holdout.users)
        return np.sort(np.random.default_rng(self.seed).permutation(n)[:most])

    def requests(self, people: np.ndarray) -> Requests:
        return Requests.of_users(self.holdout.train, self.holdout.users[people], self.holdout.moments[people])

    def make(self, family: str, settings: dict[str, Any]) -> Retriever:
        model = MODELS[family]
        return model(model.Config.model_validate(absolute(settings, self.X.shape[1])))

    def best(self, family: str) -> Trial:
        return max((t for t in self.trials if t.model == family), key=lambda t: t.ndcg)

    def search(self, family: str, budget: int) -> None:
        """Pattern search: each axis in turn, a step up or down as long as it helps, within the budget."""
        axes = AXES[family]
        default = MODELS[family].Config()
        now: dict[str, Any] = {}
        for names, values in axes:
            for name, value in zip(names, _nearest(values, names, default), strict=True):
                now.setdefault(name, value)
        if "factors" in now:
            now["factors"] = min((64, 128, 256), key=lambda d: abs(d - np.sqrt(self.X.shape[1])))
        known: dict[str, float] = {}

        def judge(settings: dict[str, Any]) -> float:
            key = repr(sorted(settings.items()))
            if key not in known:
                if len(known) >= budget:
                    return -1.0
                known[key] = self.judge(family, settings)
            return known[key]

        score = judge(now)
        improved = True
        while improved and len(known) < budget:
            improved = False
            for names, values in axes:
                for direction in (1, -1):
                    while True:
                        at = _position(values, tuple(now[n] for n in names)) + direction
                        if not 0 <= at < len(values):
                            break
                        tried = now | dict(zip(names, values[at], strict=True))
                        value = judge(tried)
                        if value <= score * (1 + MARGIN):
                            break
                        now, score, improved = tried, value, True

    def judge(self, family: str, settings: dict[str, Any]) -> float:
        model = self.make(family, settings)
        started = time.perf_counter()
        if isinstance(model, Spectral):
            self._fit_spectral(model)
        elif isinstance(model, ItemItem) and family != "sequence":
            model.fit_matrix(model.damped(self.X))  # type: ignore[attr-defined]
        elif isinstance(model, ALS):
            model.fit_matrix(self.X)
        else:
            model.fit(self.holdout.train)
        seconds = time.perf_counter() - started
        value = self.value(model)
        if all(value > t.ndcg for t in self.trials if t.model == family):
            self.fitted[family] = model
        self.trials.append(Trial(family, settings, value, seconds))
        return value

    def value(self, model: Retriever) -> float:
        """The mean NDCG of a fitted model over the people who judge."""
        lists = [
            model.retrieve(self.asked.rows(start, min(start + 1024, len(self.asked))), self.k).item
            for start in range(0, len(self.asked), 1024)
        ]
        truth = [self.holdout.truth[p] for p in self.judges]
        return float(
            np.mean(ndcg(hit_matrix(np.concatenate(lists), truth), np.array([len(t) for t in truth]), self.k))
        )

    def _fit_spectral(self, model: Spectral) -> None:
        """Settings that differ only in what is done with the eigenvectors share them."""
        X = model.damped(self.X)
        key, wanted = (model.config.spread, model.config.power), model.config.components
        if key not in self.spectra or self.spectra[key][0] < wanted:
            self.spectra.clear()
            self.spectra[key] = wanted, model.spectrum(X)
        model.fit_matrix(X, self.spectra[key][1])


def absolute(settings: dict[str, Any], n_items: int) -> dict[str, Any]:
    """Settings of `AXES` as a model takes them: some are given there as a share of what is usual for the catalogue."""
    settings = dict(settings)
    if "components" in settings:
        settings["components"] = min(1536, round(settings["components"] * usual_components(n_items)))
    if "unobserved" in settings:
        settings["unobserved"] = settings["unobserved"] * sized(ALS.Config(), n_items)["unobserved"]
    return settings


def usual_place(
    family: str, names: tuple[str, ...], values: tuple[tuple[Any, ...], ...], n_items: int
) -> int:
    """Which value of an axis is the default's."""
    if names == ("factors",):
        return _position(values, (min((64, 128, 256), key=lambda d: abs(d - np.sqrt(n_items))),))
    return values.index(_nearest(values, names, MODELS[family].Config()))


def _position(values: tuple[tuple[Any, ...], ...], now: tuple[Any, ...]) -> int:
    if now in values:
        return values.index(now)
    return min(
        range(len(values)), key=lambda at: sum(abs(a - b) for a, b in zip(values[at], now, strict=True))
    )


def _nearest(values: tuple[tuple[Any, ...], ...], names: tuple[str, ...], default: Any) -> tuple[Any, ...]:
    """Where on an axis the defaults are; a relative setting starts at 1."""
    start = tuple(1.0 if getattr(default, n) is None else getattr(default, n) for n in names)
    return values[_position(values, start)]

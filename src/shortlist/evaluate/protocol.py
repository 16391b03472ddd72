"""The protocol: everything before one moment is learnt from, everything after it is the test (or another of `splits.py`).

A fresh recommender of the same project is trained on what may be learnt from (one that has seen the test cannot be judged by
it), then asked once for each person who acts in the test. It ranks the whole catalogue. Items a person had already taken are
neither recommended nor counted (unless `rerank.show_seen`). Beside it stand each of its retrievers alone, and always popular,
recent and random.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.times import NO_TIME
from shortlist.evaluate.comparison import ComparisonResult, FoldSlates, compare_slates
from shortlist.evaluate.folds import Fold, make_folds, refuse_sampling
from shortlist.evaluate.leaks import Leak, find_leaks
from shortlist.evaluate.measures import CatalogueStatistics
from shortlist.evaluate.policies import (
    Policy,
    baselines,
    histories_of,
    recommender_policy,
    replay_known_events,
)
from shortlist.evaluate.reliability import Reliability, evaluate_calibration
from shortlist.evaluate.rerank_cost import RerankCost, rerank_costs
from shortlist.evaluate.slices import Slice, default_slices
from shortlist.metrics.significance import Comparison, Estimate, verdict
from shortlist.recommender import Recommender
from shortlist.retrieve import interactions

DAY = 86_400_000


@dataclass
class Report:
    """`metrics[recommender][metric]`; `differences[other]`: `own` minus the other in the main metric; `comparisons` the same
    as sentences, corrected for their number; `slices`, `cautions` and `leaks`: what to know before believing it.
    """

    name: str
    simulated: bool
    k: int
    facts: dict[str, Any]
    metrics: dict[str, dict[str, Estimate]]
    differences: dict[str, Estimate]
    importance: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: dict[str, Reliability] = field(default_factory=dict)
    wanted: str = ""
    """The objective with the greatest weight: what a world's truth is told of."""
    own: str = "shortlist"
    main: str = ""
    comparisons: list[Comparison] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    cuts: dict[str, list[float]] = field(default_factory=dict)
    """The main metric of each recommender in each cut in time, with `rolling`."""
    prices: list[RerankCost] = field(default_factory=list)
    """What each part of the re-ranking costs in predicted utility."""

    def __post_init__(self) -> None:
        self.main = self.main or f"ndcg@{self.k}"

    @classmethod
    def of(cls, judged: ComparisonResult, own: str, **facts: Any) -> Report:
        """From what was judged."""
        cuts = judged.by_cut if len(next(iter(judged.by_cut.values()))) > 1 else {}
        return cls(
            metrics=judged.metrics,
            differences=judged.differences,
            own=own,
            comparisons=judged.comparisons,
            slices=judged.slices,
            cautions=judged.cautions,
            cuts=cuts,
            **facts,
        )

    def verdict(self) -> str:
        """Against whom `own` is better, worse, or cannot be told apart; in a world, what is true."""
        if self.leaks:
            return f"Do not believe these numbers yet: {self.leaks[0]}" + (
                f" (and {len(self.leaks) - 1} more)" if len(self.leaks) > 1 else ""
            )
        by: dict[str, list[str]] = {}
        for c in self.comparisons:
            by.setdefault(c.verdict, []).append(c.b)
        if not by:
            main = self.metrics[self.own][self.main]
            return f"{self.own} reaches {self.main} {main.value:.4f} ({main.low:.4f} to {main.high:.4f}); with nothing beside it, that says little. Add a baseline."
        words = {"better": "better than", "worse": "worse than", "can't tell": "not to be told apart from"}
        parts = [f"{words[what]} {', '.join(by[what])}" for what in words if what in by]
        many = "intervals of the differences together" if len(self.comparisons) > 1 else "interval"
        said = f"On {self.main}, {self.own} is {'; '.join(parts)} (95 % {many}, {self.facts['people']:,} people)."
        if "can't tell" in by:
            near = [c for c in self.comparisons if c.verdict == "can't tell" and c.people_needed]
            if near:
                least = min(near, key=lambda c: c.people_needed or 0)
                said += f" To tell {self.own} from {least.b} you would need about {_thousands(least.people_needed or 0)} people."
        return said + self._spread() + self._truth()

    def _spread(self) -> str:
        if not self.cuts:
            return ""
        own = self.cuts[self.own]
        return f" Over {len(own)} cuts in time it reaches {min(own):.4f} to {max(own):.4f}."

    def _truth(self) -> str:
        """In a world: what the slates truly bring of what is wanted most, and whether the log could tell."""
        metric = f"true_{self.wanted}@{self.k}"
        if metric not in self.metrics[self.own] or len(self.metrics) < 2:
            return ""
        own = self.metrics[self.own][metric].value
        other = max((n for n in self.metrics if n != self.own), key=lambda n: self.metrics[n][metric].value)
        best = self.metrics[other][metric].value
        said = (
            f" In truth, which only a simulated world knows, an item it shows brings {own:.3g} {self.wanted}, "
            f"{own / best - 1:+.0%} against {other}, the best of the others ({best:.3g})."
        )
        log_says = max(self.metrics, key=lambda n: self.metrics[n][self.main].value)
        if own > best and log_says != self.own:
            said += f" The log alone would have chosen {log_says}: in it people could only take what an older engine showed them."
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "simulated": self.simulated,
            "facts": self.facts,
            "verdict": self.verdict(),
            "leaks": [leak.to_json() for leak in self.leaks],
            "cautions": self.cautions,
            "recommenders": {r: {m: e.to_json() for m, e in ms.items()} for r, ms in self.metrics.items()},
            "differences": {
                self.main: {o: {**d.to_json(), "verdict": verdict(d)} for o, d in self.differences.items()}
            },
            "comparisons": [c.to_json() for c in self.comparisons],
            "slices": [s.to_json() for s in self.slices],
            "cuts": self.cuts,
            "importance": self.importance,
            "calibration": {name: r.to_json() for name, r in self.calibration.items()},
            **({"rerank_prices": [p.to_json() for p in self.prices]} if self.prices else {}),
        }


PRICED = 500
"""So many people's slates tell what re-ranking costs."""
Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]
OtherPolicy = Callable[[np.ndarray, int], np.ndarray]
Other = Callable[[Dataset, list[dict[str, Any]] | None], OtherPolicy]


def evaluate(
    recommender: Recommender | Project,
    dataset: Dataset,
    progress: Progress = silent,
    truth: Truth | dict[str, Truth] | None = None,
    others: dict[str, Other] | None = None,
) -> Report:
    """Train on the past of a data set, test on its future, and compare. See the module for the protocol.

    truth: in a world, the chance that each (user code, item code) is wanted, or one such function an objective
    (`world.truths`); they add columns `true_<objective>@k`, the mean over the slate, which no log bias touches: people in
    a log could only take what an older engine showed them. others: name → a function that learns from (training data set,
    contexts of the requests) and gives a policy, (user codes, k) → item codes (people, k), to stand in the same table.
    """
    project = recommender.project if isinstance(recommender, Recommender) else recommender
    settings = project.evaluate
    refuse_sampling(settings.candidates)
    truths = truth if isinstance(truth, dict) else {project.relevant: truth} if truth is not None else {}
    rounds: list[FoldSlates] = []
    leaks: dict[str, Leak] = {}
    timings: dict[str, float] = {}
    fit_seconds = 0.0
    facts: dict[str, Any] = {}
    for fold in make_folds(project, dataset):
        started = time.perf_counter()
        fresh = Recommender(project).fit(fold.train, progress)
        fit_seconds += time.perf_counter() - started
        replay_known_events(fresh, fold)
        policies: dict[str, Policy] = {"shortlist": recommender_policy(fresh, fold), **baselines(fresh, fold)}
        for name, other in (others or {}).items():
            policies[name] = _other(other(fold.train, fold.contexts), fold)
        slates = {}
        everyone = np.arange(len(fold.truth))
        for number, (name, policy) in enumerate(policies.items()):
            started = time.perf_counter()
            slates[name] = policy(everyone, settings.k)
            timings[name] = timings.get(name, 0.0) + time.perf_counter() - started
            progress("evaluation", (number + 1) / len(policies))
        rounds.append(_round(fresh, fold, slates, truths))
        facts = {**facts, **fold.facts}
        reliabilities: dict[str, Reliability] = {}
        told: dict[str, dict[str, float]] = {}
        if settings.protocol in {"time", "rolling"}:
            reliabilities, told = evaluate_calibration(fresh, dataset, fold.moment)
        for leak in find_leaks(dataset, fold, fresh, told):
            leaks.setdefault(str(leak), leak)
    judged = compare_slates(rounds, "shortlist", settings.k, settings.bootstrap, project.seed)
    train = fold.train
    facts = {
        "people": judged.people,
        "people_with_history": len({p for r in rounds for p in r.people[_has_history(r)].tolist()}),
        "requests": sum(len(r.people) for r in rounds),
        "items": len(train.items),
        "train_events": len(train.log),
        "protocol": settings.protocol.replace("_", " "),
        **({"cuts": len(rounds)} if len(rounds) > 1 else {}),
        **(facts if len(rounds) == 1 else {"test_from": f"{rounds[0].name[5:]} to {rounds[-1].name[5:]}"}),
        "relevant": project.relevant,
        "fit_seconds": round(fit_seconds, 2),
        "recommend_seconds": {n: round(t, 3) for n, t in timings.items()},
    }
    return Report.of(
        judged,
        "shortlist",
        name=project.name,
        simulated=project.simulated,
        k=settings.k,
        facts=facts,
        importance={
            name: dict(list(fresh.ranker.importance(name).items())[:12]) for name in project.objectives
        },
        calibration=reliabilities,
        wanted=max(project.objectives, key=lambda name: project.objectives[name].weight),
        leaks=list(leaks.values()),
        prices=rerank_costs(fresh, fold.ids[:PRICED], settings.k),
    )


def _has_history(one: FoldSlates) -> np.ndarray:
    indptr = one.catalogue.indptr
    return np.zeros(len(one.people), bool) if indptr is None else np.diff(indptr) > 0


def _other(policy: OtherPolicy, fold: Fold) -> Policy:
    return lambda rows, k: policy(fold.users[rows], k)


def _round(
    fresh: Recommender, fold: Fold, slates: dict[str, np.ndarray], truths: dict[str, Truth]
) -> FoldSlates:
    k = fresh.project.evaluate.k
    catalogue = catalogue_statistics(fresh, fold)
    # people that nobody knows have a number of their own, below zero
    _, number = np.unique(np.array([str(i) for i in fold.ids]), return_inverse=True)
    people = np.where(fold.users >= 0, fold.users, -1 - number)
    extra = {
        name: {f"true_{what}@{k}": true_means(true, fold.users, s) for what, true in truths.items()}
        for name, s in slates.items()
    }
    cuts = default_slices(
        catalogue,
        fold.users,
        fold.train.users.attributes,
        fold.train.items.attributes,
        fresh.project.evaluate.protocol != "rolling",
    )
    return FoldSlates(fold.name, slates, fold.truth, catalogue, people, cuts, extra)


def catalogue_statistics(fresh: Recommender, fold: Fold) -> CatalogueStatistics:
    """What the training part knows of items, and the histories of those who ask."""
    train, settings = fold.train, fresh.project.rerank
    n = len(train.items)
    own = histories_of(fold)
    taken = train.log.item[train.log.acted]
    genres = next((a for a in train.items.attributes.values() if a.kind == "list"), None)
    if settings.diversity_by:
        genres = train.items.attributes[settings.diversity_by]
    maker = train.items.attributes[settings.exposure_by] if settings.exposure_by else None
    born = fresh.arrange.first_seen
    age = np.where(born == NO_TIME, np.nan, (fold.moment - born.astype(np.float64)) / DAY)
    if settings.diversity_by or fresh.arrange.factors is not None:
        vectors: Any = fresh.arrange.vectors(np.arange(n))
    else:
        vectors = interactions(train, fresh.project.retrieve).T.tocsr()
    return CatalogueStatistics(
        n,
        np.bincount(taken, minlength=n) / max(len(train.users), 1),
        own.indptr,
        own.item.astype(np.int64),
        vectors,
        None if genres is None else genres.matrix(),
        None if maker is None else maker.codes.astype(np.int64),
        0 if maker is None else len(maker.vocabulary),
        age if int(train.log.time[-1]) > 1e11 else None,
    )


def true_means(truth: Truth, people: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """The mean of a world's truth over each slate, float64 (people,); 0 for an empty one."""
    shown = slates >= 0
    values = truth(np.repeat(people, shown.sum(1)), slates[shown])
    owner = np.repeat(np.arange(len(people)), shown.sum(1))
    return np.asarray(np.bincount(owner, values, len(people)) / np.maximum(shown.sum(1), 1))


def _thousands(number: int) -> str:
    return f"{round(number, -max(len(str(number)) - 2, 0)):,}"

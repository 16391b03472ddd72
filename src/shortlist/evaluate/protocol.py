"""The protocol: everything before one moment is learnt from, everything after it is the test (or another of `splits.py`).

A fresh recommender of the same project is trained on what may be learnt from (one that has seen the test cannot be judged by
it), then asked once for each person who acts in the test. It ranks the whole catalogue. Items a person had already taken are
neither recommended nor counted (unless `rerank.show_seen`). Beside it stand each of its retrievers alone, and always popular,
recent and random.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.attributes import CategoryAttribute, CodedAttribute, ListAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.times import NO_TIME
from shortlist.evaluate.comparison import FoldSlates, compare_slates
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
from shortlist.evaluate.report import Report
from shortlist.evaluate.rerank_cost import rerank_costs
from shortlist.evaluate.slices import default_slices
from shortlist.recommender import Recommender
from shortlist.retrieve import interactions

DAY = 86_400_000


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
    return Report.from_comparison(
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
        top_objective=max(project.objectives, key=lambda name: project.objectives[name].weight),
        leaks=list(leaks.values()),
        rerank_costs=rerank_costs(fresh, fold.ids[:PRICED], settings.k),
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
    attributes = train.items.attributes
    genres: CodedAttribute | None = next(
        (a for a in attributes.values() if isinstance(a, ListAttribute)), None
    )
    if settings.diversity_by:
        by = attributes[settings.diversity_by]
        genres = by if isinstance(by, CodedAttribute) else None
    maker = attributes[settings.exposure_by] if settings.exposure_by else None
    assert maker is None or isinstance(maker, CategoryAttribute)
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

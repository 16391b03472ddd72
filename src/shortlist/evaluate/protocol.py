"""The protocol: everything before one moment is learnt from, everything after it is the test.

A fresh recommender of the same project is trained on what came before the test (one that has seen the test cannot be
judged by it), then asked once for each person who acts in the test, with the history up to its start. It ranks the
whole catalogue: candidates are never sampled, since sampled metrics can order models wrongly (Krichene & Rendle 2020,
"On sampled metrics for item recommendation"). Items a person had already taken are neither recommended nor counted
(unless `rerank.show_seen`). Beside it stand each of its retrievers alone, and always popular, recent and random;
where a retriever alone cannot fill a list, popular items follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.data.dataset import Dataset, Progress, silent
from shortlist.data.split import cut_for_test
from shortlist.errors import DataError
from shortlist.evaluate.calibration import Reliability, check_calibration
from shortlist.evaluate.significance import Estimate, bootstrap, verdict
from shortlist.metrics import beyond, ranking
from shortlist.project import Project
from shortlist.rank.examples import past_requests
from shortlist.recommender import Recommender
from shortlist.rerank.rules import allowed_items
from shortlist.retrieve import Popular, Retriever
from shortlist.retrieve.base import Requests, best

MOST_PEOPLE = 2_000
"""At most this many people are asked for, drawn at random; the catalogue is always whole."""


@dataclass
class Report:
    """`metrics[recommender][metric]`; `differences[other]`: shortlist minus the other in the main metric."""

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

    @property
    def main(self) -> str:
        return f"ndcg@{self.k}"

    def verdict(self) -> str:
        """Against whom the full cascade is better, worse, or cannot be told apart; in a world, what is true."""
        by: dict[str, list[str]] = {}
        for other, difference in self.differences.items():
            by.setdefault(verdict(difference), []).append(other)
        words = {"better": "better than", "worse": "worse than", "can't tell": "not to be told apart from"}
        parts = [f"{words[what]} {', '.join(by[what])}" for what in words if what in by]
        said = f"On {self.main}, shortlist is {'; '.join(parts)} (95 % intervals of the difference, {self.facts['people']:,} people)."
        return said + self._truth()

    def _truth(self) -> str:
        """In a world: what the slates truly bring of what is wanted most, and whether the log could tell."""
        metric = f"true_{self.wanted}@{self.k}"
        if metric not in self.metrics["shortlist"]:
            return ""
        own = self.metrics["shortlist"][metric].value
        other = max(
            (n for n in self.metrics if n != "shortlist"), key=lambda n: self.metrics[n][metric].value
        )
        best = self.metrics[other][metric].value
        said = (
            f" In truth, which only a simulated world knows, an item it shows brings {own:.3g} {self.wanted}, "
            f"{own / best - 1:+.0%} against {other}, the best of the others ({best:.3g})."
        )
        log_says = max(self.metrics, key=lambda n: self.metrics[n][self.main].value)
        if own > best and log_says != "shortlist":
            said += f" The log alone would have chosen {log_says}: in it people could only take what an older engine showed them."
        return said

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "simulated": self.simulated,
            "facts": self.facts,
            "verdict": self.verdict(),
            "recommenders": {r: {m: e.to_json() for m, e in ms.items()} for r, ms in self.metrics.items()},
            "differences": {
                self.main: {o: {**d.to_json(), "verdict": verdict(d)} for o, d in self.differences.items()}
            },
            "importance": self.importance,
            "calibration": {name: r.to_json() for name, r in self.calibration.items()},
        }


Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]
Policy = Callable[[np.ndarray, int], np.ndarray]
Other = Callable[[Dataset, list[dict[str, Any]] | None], Policy]


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
    cut = cut_for_test(dataset)
    train, test = dataset.before(cut), dataset.between(cut, int(dataset.log.time[-1]) + 1)
    started = time.perf_counter()
    fresh = Recommender(project).fit(train, progress)
    fit_seconds = time.perf_counter() - started
    contexts: list[dict[str, Any]] | None = None
    if project.evaluate.requests == "events":
        people, wanted, contexts = each_event(project, train, test, MOST_PEOPLE)
    else:
        people, wanted = relevant_of(project, train, test, MOST_PEOPLE)
    if not len(people):
        raise DataError(
            f"nobody in the test part has anything relevant ({project.relevant}); make evaluate.test larger",
            field="evaluate.test",
        )
    settings = project.evaluate
    known = np.diff(train.histories.indptr)[people] > 0
    policies = _policies(fresh, train, cut, contexts)
    policies |= {name: other(train, contexts) for name, other in (others or {}).items()}
    metrics: dict[str, dict[str, Estimate]] = {}
    per_person: dict[str, np.ndarray] = {}
    popularity = np.asarray(
        np.bincount(train.log.item[train.log.acted], minlength=len(train.items)) / max(len(train.users), 1)
    )
    truths = truth if isinstance(truth, dict) else {project.relevant: truth} if truth is not None else {}
    vectors = fresh.arrange.vectors(np.arange(len(train.items)))
    timings = {}
    for number, (name, policy) in enumerate(policies.items()):
        started = time.perf_counter()
        slates = policy(people, settings.k)
        timings[name] = time.perf_counter() - started
        hits, relevant = ranking.member(slates, wanted), np.array([len(w) for w in wanted])
        values: dict[str, np.ndarray] = {
            f"ndcg@{settings.k}": ranking.ndcg(hits, relevant, settings.k),
            f"recall@{settings.k}": ranking.recall(hits, relevant, settings.k),
            f"map@{settings.k}": ranking.average_precision(hits, relevant, settings.k),
            f"mrr@{settings.k}": ranking.mrr(hits, relevant, settings.k),
            f"hit_rate@{settings.k}": ranking.hit_rate(hits, relevant, settings.k),
            f"novelty@{settings.k}": beyond.novelty(slates, popularity, settings.k),
            f"diversity@{settings.k}": beyond.intra_list_diversity(slates, vectors, settings.k),
        }
        for what, true in truths.items():
            values[f"true_{what}@{settings.k}"] = true_means(true, people, slates)
        values = {metric: _by_person(v, people) for metric, v in values.items()}
        per_person[name] = values[f"ndcg@{settings.k}"]
        metrics[name] = {
            metric: bootstrap(v, settings.bootstrap, project.seed) for metric, v in values.items()
        }
        metrics[name][f"coverage@{settings.k}"] = _coverage(
            slates, len(train.items), settings.k, project.seed
        )
        progress("evaluation", (number + 1) / len(policies))
    differences = {
        n: bootstrap(per_person["shortlist"] - v, settings.bootstrap, project.seed)
        for n, v in per_person.items()
        if n != "shortlist"
    }
    facts = {
        "people": len(np.unique(people)),
        "people_with_history": len(np.unique(people[known])),
        "requests": len(people),
        "items": len(train.items),
        "train_events": len(train.log),
        "test_from": str(
            np.datetime64(cut, "s") if cut < 1e11 else np.datetime64(cut, "ms").astype("datetime64[s]")
        ),
        "relevant": project.relevant,
        "fit_seconds": round(fit_seconds, 2),
        "recommend_seconds": {n: round(t, 3) for n, t in timings.items()},
    }
    importance = {name: dict(list(fresh.ranker.importance(name).items())[:12]) for name in project.objectives}
    reliabilities = check_calibration(fresh, dataset, cut)
    return Report(
        project.name,
        project.simulated,
        settings.k,
        facts,
        metrics,
        differences,
        importance,
        reliabilities,
        max(project.objectives, key=lambda name: project.objectives[name].weight),
    )


def true_means(truth: Truth, people: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """The mean of a world's truth over each slate, float64 (people,); 0 for an empty one."""
    shown = slates >= 0
    values = truth(np.repeat(people, shown.sum(1)), slates[shown])
    owner = np.repeat(np.arange(len(people)), shown.sum(1))
    return np.asarray(np.bincount(owner, values, len(people)) / np.maximum(shown.sum(1), 1))


def relevant_of(
    project: Project, train: Dataset, test: Dataset, most: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Who is asked for (at most so many), and what was relevant to each: positives of the test not already in the
    history."""
    rows = np.flatnonzero(test.positives(project.objectives[project.relevant]))
    n_items = len(train.items)
    pairs = np.unique(test.log.user[rows].astype(np.int64) * n_items + test.log.item[rows])
    if not project.rerank.show_seen:
        h = train.histories
        pairs = np.setdiff1d(pairs, h.owner * n_items + h.item)
    users, items = pairs // n_items, (pairs % n_items).astype(np.int64)
    people = np.unique(users)
    if len(people) > most:
        people = np.sort(np.random.default_rng(project.seed).permutation(people)[:most])
    bounds = np.searchsorted(users, people), np.searchsorted(users, people, side="right")
    return people.astype(np.int32), [items[low:high] for low, high in zip(*bounds, strict=True)]


def each_event(
    project: Project, train: Dataset, test: Dataset, most: int
) -> tuple[np.ndarray, list[np.ndarray], list[dict[str, Any]]]:
    """Each positive of the test (at most so many) as a request of its own: by whom, for which item, in which context."""
    rows = np.flatnonzero(test.positives(project.objectives[project.relevant]))
    if not project.rerank.show_seen:
        h, n_items = train.histories, len(train.items)
        pairs = test.log.user[rows].astype(np.int64) * n_items + test.log.item[rows]
        rows = rows[~np.isin(pairs, h.owner * n_items + h.item)]
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(project.seed).permutation(rows)[:most])
    contexts = [
        {name: value for name, a in test.log.context.items() if (value := a.show(row)) is not None}
        for row in rows.tolist()
    ]
    return test.log.user[rows], [test.log.item[[row]].astype(np.int64) for row in rows], contexts


def _by_person(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The mean of each person's requests."""
    unique, owner = np.unique(people, return_inverse=True)
    if len(unique) == len(people):
        return values
    known = ~np.isnan(values)
    total = np.bincount(owner[known], values[known], len(unique))
    count = np.bincount(owner[known], minlength=len(unique))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _policies(
    recommender: Recommender, train: Dataset, moment: int, contexts: list[dict[str, Any]] | None
) -> dict[str, Policy]:
    project = recommender.project
    allowed = allowed_items(train.items, None, project.rerank.in_stock)

    def requests(people: np.ndarray) -> Requests:
        asked = past_requests(
            train, people, np.full(len(people), moment, np.int64), not project.rerank.show_seen
        )
        return Requests(
            asked.histories,
            asked.weights,
            asked.moments,
            allowed,
            asked.excluded_indptr,
            asked.excluded,
            asked.attributes,
        )

    def cascade(people: np.ndarray, k: int) -> np.ndarray:
        answer = np.full((len(people), k), -1, np.int64)
        slates = recommender.recommend(users=train.users.ids.ids(people), n=k, now=moment, context=contexts)
        for row, slate in enumerate(slates):
            answer[row, : len(slate)] = train.items.ids.codes([r.item for r in slate])
        return answer

    fallback = Popular().fit(train)

    def alone(retriever: Retriever) -> Policy:
        def policy(people: np.ndarray, k: int) -> np.ndarray:
            parts = []
            for start in range(0, len(people), 256):
                asked = requests(people[start : start + 256])
                scores, behind = retriever.score(asked), fallback.score(asked)
                # popular items fill up below everything that the retriever says
                floor = np.where(np.isneginf(scores), np.inf, scores).min(1, keepdims=True)
                floor = np.where(np.isinf(floor), 0, floor)
                parts.append(best(np.where(np.isneginf(scores), floor - 2 + behind, scores), asked, k).item)
            return np.concatenate(parts).astype(np.int64)

        return policy

    def ranked(values: Callable[[int], np.ndarray]) -> Policy:
        def policy(people: np.ndarray, k: int) -> np.ndarray:
            parts = []
            for start in range(0, len(people), 256):
                asked = requests(people[start : start + 256])
                parts.append(best(values(len(asked)).astype(np.float32), asked, k).item)
            return np.concatenate(parts).astype(np.int64)

        return policy

    latest = np.full(len(train.items), -np.inf)
    np.maximum.at(latest, train.log.item, np.arange(len(train.log), dtype=np.float64))
    recent = np.argsort(np.argsort(latest)).astype(np.float32)
    rng = np.random.default_rng(project.seed)
    policies: dict[str, Policy] = {"shortlist": cascade}
    policies |= {name: alone(retriever) for name, retriever in recommender.retrievers.items()}
    if "popular" not in policies:
        policies["popular"] = alone(fallback)
    policies["recent"] = ranked(lambda n: np.tile(recent, (n, 1)))
    policies["random"] = ranked(lambda n: rng.random((n, len(train.items))))
    return policies


def _coverage(slates: np.ndarray, n_items: int, k: int, seed: int, draws: int = 200) -> Estimate:
    """Coverage is of the whole set of slates, so the bootstrap redraws slates."""
    rng = np.random.default_rng(seed)
    drawn = [
        beyond.coverage(slates[rng.integers(0, len(slates), len(slates))], n_items, k) for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = beyond.coverage(slates, n_items, k)
    return Estimate(value, min(float(low), value), max(float(high), value))

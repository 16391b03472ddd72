"""Tuning: hyper-parameters of the whole cascade, chosen on the validation slice.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) proposes settings of retrievers, ranker and re-rankers
together, since what is best for one depends on the others. A trial fits the retrievers on the past and the ranker on its
window, and is judged by the NDCG of the slates for those who act in the validation slice. It is given up early where its
retrieval alone, or a third of its trees, is worse than the median trial was at that point.

The study is an SQLite file: stop whenever you like and go on later. The test is never looked at, and the best of many trials
is always a little luckier than it is good: `shortlist evaluate` with the tuned project says what it is worth.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import stage_cuts
from shortlist.engines import make_engine
from shortlist.errors import DataError, ProjectError, import_extra
from shortlist.evaluate.measures import accuracy_metrics
from shortlist.evaluate.relevance import relevant_items
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.metrics.significance import Estimate
from shortlist.rank.base import Ranker
from shortlist.rank.past_requests import requests_as_of
from shortlist.rank.propensity import position_curve
from shortlist.rank.registry import make_ranker
from shortlist.rank.training_set import ExampleSettings, Window, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.report.charts import bars, running_best
from shortlist.report.document import (
    Block,
    Document,
    Figure,
    FigureGrid,
    Heading,
    Paragraph,
    TableBlock,
    TableRow,
)
from shortlist.report.render import render_page
from shortlist.rerank.pipeline import RerankPipeline, first_seen_times
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Retriever, make_retrievers
from shortlist.retrieve.fusion.blend import blend
from shortlist.retrieve.fusion.search_space import absolute, default_place, search_space

PEOPLE = 1_000
NUMBERS: dict[str, tuple[float, float, bool]] = {
    "rank.depth": (3, 8, False),
    "rank.trees": (50, 400, True),
    "rank.learning_rate": (0.02, 0.3, True),
    "rank.min_child_weight": (1.0, 200.0, True),
    "retrieve.candidates": (100, 1000, True),
    "retrieve.history": (20, 400, True),
    "rerank.diversity": (0.0, 0.4, False),
    "rerank.freshness": (0.0, 1.0, False),
}
"""Setting → least, most, whether its logarithm is searched."""
HALF_LIVES = ("1d", "3d", "7d", "14d", "30d", "90d", "365d", None)
"""None: what is popular stays so."""


@dataclass
class Tuned:
    """`settings`: the project with the best trial's settings; `importance`: share of the variation each accounts for."""

    project: Project
    value: float
    default: float
    best: dict[str, Any]
    importance: dict[str, float]
    trials: list[dict[str, Any]] = field(default_factory=list)

    def sentence(self) -> str:
        change = (self.value / self.default - 1) if self.default else 0.0
        done = [t for t in self.trials if t["state"] == "COMPLETE"]
        said = (
            f"The best of {len(self.trials)} trials ({len(self.trials) - len(done)} given up early) reaches "
            f"{self.value:.4f} on the validation slice, {change:+.1%} against the project's own settings ({self.default:.4f})."
        )
        if not self.importance:
            return said + " Too few trials were finished to say which settings mattered."
        mattered = [f"{n} ({s:.0%})" for n, s in self.importance.items() if s >= 0.1][:4]
        rest = sum(1 for s in self.importance.values() if s < 0.05)
        if not mattered:
            return said + " No setting mattered much by itself."
        return (
            said + f" What mattered: {', '.join(mattered)}; {rest} settings moved it by less than 5 % each."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "default": self.default,
            "best": self.best,
            "importance": self.importance,
            "sentence": self.sentence(),
            "trials": self.trials,
        }


def tune(
    project: Project,
    dataset: Dataset,
    trials: int = 40,
    study_file: Path | None = None,
    progress: Progress = silent,
) -> Tuned:
    """Search for better settings: `trials` more than the study already has. Needs the extra `tune`.

    study_file: an SQLite file that keeps the trials; in memory without. Raises `DataError` where nobody acts in the
    validation slice, `ProjectError` where the study belongs to another data set.
    """
    optuna: Any = import_extra("optuna", "tune")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    trial_bench = _Bench(project, dataset)
    storage = f"sqlite:///{study_file}" if study_file is not None else None
    study = optuna.create_study(
        study_name=project.name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=project.seed, multivariate=True, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6),
    )
    facts = trial_bench.facts()
    known = study.user_attrs.get("facts")
    if known is not None and known != facts:
        raise ProjectError(
            f"{study_file} is a study of another data set or project; name another file with --study",
            field="study",
        )
    study.set_user_attr("facts", facts)
    if not study.trials:  # the first trial is the project as it stands
        study.enqueue_trial(trial_bench.defaults())

    before = len([t for t in study.trials if t.state.name != "WAITING"])

    def finished(_study: Any, trial: Any) -> None:
        progress("trials", min((trial.number + 1 - before) / trials, 1.0))

    study.optimize(trial_bench.judge, n_trials=trials, callbacks=[finished])
    complete = [t for t in study.trials if t.state.name == "COMPLETE"]
    importance: dict[str, float] = {}
    if len(complete) >= 6:
        importance = {
            _spoken(name): float(share)
            for name, share in optuna.importance.get_param_importances(study).items()
        }
    best = study.best_trial
    return Tuned(
        trial_bench.project_of(best.params),
        float(best.value),
        float(study.trials[0].value if study.trials[0].value is not None else np.nan),
        {_spoken(n): v for n, v in trial_bench.spelt(best.params).items()},
        importance,
        [{"state": t.state.name, "value": t.value, "settings": t.params} for t in study.trials],
    )


def _spoken(name: str) -> str:
    return name.replace("sources.", "")


class _Bench:
    """Judges settings on the validation slice."""

    def __init__(self, project: Project, dataset: Dataset) -> None:
        self.project, self.dataset = project, dataset
        self.cuts = stage_cuts(dataset.log, project.evaluate)
        self.past, self.until = dataset.before(self.cuts.ranker), dataset.before(self.cuts.validation)
        self.features = FeatureSet.from_project(project, dataset).fit(self.past)
        self.curve = position_curve(self.until, project)
        slice_ = dataset.between(self.cuts.validation, self.cuts.end)
        positive = np.flatnonzero(slice_.positives(project.objectives[project.relevant]))
        self.people, self.truth = relevant_items(
            project, self.until, slice_.log.user[positive], slice_.log.item[positive], PEOPLE
        )
        if not len(self.people):
            raise DataError(
                "nobody in the validation slice has anything relevant; make evaluate.validation larger",
                field="evaluate.validation",
            )
        self.fitted: dict[str, Retriever] = {}
        self.n_items = len(dataset.items)

    def facts(self) -> str:
        sources = json.dumps(self.project.retrieve.sources, sort_keys=True)
        text = f"{self.project.name}|{len(self.dataset.log)}|{self.dataset.log.time[-1]}|{sources}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # ------------------------------------------------------------------ space

    def _axes(self) -> dict[str, tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], int]]:
        """Study's name → (settings, their values, number of the source), for the retrievers."""
        axes = {}
        for number, (name, source) in enumerate(
            zip(make_retrievers(self.project.retrieve), self.project.retrieve.sources, strict=True)
        ):
            for names, values in search_space(source["model"]):
                axes[f"sources.{name}.{'+'.join(names)}"] = (names, values, number)
            if source["model"] == "popular":
                axes[f"sources.{name}.half_life"] = (("half_life",), tuple((v,) for v in HALF_LIVES), number)
        return axes

    def _numbers(self) -> dict[str, tuple[float, float, bool]]:
        by = self.project.rerank.diversity_by
        return {n: r for n, r in NUMBERS.items() if n != "rerank.diversity" or by is not None}

    def defaults(self) -> dict[str, Any]:
        """Where the project stands, or the nearest there is."""
        found: dict[str, Any] = {}
        for name, (least, most, _) in self._numbers().items():
            section, _, setting = name.partition(".")
            value = getattr(getattr(self.project, section), setting)
            found[name] = type(value)(min(max(value, least), most))
        for name, (names, values, number) in self._axes().items():
            own = self.project.retrieve.sources[number]
            known = tuple(own.get(n) for n in names)
            if known in values:
                found[name] = values.index(known)
            elif own["model"] == "popular":
                found[name] = values.index(("30d",))
            else:
                found[name] = default_place(own["model"], names, values, self.n_items)
        return found

    def suggest(self, trial: Any) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name, (least, most, log) in self._numbers().items():
            section, _, setting = name.partition(".")
            whole = isinstance(getattr(getattr(self.project, section), setting), int)
            chosen[name] = (
                trial.suggest_int(name, int(least), int(most), log=log)
                if whole
                else trial.suggest_float(name, least, most, log=log)
            )
        for name, (_, values, _) in self._axes().items():
            chosen[name] = trial.suggest_int(name, 0, len(values) - 1)
        return chosen

    def spelt(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """Settings by name, as a project file has them."""
        answer = {name: chosen[name] for name in self._numbers() if name in chosen}
        for name, (names, values, _) in self._axes().items():
            if name in chosen:
                prefix = name.rpartition(".")[0]
                settings = absolute(dict(zip(names, values[chosen[name]], strict=True)), self.n_items)
                answer |= {f"{prefix}.{setting}": value for setting, value in settings.items()}
        return answer

    def project_of(self, chosen: dict[str, Any]) -> Project:
        settings = json.loads(self.project.model_dump_json())
        sources = dict(
            zip(make_retrievers(self.project.retrieve), settings["retrieve"]["sources"], strict=True)
        )
        for name, value in self.spelt(chosen).items():
            if name.startswith("sources."):
                _, source, setting = name.split(".", 2)
                sources[source][setting] = value
                if value is None:  # a project file has no word for it but leaving it out
                    del sources[source][setting]
            else:
                section, _, setting = name.partition(".")
                settings[section][setting] = value
        return parse_project(settings)

    # ------------------------------------------------------------------ judging

    def judge(self, trial: Any) -> float:
        """One trial. Raises Optuna's `TrialPruned` where it is given up."""
        project = self.project_of(self.suggest(trial))
        if project.rank.heads == "auto":  # one kind of heads a trial: both would double its time
            rank = project.rank.model_copy(update={"heads": "joint"})
            project = project.model_copy(update={"rank": rank})
        retrievers = {}
        for (name, retriever), source in zip(
            make_retrievers(project.retrieve).items(), project.retrieve.sources, strict=True
        ):
            key = json.dumps([name, source], sort_keys=True)
            if key not in self.fitted:
                self.fitted[key] = retriever.fit(self.past)
            retrievers[name] = self.fitted[key]
        rows, order = self._candidates(project, retrievers)
        self._report(trial, 0, self._ndcg(order))
        window, held = (
            make_training_set(
                seen,
                retrievers,
                self.features,
                Window(start, end, self.cuts.ranker),
                ExampleSettings.of(project),
                examination=self.curve,
            )
            for seen, start, end in (
                (self.until, self.cuts.ranker, self.cuts.validation),
                (self.dataset, self.cuts.validation, self.cuts.end),
            )
        )
        matrix = self.features.offline_matrix(rows, self.until, engine=make_engine(project.data.engine))
        third = project.model_copy(
            update={"rank": project.rank.model_copy(update={"trees": max(project.rank.trees // 3, 1)})}
        )
        self._report(
            trial, 1, self._ndcg(self._slates(third, make_ranker(third).fit(window, held), rows, matrix))
        )
        value = self._ndcg(self._slates(project, make_ranker(project).fit(window, held), rows, matrix))
        if len(self.fitted) > 64:
            self.fitted.clear()
        return value

    def _report(self, trial: Any, step: int, value: float) -> None:
        optuna: Any = import_extra("optuna", "tune")
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    def _candidates(
        self, project: Project, retrievers: dict[str, Retriever]
    ) -> tuple[FeatureRows, np.ndarray]:
        moments = np.full(len(self.people), self.cuts.validation, np.int64)
        asked = requests_as_of(self.until, project.retrieve, self.people, moments, project.rerank)
        blended = blend(retrievers, asked, project.retrieve.candidates)
        rows = blended.feature_rows(RequestKeys(self.people, {}, asked.attributes), moments, asked.histories)
        return rows, blended.item[:, : project.evaluate.k]

    def _slates(self, project: Project, ranker: Ranker, rows: FeatureRows, matrix: np.ndarray) -> np.ndarray:
        predictions = ranker.predict(matrix)
        scales = np.maximum(np.abs(predictions.mean(0)), 1e-9).astype(np.float64)
        weights = np.array([o.weight for o in project.objectives.values()])
        utility = UtilityWeights(weights, scales, project.utility.combine).utility(predictions)
        first_seen = first_seen_times(self.until, project.rerank)
        arrange = RerankPipeline(project.rerank, self.until.items, first_seen)
        k = project.evaluate.k
        slates = np.full((len(self.people), k), -1, np.int64)
        bounds = np.searchsorted(rows.request, np.arange(len(self.people) + 1))
        for person in range(len(self.people)):
            part = slice(int(bounds[person]), int(bounds[person + 1]))
            order = arrange.rerank(
                rows.item[part],
                utility[part],
                k,
                self.cuts.validation,
                RerankStrengths(project.rerank.diversity, project.rerank.freshness),
            )
            slates[person, : len(order)] = rows.item[part][order]
        return slates

    def _ndcg(self, slates: np.ndarray) -> float:
        k = self.project.evaluate.k
        return float(accuracy_metrics(slates, self.truth, k)["ndcg"].mean())


def tuned_page(tuned: Tuned, name: str, simulated: bool) -> str:
    """Return the trials, the importance of the settings and the best settings as one HTML file."""
    importance = bars({n: Estimate(s, s, s) for n, s in list(tuned.importance.items())[:14]})
    values = [(at, t["value"]) for at, t in enumerate(tuned.trials) if t["state"] == "COMPLETE"]
    figures = [
        Figure("Importance", "share of the variation between trials", importance),
        Figure("Trials", "finished trials in order; the line is the best so far", running_best(values)),
    ]
    rows = [TableRow(n, [f"{v:.3g}" if isinstance(v, float) else str(v)]) for n, v in tuned.best.items()]
    about = (
        "The settings were chosen on the validation slice, where the best of many trials is also the luckiest. Evaluate "
        "them on the test with `shortlist evaluate`."
    )
    blocks: list[Block] = [
        FigureGrid(figures),
        Heading("The best settings"),
        TableBlock(["", "value"], rows),
        Paragraph(about),
    ]
    return render_page(Document(f"{name}: tuning", [tuned.sentence()], blocks, simulated))

"""Search for better settings of the whole cascade, with Optuna.

A tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization") proposes
settings of retrievers, ranker and re-ranking together, because the best settings of one depend on the others. A trial
is worth the NDCG of its slates on the validation slice (`trial.py`). A trial is pruned if its retrieval alone, or a
third of its trees, is worse than the median trial at that step.

A study is an SQLite file, so a search can be interrupted and continued. The test is never used. The value of the best of
many trials is biased upwards; `shortlist evaluate` with the tuned project gives an unbiased one.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.cascade.train import with_chosen_sources
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import stage_cuts
from shortlist.errors import ProjectError, import_extra
from shortlist.threads import apply_thread_limit
from shortlist.tuning.trial import TrialEvaluator

MIN_COMPLETE = 6
"""The number of complete trials from which importances are computed."""


@dataclass
class TuningResult:
    """The best settings of a study.

    Attributes
    ----------
    project : Project
        The project with the settings of the best trial.
    value : float
        The NDCG of the best trial on the validation slice.
    default : float
        The same with the project's own settings; NaN if that trial is not complete.
    best : dict
        The settings of the best trial by name.
    importance : dict of str to float
        The share of the variation between trials that each setting accounts for; empty if there are too few trials.
    trials : list of dict
        State, value and parameters of each trial.
    """

    project: Project
    value: float
    default: float
    best: dict[str, Any]
    importance: dict[str, float]
    trials: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"TuningResult({self.value:.4f} after {len(self.trials)} trials, {self.default:.4f} before)"

    def sentence(self) -> str:
        """Summarise the study."""
        change = (self.value / self.default - 1) if self.default else 0.0
        complete = [t for t in self.trials if t["state"] == "COMPLETE"]
        summary = (
            f"The best of {len(self.trials)} trials ({len(self.trials) - len(complete)} pruned) reaches an NDCG of "
            f"{self.value:.4f} on the validation slice, {change:+.1%} against the project's own settings ({self.default:.4f})."
        )
        if not self.importance:
            return summary + " There are too few finished trials to compute the importance of the settings."
        important = [f"{n} ({s:.0%})" for n, s in self.importance.items() if s >= 0.1][:4]
        minor = sum(1 for s in self.importance.values() if s < 0.05)
        if not important:
            return summary + " No single setting is important."
        return (
            f"{summary} The most important settings: {', '.join(important)}; {minor} settings account for less than 5 % "
            "of the variation each."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
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
) -> TuningResult:
    """Search for better settings. Needs the extra `tune`.

    Parameters
    ----------
    project
        The project; its own settings are the first trial.
    dataset
        The log.
    trials
        The number of further trials.
    study_file
        An SQLite file that keeps the trials (default: they are kept in memory).
    progress
        Called with a description and the share that is done.

    Raises
    ------
    DataError
        If the validation slice has no relevant items.
    ProjectError
        If the study belongs to another data set or project.
    """
    optuna: Any = import_extra("optuna", "tune")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    apply_thread_limit()
    past = dataset.before(stage_cuts(dataset.log, project.evaluate).ranker)
    project = with_chosen_sources(project, past, progress)
    progress("features", 0.0)
    evaluator = TrialEvaluator(project, dataset)
    progress("features", 1.0)
    study = _open_study(optuna, project, study_file)
    _check_fingerprint(study, _fingerprint(project, dataset), study_file)
    if not study.trials:
        study.enqueue_trial(evaluator.space.defaults())
    before = len([t for t in study.trials if t.state.name != "WAITING"])

    def finished(_study: Any, trial: Any) -> None:
        progress("trials", min((trial.number + 1 - before) / trials, 1.0))

    progress("trials", 0.0)
    study.optimize(evaluator.evaluate, n_trials=trials, callbacks=[finished])
    best, default = study.best_trial, study.trials[0].value
    return TuningResult(
        evaluator.space.project_with(best.params),
        float(best.value),
        float(default if default is not None else np.nan),
        {_short_name(n): v for n, v in evaluator.space.settings(best.params).items()},
        _importances(optuna, study),
        [{"state": t.state.name, "value": t.value, "settings": t.params} for t in study.trials],
    )


def _open_study(optuna: Any, project: Project, study_file: Path | None) -> Any:
    return optuna.create_study(
        study_name=project.name,
        storage=f"sqlite:///{study_file}" if study_file is not None else None,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=project.seed, multivariate=True, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6),
    )


def _fingerprint(project: Project, dataset: Dataset) -> str:
    """A hash of what the trials of a study have in common."""
    sources = json.dumps(project.retrieve.sources, sort_keys=True)
    text = f"{project.name}|{len(dataset.log)}|{dataset.log.time[-1]}|{sources}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_fingerprint(study: Any, fingerprint: str, study_file: Path | None) -> None:
    """Raise `ProjectError` if the study was made with another fingerprint."""
    stored = study.user_attrs.get("facts")
    if stored is not None and stored != fingerprint:
        raise ProjectError(
            f"{study_file} is a study of another data set or project; name another file with --study",
            field="study",
        )
    study.set_user_attr("facts", fingerprint)


def _importances(optuna: Any, study: Any) -> dict[str, float]:
    """The importance of each setting (fANOVA: Hutter et al. 2014); empty if there are too few complete trials."""
    if len([t for t in study.trials if t.state.name == "COMPLETE"]) < MIN_COMPLETE:
        return {}
    shares = optuna.importance.get_param_importances(study)
    return {_short_name(name): float(share) for name, share in shares.items()}


def _short_name(name: str) -> str:
    return name.replace("sources.", "")

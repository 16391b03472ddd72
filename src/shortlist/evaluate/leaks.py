"""Leaks: training used information that becomes known only later.

| name | cause | detection |
| --- | --- | --- |
| future events in training | training has events from after the start of the test | times of both |
| duplicates across the split | the same event is in training and in the test | user, item and time of both |
| target in a feature | a feature by itself predicts the answer | its AUC alone (`rank/profile.py`) |
| statistic over the test period | an attribute counts events that had not happened yet | it knows the chance in later events (`later_statistics.py`) |
| retriever saw the ranker's window | the ranker learned from scores that knew the answers | a source predicts the answers far better in training than in the test |

Evidence is measured, so a leak is found whatever caused it. Each rule asks for a difference that is large and
significant, so that a clean evaluation is not reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.evaluate import EvaluateSettings
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.later_statistics import find_later_statistics
from shortlist.rank.profile import COMPARED_LABELS
from shortlist.recommender import Recommender

FELL = 0.12
KNEW = 0.8


@dataclass(frozen=True)
class Leak:
    """A leak that was found.

    Attributes
    ----------
    name : str
        The kind of leak, as in the table of this module.
    where : str
        The table, column, feature or retriever.
    evidence : str
        What was measured.
    fix : str
        How to remove the leak.
    """

    name: str
    where: str
    evidence: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where}): {self.evidence}. {self.fix}"

    def to_json(self) -> dict[str, Any]:
        """Return the leak as JSON values."""
        return {**self.__dict__, "sentence": str(self)}


def find_leaks(
    project: Project,
    dataset: Dataset,
    fold: Fold,
    recommender: Recommender,
    feature_auc: dict[str, dict[str, float]],
) -> list[Leak]:
    """Return the leaks of one fold.

    Parameters
    ----------
    project : Project
        The project of the evaluation.
    dataset : Dataset
        The whole data.
    fold : Fold
        The fold that was tested.
    recommender : Recommender
        Trained on the fold.
    feature_auc : dict
        `feature_auc[objective][feature]`: how well each feature alone predicts each objective in the test.
    """
    found = [target_leak(*suspect) for suspect in recommender.model.profile.suspects()]
    found += retriever_leaks(recommender, feature_auc)
    if fold.given is not None:  # the split comes from outside: check both sides
        log = dataset.log
        time = log.time if project.data.columns.timestamp else None
        repeats = project.rerank.show_seen or project.rerank.show_again is not None
        found += split_leaks((log.user, log.item, time, log.acted), fold.given, "the test table", repeats)
    elif project.evaluate.protocol in {"time", "rolling"}:
        found += statistic_leaks(dataset, fold.moment)
    return found


def check_leaks(dataset: Dataset, settings: EvaluateSettings) -> list[Leak]:
    """Return the leaks that are visible in the tables, before training."""
    if not len(dataset.log):
        return []
    return statistic_leaks(dataset, cut_for_test(dataset.log, settings))


def target_leak(feature: str, objective: str, auc: float) -> Leak:
    """Return the leak of a feature that predicts an objective by itself."""
    return Leak(
        "target in a feature",
        feature,
        f"alone it predicts {objective!r} with an AUC of {auc:.3f}",
        "Check that it is known before the item is shown and is not computed from the outcome, or remove it from [[features]]",
    )


def split_leaks(
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray],
    test: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    where: str,
    repeats: bool = False,
) -> list[Leak]:
    """Return the leaks of a split that comes from outside.

    Parameters
    ----------
    train : tuple of arrays
        User, item, time (None if unknown) and which rows count, by training event.
    test : tuple of arrays
        User, item and time of each test event, in the same codes and unit.
    where : str
        The name of the table.
    repeats : bool
        Whether people take the same item again; the same pair without times is then no evidence.
    """
    found = []
    user, item, time, acted = train
    width = int(max(item.max(initial=0), test[1].max(initial=0))) + 1
    own = user.astype(np.int64) * width + item
    theirs = test[0].astype(np.int64) * width + test[1]
    timed = time is not None and test[2] is not None
    if timed:
        assert time is not None
        assert test[2] is not None
        same = np.isin(_paired(theirs, test[2]), _paired(own, time), kind="sort")
    else:
        same = np.isin(theirs, own[acted], kind="sort") & (not repeats)
    if same.any():
        what = "user, item and time" if timed else "user and item"
        found.append(
            Leak(
                "duplicates across the split",
                where,
                f"{int(same.sum()):,} of {len(theirs):,} test events ({same.mean():.1%}) are in training too, with the same {what}",
                "Remove them from one side: a test must not repeat training events",
            )
        )
    if timed:
        assert time is not None
        assert test[2] is not None
        start = int(np.quantile(test[2], 0.01))
        late = acted & (time > start)
        if late.sum() > 0.01 * acted.sum():
            found.append(
                Leak(
                    "future events in training",
                    where,
                    f"{int(late.sum()):,} of {int(acted.sum()):,} training events ({late.sum() / max(acted.sum(), 1):.0%}) are from after "
                    f"the test began ({_moment(start)})",
                    "Split by time: train before one moment and test after it",
                )
            )
    return found


def _paired(code: np.ndarray, time: np.ndarray) -> np.ndarray:
    """One number for a pair; a collision is as likely as one in 2⁶⁴."""
    mixed = code.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(
        (mixed ^ (mixed >> np.uint64(29))) + time.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    )


def statistic_leaks(dataset: Dataset, cut: int) -> list[Leak]:
    """Return attributes that count events from after the cut."""
    return [
        Leak(
            "statistic over the test period",
            column,
            evidence,
            "Compute it as of the cut, or declare it as a feature (count, mean, rate), which is computed as of each moment",
        )
        for column, evidence in find_later_statistics(dataset, cut)
    ]


def retriever_leaks(recommender: Recommender, feature_auc: dict[str, dict[str, float]]) -> list[Leak]:
    """Return retrievers whose scores predict the ranker's training examples far better than those of the test.

    Objectives with too few labels in the training or in the test are not compared: their AUC is mostly chance.
    """
    found, profile = [], recommender.model.profile
    for source in recommender.model.retrievers:
        columns = [f"{source}_rank", f"{source}_score"]
        for objective, aucs in feature_auc.items():
            if profile.labels.get(objective, COMPARED_LABELS) < COMPARED_LABELS:
                continue
            then = max((profile.auc[objective].get(c, 0.5) for c in columns), default=0.5)
            told = [aucs[c] for c in columns if aucs.get(c, 0.5) != 0.5]  # 0.5: too few labels to tell
            now = max(told, default=then)
            if then >= KNEW and then - now >= FELL:
                found.append(
                    Leak(
                        "retriever saw the ranker's window",
                        source,
                        f"alone it predicts {objective!r} with an AUC of {then:.3f} in the ranker's examples and of {now:.3f} in the test",
                        "Fit it on events before the ranker's window: a retriever that was fitted on the answers teaches the ranker to trust it",
                    )
                )
                break
    return found


def _moment(time: int) -> str:
    return (
        str(np.datetime64(time, "ms").astype("datetime64[s]")) if time > 1e11 else f"event {time // 1000:,}"
    )

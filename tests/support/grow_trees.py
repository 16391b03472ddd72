"""A program that lets the trees of a ranker grow on a cluster, and writes how good they are: MASTER TREES FILE."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.config.project import parse_project
from shortlist.config.spark import SparkSettings
from shortlist.distributed.trees import TreesOnExecutors, ranker_growth
from shortlist.engines.spark_session import spark_session
from shortlist.errors import ShortlistError
from shortlist.rank.gbdt.tree_job import TreeJob
from shortlist.rank.training_set import TrainingSet
from support.examples import examples_of, ranker_of

OBJECTIVES: dict[str, dict[str, Any]] = {"click": {}, "buy": {"given": "click"}, "stars": {"kind": "grade"}}
SIZES = (24_000, 8_000, 20_000)
"""Training, validation and test examples."""


class Told(TreesOnExecutors):
    """Remembers how many workers there were."""

    told: list[int]

    def _grown(self, job: TreeJob, workers: int) -> Any:
        self.told.append(workers)
        return super()._grown(job, workers)


def sets() -> list[TrainingSet]:
    """Examples with categories, unknown values, weights and outcomes that may have come unseen."""
    rng = np.random.default_rng(2)
    n = sum(SIZES)
    x = rng.normal(size=(n, 6))
    x[:, 5] = rng.integers(0, 12, n)
    click = rng.random(n) < expit(x[:, 0] + (x[:, 5] == 4) - 1)
    buy = click & (rng.random(n) < expit(x[:, 1]))
    stars = np.where(click, x[:, 2] + rng.normal(size=n), np.nan)
    labels, arrived = {"click": click, "buy": buy, "stars": stars}, rng.uniform(0.7, 1, n)
    x[rng.random(n) < 0.1, 3] = np.nan
    found, begin = [], 0
    for size in SIZES:
        own = slice(begin, begin + size)
        of_own = {name: label[own] for name, label in labels.items()}
        known = dict.fromkeys(labels, arrived[own])
        found.append(examples_of(x[own], of_own, known, types=[*("q" * 5), "c"]))
        found[-1].weights[:] = rng.uniform(0.5, 2, size)
        begin += size
    return found


def losses(predicted: NDArray[np.float32], test: TrainingSet) -> dict[str, float]:
    """Objective → log loss, or squared error where there is a grade."""
    found = {}
    for column, (name, label) in enumerate(test.labels.items()):
        p, known = predicted[:, column].astype(float), ~np.isnan(label)
        if name == "stars":
            found[name] = float(((p - label)[known] ** 2).mean())
        else:
            found[name] = float(-np.log(np.where(label > 0, p, 1 - p)).mean())
    return found


def main(master: str, trees: int, out: Path) -> None:
    """Grow the trees here and there."""
    session = spark_session(master)
    found: dict[str, Any] = {}
    try:
        growth = ranker_growth(session, parse_project({}))
        found["auto"] = "driver" if growth is None else "Spark"
        growth = ranker_growth(session, parse_project({"spark": {"ranker": "executors"}}))
        assert isinstance(growth, TreesOnExecutors)
        session.range(4).groupBy("id").count().collect()  # executors start
        told = Told(session, SparkSettings(ranker="executors"))
        told.told = found["workers"] = []
        training, validation, test = sets()
        ranker = ranker_of(OBJECTIVES, heads="separate", trees=trees, learning_rate=0.1)
        there = losses(ranker.grown_by(told).fit(training, validation).predict(test.matrix), test)
        here = losses(ranker.fit(training, validation).predict(test.matrix), test)
        constant = np.stack([np.full(len(test), np.nanmean(label)) for label in training.labels.values()], 1)
        none = losses(constant.astype(np.float32), test)
        found["losses"] = {name: (none[name], here[name], there[name]) for name in test.labels}
    except ShortlistError as error:
        found["error"] = str(error)
    out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

"""Given lists: hotels that searches on trivago listed, ordered again for the session that asked (RecSys Challenge 2019, a sample).

Measured is the mean reciprocal rank of the hotel that was clicked, on the last 15 % of the lists; with --validation on the 15 % before them, where
the settings of `benchmarks/given_lists.py` were chosen. LambdaMART of XGBoost and LightGBM learns from the lists that Shortlist's ranker
learns from, on the same features without those of Shortlist's sources. Intervals resample lists.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from case import WORK, run_peers
from numpy.typing import NDArray
from table import Headline, Section, against_best, interval, settings_of, table

from shortlist.cascade.model import Model
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import stage_cuts
from shortlist.metrics.significance import bootstrap
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.recommender import Recommender

sys.path.append(str(Path(__file__).parents[1]))
import given_lists

SPLIT = (0.7, 0.85)
"""Shares of the moments of the lists before the validation and before the test."""
TREES = ("XGBoost", "LightGBM")
HELD = 5
"""One list in so many stops the trees of the peers early, and chooses their depth."""


class Moments(NamedTuple):
    """The log, and the start and end of the period that is tested, ms."""

    dataset: Dataset
    start: int
    end: int

    @classmethod
    def of(cls, dataset: Dataset, validation: bool) -> Self:
        """Divide a log by the moments of its lists."""
        times = np.unique(dataset.log.time[dataset.log.is_kind(["impression"])])
        cuts = [*(int(np.quantile(times, share)) for share in SPLIT), int(dataset.log.time[-1]) + 1]
        return cls(dataset, *(cuts[:2] if validation else cuts[1:]))


def section(data: Path, validation: bool) -> Section:
    project = parse_project(given_lists.SETTINGS)
    dataset = Dataset.from_frames(given_lists.read(data / "trivago-sample"), None, None, project)
    moments = Moments.of(dataset, validation)
    started = time.process_time()
    model = Recommender(project).fit(dataset.before(moments.start)).model
    facts: dict[str, dict[str, Any]] = {"shortlist": {"seconds": time.process_time() - started}}
    tested = examples(model, dataset.before(moments.end), Window(moments.start, moments.end, moments.start))
    scores = {"shortlist": model.ranker.predict(tested.matrix)[:, 0]}
    scores |= {"order shown": -column(tested, "place"), "cheapest first": -column(tested, "price")}
    folder = WORK / ("trivago-validation" if validation else "trivago")
    scores |= trees(folder, lists_learned(model, dataset.before(moments.start)), tested)
    facts |= {name: json.loads((folder / f"{name}.json").read_text()) for name in TREES}
    found = {name: reciprocal_ranks(tested, values) for name, values in scores.items()}
    return Section(
        "lists",
        [
            "### trivago: the hotels of a search, in the order of the session that asked",
            "",
            f"{len(found['shortlist']):,} lists of {len(tested) / len(np.unique(tested.request)):.0f} hotels on average.",
            "",
            *rows(found, facts),
        ],
        [headline(found)],
    )


def examples(model: Model, dataset: Dataset, window: Window) -> TrainingSet:
    """The hotels of the lists of a window, as the ranker reads them."""
    settings = ExampleSettings.of(model.project)
    return make_training_set(dataset, model.retrievers, model.features, window, settings)


def lists_learned(model: Model, known: Dataset) -> TrainingSet:
    """The lists that Shortlist's ranker is trained and calibrated on."""
    cuts = stage_cuts(known.log, model.project.evaluate)
    return examples(model, known, Window(cuts.ranker, cuts.end, cuts.ranker))


def column(found: TrainingSet, name: str) -> NDArray[np.float32]:
    """One feature, float32 (rows,)."""
    return found.matrix[:, found.names.index(name)]


def trees(folder: Path, learned: TrainingSet, tested: TrainingSet) -> dict[str, NDArray[np.floating]]:
    """Scores of the rows of the test by the trees of the peers, float (rows,) each."""
    folder.mkdir(parents=True, exist_ok=True)
    own = slice(0, len(learned.names) - 2 * len(learned.sources))
    _, number, size = np.unique(learned.request, return_inverse=True, return_counts=True)
    label = (learned.labels["click"] > 0).astype(np.int32)
    np.savez(
        folder / "learn.npz",
        matrix=learned.matrix[:, own],
        label=label,
        group=size,
        held=number % HELD == 0,
    )
    np.savez(folder / "test.npz", matrix=tested.matrix[:, own])
    run_peers("peer_lists.py", folder, TREES)
    return {name: np.load(folder / f"{name}.npy") for name in TREES}


def reciprocal_ranks(found: TrainingSet, score: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 ÷ place of the first clicked hotel of each list that has one, float64 (lists,)."""
    edges = np.flatnonzero(np.concatenate([[True], np.diff(found.request) != 0, [True]]))
    ranks = []
    for low, high in itertools.pairwise(edges):
        clicked = found.labels["click"][low:high][np.argsort(-score[low:high], kind="stable")] > 0
        if clicked.any():
            ranks.append(1 / (1 + int(np.argmax(clicked))))
    return np.array(ranks)


def rows(found: dict[str, NDArray[np.float64]], facts: dict[str, dict[str, Any]]) -> list[str]:
    """The table: the mean reciprocal rank of each order, and the paired difference of the first."""
    lines = []
    for name, values in found.items():
        gap = ""
        if name != "shortlist":
            difference = bootstrap(found["shortlist"] - values, 1_000, 0)
            share = difference.value / values.mean()
            gap = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), {share:+.1%}"
        about = facts.get(name, {})
        seconds = f"{about['seconds']:.0f} s" if "seconds" in about else ""
        lines.append([name, interval(bootstrap(values, 1_000, 0)), gap, settings_of(about), seconds])
    return table(["", "MRR of the clicked hotel (95 %)", "shortlist minus it", "settings", "CPU"], lines)


def headline(found: dict[str, NDArray[np.float64]]) -> Headline:
    """The line of the page: against the best other order."""
    return Headline(
        "lists",
        "trivago",
        "MRR of the clicked hotel",
        *against_best(found, "shortlist", [name for name in found if name != "shortlist"]),
        "the hotels that a search listed, ordered again by what is known of the session, the hotels and their prices at that moment.",
    )

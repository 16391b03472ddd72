"""Trees and the multi-task network on the same examples (`make benchmark-multitask`); written to benchmarks/RESULTS.md.

Both rankers learn from the same rows, stop early and are calibrated on the same later ones, and are compared on the rows of the test:
deviance, AUC and NDCG of each request, with paired intervals over users' requests. Settings are the defaults of each.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import given_lists
import rank
import results
import shortlist
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.split import cut_for_test
from shortlist.metrics.prediction import auc, expected_calibration_error
from shortlist.metrics.significance import bootstrap
from shortlist.rank.base import Ranker
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.heads import deviance
from shortlist.rank.multitask.ranker import MultitaskRanker
from shortlist.rank.targets import Head, make_target
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.recommender import Recommender
from shortlist.simulate.registry import make_world

DATA = Path(__file__).parents[2] / "shared" / "data"
DRAWS, SCORED, DEPTH = 1_000, 500, 10
KEPT: dict[str, Any] = {}


@shortlist.register_ranker("kept")
class KeptRanker(GBDTRanker):
    """The trees, which keep the examples that they learn from."""

    def fit(self, examples: TrainingSet, validation: TrainingSet, *given: Any, **named: Any) -> KeptRanker:
        """Learn, and keep the examples."""
        KEPT.update(examples=examples, validation=validation)
        started = time.process_time()
        super().fit(examples, validation, *given, **named)
        KEPT["seconds"] = time.process_time() - started
        return self


class Case(NamedTuple):
    """Both rankers with the examples of the test."""

    objectives: dict[str, Any]
    test: TrainingSet
    rankers: dict[str, Ranker]
    seconds: dict[str, float]


def world(name: str) -> tuple[Project, Dataset]:
    """Return a simulated world."""
    made = make_world(name)
    return made.project(), made.dataset()


def kuairand() -> tuple[Project, Dataset]:
    """Return short videos with seconds, likes and hates."""
    sys.path.insert(0, str(Path(__file__).parent / "real"))
    from video import read

    project, events = read(DATA)
    return project, Dataset.from_frames(events, project=project)


def trivago() -> tuple[Project, Dataset]:
    """Return the hotels of searches."""
    project = parse_project(given_lists.SETTINGS)
    return project, Dataset.from_frames(given_lists.read(DATA / "trivago-sample"), None, None, project)


def open_bandit() -> tuple[Project, Dataset]:
    """Return showings of clothes by a random policy and by Thompson sampling, for men and for women; each is a request of its own.

    The logs have no users, but four hashed attributes of each visitor: those who share them are one user.
    """
    parts = []
    for name in ("random_men", "bts_men", "random_women", "bts_women"):
        table = pq.read_table(DATA / "open-bandit" / f"{name}.parquet").to_pydict()
        shown = zip(*(table[f"user_feature_{k}"] for k in range(4)), strict=True)
        parts.append(
            pa.table(
                {
                    "user_id": ["-".join(one[:6] for one in person) for person in shown],
                    "item_id": [f"{name.split('_')[1]}-{item}" for item in table["item_id"]],
                    "timestamp": [
                        datetime.fromisoformat(moment).timestamp() for moment in table["timestamp"]
                    ],
                    "click": table["click"],
                    "slot": [str(slot) for slot in table["position"]],
                    **{f"visitor_{k}": table[f"user_feature_{k}"] for k in range(4)},
                }
            )
        )
    context = ("slot", *(f"visitor_{k}" for k in range(4)))
    counted = [
        {
            "name": f"{'_'.join(by.split('*')).replace('.', '_')}_{event}s",
            "kind": "count",
            "by": by,
            "event": event,
        }
        for by in ("item", "item*context.slot", "user", *(f"item*context.visitor_{k}" for k in range(4)))
        for event in ("impression", "click")
    ]
    project = parse_project(
        {
            "data": {
                "columns": {"timestamp": "timestamp"},
                "derive": [{"kind": "impression"}, {"kind": "click", "when": "click"}],
                "context": dict.fromkeys(context, "category"),
            },
            "objectives": {"click": {"events": ["click"], "window": "1h"}},
            "features": [
                *counted,
                *({"name": c, "kind": "attribute", "of": f"context.{c}"} for c in context),
            ],
            "retrieve": {"sources": [{"model": "popular"}], "candidates": 20},
            "rank": {"examples": "impressions", "position_bias": "none", "unshown": 0},
            "evaluate": {"ranker_window": 0.5, "test": 0.25},
        }
    )
    return project, Dataset.from_frames(pa.concat_tables(parts), project=project)


CASES: dict[str, Callable[[], tuple[Project, Dataset]]] = {
    "movies": lambda: world("movies"),
    "video": lambda: world("video"),
    "shop": lambda: world("shop"),
    "apps": lambda: world("apps"),
    "frappe": rank.frappe,  # type: ignore[attr-defined]  # not tests/rank
    "trivago": trivago,
    "kuairand": kuairand,
    "open-bandit": open_bandit,
}


def fitted(project: Project, dataset: Dataset) -> Case:
    """Train both rankers on what came before the test."""
    settings = project.rank.model_copy(update={"model": "kept"})
    project = project.model_copy(update={"rank": settings})
    cut = cut_for_test(dataset.log, project.evaluate)
    model = Recommender(project).fit(dataset.before(cut)).model
    window = Window(cut, int(dataset.log.time[-1]) + 1, cut)
    test = make_training_set(dataset, model.retrievers, model.features, window, ExampleSettings.of(project))
    started = time.process_time()
    network = MultitaskRanker(settings, project.objectives, project.seed)
    network.fit(KEPT["examples"], KEPT["validation"])
    seconds = {"gbdt": KEPT["seconds"], "multitask": time.process_time() - started}
    return Case(dict(project.objectives), test, {"gbdt": model.ranker, "multitask": network}, seconds)


def milliseconds(ranker: Ranker, rows: NDArray[np.float32]) -> float:
    """Return the median processor time of the predictions for 500 rows."""
    rows = np.resize(rows, (SCORED, rows.shape[1]))
    took = []
    for _ in range(200):
        started = time.process_time()
        ranker.predict(rows)
        took.append(time.process_time() - started)
    return 1000 * float(np.median(took))


def sums(request: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the values of each request."""
    return np.bincount(np.unique(request, return_inverse=True)[1], values)


def ndcg(
    request: NDArray[np.int64], score: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return NDCG@10 of each request that has a gain."""
    order = np.lexsort((-score, request))
    found = []
    for part in np.split(order, np.flatnonzero(np.diff(request[order])) + 1):
        best = np.sort(gain[part])[::-1][:DEPTH]
        if best.sum() > 0:
            at = 1 / np.log2(np.arange(len(best)) + 2)
            found.append(float((gain[part][:DEPTH] * at).sum() / (best * at).sum()))
    return np.array(found)


def compared(name: str, case: Case) -> list[str]:
    """Return the rows of a table: one for each objective."""
    test, lines = case.test, []
    predicted = {
        kind: ranker.predict(test.matrix).astype(np.float64) for kind, ranker in case.rankers.items()
    }
    costs = {kind: milliseconds(ranker, test.matrix) for kind, ranker in case.rankers.items()}
    for column, (objective, settings) in enumerate(case.objectives.items()):
        target = make_target(Head.of(objective, settings), test)
        known = target.weight > 0
        label, weight, request = target.label[known], target.weighted()[known], test.request[known]
        own = {kind: values[known, column] for kind, values in predicted.items()}
        losses = {k: weight * deviance(settings.kind, label, p) for k, p in own.items()}
        mean = {k: float(v.sum() / weight.sum()) for k, v in losses.items()}
        gap = sums(request, losses["multitask"] - losses["gbdt"]) / sums(request, weight).mean()
        difference = bootstrap(gap, DRAWS, 0)
        lists = {k: ndcg(request, p, np.maximum(label, 0)) for k, p in own.items()}
        order = bootstrap(lists["multitask"] - lists["gbdt"], DRAWS, 0)
        cells = [name, objective, f"{mean['gbdt']:.4f}", f"{mean['multitask']:.4f}"]
        cells.append(f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})")
        if settings.kind == "probability":
            cells.append(" / ".join(f"{auc(p, label > 0, weight):.4f}" for p in own.values()))
            cells.append(
                " / ".join(
                    f"{expected_calibration_error(p, label > 0, weight=weight):.4f}" for p in own.values()
                )
            )
        else:
            cells += ["", ""]
        cells.append(" / ".join(f"{v.mean():.4f}" for v in lists.values()))
        cells.append(f"{order.value:+.4f} ({order.low:+.4f} to {order.high:+.4f})")
        cells.append(" / ".join(f"{v:.0f}" for v in case.seconds.values()))
        cells.append(" / ".join(f"{v:.2f}" for v in costs.values()))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(names: list[str]) -> None:
    """Compare on some data sets, or on all, and write the section."""
    kept = Path(__file__).parent / ".multitask"
    kept.mkdir(exist_ok=True)
    for name in names or CASES:
        lines = compared(name, fitted(*CASES[name]()))
        (kept / f"{name}.json").write_text(json.dumps(lines))
        print("\n".join(lines), flush=True)
    write_section(kept)


def winner(line: str) -> str:
    """Return the ranker whose deviance is lower, clear of the interval; the trees, which cost less, where neither is."""
    _, low, high = map(float, re.findall(r"[+-][\d.]+", line.split("|")[5]))
    return "multitask" if high < 0 else "gbdt" if low > 0 else "level: gbdt"


def write_section(kept: Path) -> None:
    """Write the section from what is known of each data set."""
    rows = [
        f"{line} {winner(line)} |"
        for name in CASES
        if (kept / f"{name}.json").exists()
        for line in json.loads((kept / f"{name}.json").read_text())
    ]
    explained = (
        "Both rankers learn from the same examples and are compared on those of the test. Deviance is log loss (probabilities), "
        "squared error (grades) or that of a compound Poisson distribution (amounts); lower is better. Differences are those of "
        "`multitask` from `gbdt`, with 95 % intervals over requests. The winner has the lower deviance, clear of the interval; where neither has, the trees are the choice, because they cost less. Pairs are `gbdt` / `multitask`. Settings are the defaults of both."
    )
    columns = [
        "data",
        "objective",
        "deviance of gbdt",
        "deviance of multitask",
        "difference",
        "AUC",
        "calibration error",
        "NDCG@10",
        "difference",
        "processor time of the fit (s)",
        "ms for 500 rows",
        "winner",
    ]
    results.write(
        "multitask",
        [
            "## Trees and the multi-task network (`make benchmark-multitask`)",
            "",
            results.machine("shortlist", "xgboost-cpu", "numpy", "torch"),
            "",
            explained,
            "",
            f"| {' | '.join(columns)} |",
            f"| {' | '.join('---' for _ in columns)} |",
            *rows,
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])

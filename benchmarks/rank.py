"""Benchmark of ranking (`make benchmark-rank`); written to benchmarks/RESULTS.md.

It compares the cascade with its retrievers and with XGBoost and LightGBM used directly, and joint with separate models, and measures
calibration, scoring time, and the Pareto front of two objectives in the video world.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import results
import shortlist
from direct import Direct
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.simulate.registry import make_world

DATA = Path(__file__).parents[2] / "shared" / "data"


def movielens() -> tuple[Project, Dataset]:
    events, items, users = (
        pq.read_table(DATA / "movielens-100k" / f"{n}.parquet") for n in ("events", "items", "users")
    )
    project = shortlist.guess_project(events, items, users)
    return project, Dataset.from_frames(events, items, users, project)


CONTEXT = ("daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")


def frappe() -> tuple[Project, Dataset]:
    """Read Frappe: uses of apps with their context. The file has no times; the order of its rows is used."""
    events = pq.read_table(DATA / "frappe" / "events.parquet")
    events = events.set_column(
        events.schema.get_field_index("cnt"), "uses", [np.log1p(events.column("cnt").to_numpy())]
    )
    events = events.set_column(
        events.schema.get_field_index("city"), "city", events.column("city").cast("string")
    )
    used = {"event": "event", "window": "all"}
    counts = [{"name": f"item_in_{c}", "kind": "count", "by": f"item*context.{c}", **used} for c in CONTEXT]
    pair = [
        {"name": f"mine_in_{c}", "kind": "count", "by": f"user*item*context.{c}", **used}
        for c in ("daytime", "weekday", "country", "cost")
    ]
    features: list[dict[str, Any]] = [
        {"name": "uses", "kind": "count", "by": "item", **used},
        {"name": "mine", "kind": "count", "by": "user*item", **used},
        {"name": "strength", "kind": "mean", "by": "user*item", **used},
        {"name": "people", "kind": "distinct", "of": "user", "by": "item", **used},
        {"name": "my_uses", "kind": "count", "by": "user", **used},
        {"name": "my_apps", "kind": "distinct", "of": "item", "by": "user", **used},
        {"name": "last", "kind": "recency", "by": "user*item", **used},
        *counts,
        *pair,
        *(
            {"name": c, "kind": "attribute", "of": f"context.{c}"}
            for c in ("daytime", "isweekend", "cost", "weather", "country")
        ),
    ]
    project = parse_project(
        {
            "name": "frappe",
            "data": {
                "columns": {"user": "user", "item": "item", "value": "uses"},
                "context": dict.fromkeys(CONTEXT, "category"),
                "duplicates": "keep",
            },
            "objectives": {"use": {"events": ["event"], "window": "1s"}},
            "features": features,
            "retrieve": {
                "candidates": 300,
                "sources": [
                    {"model": "popular"},
                    {"model": "neighbours"},
                    {"model": "als"},
                    {"model": "slim"},
                ],
            },
            "rerank": {"show_seen": True},
            "evaluate": {"requests": "events"},
        }
    )
    return project, Dataset.from_frames(events, None, None, project)


def rivals(project: Project) -> dict[str, Any]:
    relevant = project.objectives[project.relevant]

    def fitted(library: str) -> Any:
        def learn(train: Dataset, contexts: list[dict[str, Any]] | None) -> Any:
            model = Direct(library, relevant, project.rerank.show_seen).fit(train)
            return lambda people, k: model.slates(people, k, contexts)

        return learn

    return {f"{library} directly": fitted(library) for library in ("xgboost", "lightgbm")}


def with_heads(project: Project, heads: str) -> Project:
    return project.model_copy(update={"rank": project.rank.model_copy(update={"heads": heads})})


def compare(name: str, project: Project, dataset: Dataset) -> list[str]:
    """Return a table of the cascade, its retrievers and the baselines, with paired differences."""
    report = shortlist.evaluate(project, dataset, others=rivals(project))
    apart = shortlist.evaluate(with_heads(project, "separate"), dataset)
    k = report.k
    lines = [
        f"### {name}",
        "",
        f"{report.facts['people']:,} users, {report.facts['requests']:,} requests, whole catalogue of {report.facts['items']:,} items.",
        "",
    ]
    lines += [
        f"| | ndcg@{k} | 95 % | recall@{k} | difference of shortlist |",
        "| --- | --- | --- | --- | --- |",
    ]
    for policy, metrics in report.metrics.items():
        main, recall = metrics[report.main_metric], metrics[f"recall@{k}"]
        d = report.differences.get(policy)
        gap = "" if d is None else f"{d.value:+.4f} ({d.low:+.4f} to {d.high:+.4f})"
        lines.append(
            f"| {policy} | {main.value:.4f} | {main.low:.4f} – {main.high:.4f} | {recall.value:.4f} | {gap} |"
        )
    main = apart.metrics["shortlist"][apart.main_metric]
    lines.append(
        f"| shortlist, separate models | {main.value:.4f} | {main.low:.4f} – {main.high:.4f} | {apart.metrics['shortlist'][f'recall@{k}'].value:.4f} | |"
    )
    errors = ", ".join(f"{o} {r.error:.4f}" for o, r in report.calibration.items() if r.kind == "probability")
    return [*lines, "", f"Expected calibration error on the test: {errors}.", ""]


def worlds() -> list[str]:
    lines = ["### Joint and separate models, in simulated worlds", ""]
    lines += [
        "| world, seed | models | true value of the slates | expected calibration error (probabilities) |",
        "| --- | --- | --- | --- |",
    ]
    for name in ("movies", "video"):
        for seed in (0, 1):
            world = make_world(name, seed=seed)
            dataset = world.dataset()
            for heads in ("joint", "separate"):
                project = with_heads(world.project(), heads)
                report = shortlist.evaluate(project, dataset, truth=world.truths)
                true = ", ".join(
                    f"{m.partition('@')[0][5:]} {e.value:.4g} ({e.low:.4g} – {e.high:.4g})"
                    for m, e in report.metrics["shortlist"].items()
                    if m.startswith(("true_play", "true_click", "true_seconds"))
                )
                errors = ", ".join(
                    f"{o} {r.error:.4f}" for o, r in report.calibration.items() if r.kind == "probability"
                )
                lines.append(f"| {name}, {seed} | {heads} | {true} | {errors} |")
    summary = (
        "Intervals are over users, for one trained model; two trainings differ by more than the interval if objectives are rare. In "
        "the movies world, the difference is within the noise; in the video world, each is better for one seed. `auto` "
        "selects the joint model only if it explains as much of the validation slice."
    )
    return [*lines, "", summary, ""]


def weightings() -> list[str]:
    from shortlist.evaluate.pareto import pareto

    world = make_world("video")
    dataset = world.dataset()
    front = pareto(world.project(), dataset, ("click", "seconds"), 11, truths=world.truths)
    lines = ["### Pareto front of two objectives in the video world", "", front.sentence(), ""]
    lines += [
        "| click : seconds | replayed click | replayed seconds | predicted click | predicted seconds | true click | true seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for p in front.points:
        cells = [
            f"{p.values[v][o].value:.4g} ({p.values[v][o].low:.3g} – {p.values[v][o].high:.3g})"
            for v in ("replayed", "predicted", "true")
            for o in ("click", "seconds")
        ]
        lines.append(f"| {p.weights['click']:.1f} : {p.weights['seconds']:.1f} | {' | '.join(cells)} |")
    return [*lines, ""]


def scoring() -> list[str]:
    """Measure the time to score 500 candidates × 30 features × 3 objectives on one thread."""
    from shortlist.rank.gbdt.ranker import GBDTRanker
    from shortlist.rank.training_set import TrainingSet

    rng = np.random.default_rng(0)
    n, f = 60_000, 30
    matrix = rng.normal(size=(n, f)).astype(np.float32)
    matrix[rng.random((n, f)) < 0.1] = np.nan
    x = np.nan_to_num(matrix)
    chance = 1 / (1 + np.exp(2 - x[:, 0] - x[:, 1] * x[:, 2]))
    play = (rng.random(n) < chance).astype(np.float32)
    labels = {
        "play": play,
        "seconds": (play * np.exp(4 + x[:, 3] + rng.normal(size=n))).astype(np.float32),
        "stars": np.where(play > 0, 3 + x[:, 4] + rng.normal(size=n), np.nan).astype(np.float32),
    }
    one = {name: np.ones(n) for name in labels}
    examples = TrainingSet(
        matrix,
        labels,
        np.ones(n, np.float32),
        np.arange(n) // 20,
        [f"f{i}" for i in range(f)],
        ["q"] * f,
        one,
        np.ones(n),
        np.ones(n, bool),
    )
    lines = [
        "### Scoring 500 candidates × 30 features × 3 objectives, one thread",
        "",
        "| models | trees | p50 ms | p99 ms |",
        "| --- | --- | --- | --- |",
    ]
    for heads in ("joint", "separate"):
        project = parse_project(
            {
                "objectives": {
                    "play": {"events": ["event"]},
                    "seconds": {"kind": "amount", "events": ["event"]},
                    "stars": {"kind": "grade", "events": ["event"]},
                },
                "rank": {"heads": heads},
            }
        )
        ranker = GBDTRanker(project.rank, project.objectives, project.seed).fit(examples, examples)
        took = []
        for _ in range(500):
            started = time.perf_counter()
            ranker.predict(matrix[:500])
            took.append((time.perf_counter() - started) * 1000)
        trees = " + ".join(str(len(m.forest.roots)) for m in ranker.ensemble_.models)
        lines.append(f"| {heads} | {trees} | {statistics.median(took):.2f} | {np.quantile(took, 0.99):.2f} |")
    return [*lines, ""]


PARTS = {
    "movielens": lambda: compare(
        "MovieLens-100K: likes (ratings of 4 or more), and the rating as a second objective", *movielens()
    ),
    "frappe": lambda: compare(
        "Frappe: the app that is used in a context (one request per test event)", *frappe()
    ),
    "worlds": worlds,
    "weightings": weightings,
    "scoring": scoring,
}


def main() -> None:
    kept = Path(__file__).parent / ".rank"
    kept.mkdir(exist_ok=True)
    for part in sys.argv[1:] or list(PARTS):
        lines = PARTS[part]()
        (kept / f"{part}.json").write_text(json.dumps(lines))
        print("\n".join(lines), flush=True)
    whole = [
        "## Ranking (`make benchmark-rank`)",
        "",
        results.machine("shortlist", "xgboost-cpu", "lightgbm", "numpy"),
        "",
    ]
    for part in PARTS:
        if (kept / f"{part}.json").exists():
            whole += json.loads((kept / f"{part}.json").read_text())
    results.write("rank", whole)


if __name__ == "__main__":
    main()

"""Benchmark of training, latency and accuracy of the whole cascade (`make benchmark`); written to benchmarks/RESULTS.md.

Each part runs in its own process, so that times include imports and peak memory is that of the part.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results

ROOT = Path(__file__).parents[1]
MOVIELENS = ROOT.parent / "shared" / "data" / "movielens-100k"
RUNS = 3


def child(part: str, *arguments: str) -> dict[str, Any]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, part, *arguments], capture_output=True, text=True, check=True
    )
    return {"wall": time.perf_counter() - started, **json.loads(done.stdout.strip().splitlines()[-1])}


def finish(**facts: Any) -> None:
    print(json.dumps({"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, **facts}))


def part_movielens_train(out: str) -> None:
    import pyarrow.parquet as pq

    from shortlist import Dataset, Recommender, guess_project

    tables = [pq.read_table(MOVIELENS / f"{n}.parquet") for n in ("events", "items", "users")]
    project = guess_project(*tables)
    dataset = Dataset.from_frames(*tables, project=project)
    Recommender(project).fit(dataset).save(out)
    finish(events=len(dataset.log))


def part_movielens_evaluate(_: str) -> None:
    import pyarrow.parquet as pq

    import shortlist

    tables = [pq.read_table(MOVIELENS / f"{n}.parquet") for n in ("events", "items", "users")]
    project = shortlist.guess_project(*tables)
    dataset = shortlist.Dataset.from_frames(*tables, project=project)
    finish(report=shortlist.evaluate(project, dataset).to_json())


def part_world_train(out: str) -> None:
    from shortlist import Recommender
    from shortlist.simulate.movies import make_movies

    started = time.perf_counter()
    world = make_movies()
    dataset = world.dataset()
    generated = time.perf_counter() - started
    Recommender(world.project()).fit(dataset).save(out)
    finish(
        events=len(dataset.log),
        world_seconds=generated,
        train_seconds=time.perf_counter() - started - generated,
    )


def part_world_evaluate(examples: str) -> None:
    import shortlist
    from shortlist.simulate.movies import make_movies

    world = make_movies()
    dataset = world.dataset()
    project = world.project()
    project = project.model_copy(update={"rank": project.rank.model_copy(update={"examples": examples})})
    finish(report=shortlist.evaluate(project, dataset, truth=world.truth).to_json())


def latency(bundle: str, requests: int = 600) -> dict[str, Any]:
    """Measure client-side latency in ms with one worker and one connection on loopback."""
    import socket

    import numpy as np
    import pyarrow as pa

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pa.memory_map(f"{bundle}/data/users-ids.arrow") as source:
        users = pa.ipc.open_file(source).read_all().column("id").to_pylist()
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "shortlist.cli",
            "serve",
            bundle,
            "--port",
            str(port),
            "--store",
            f"{bundle}-events.sqlite",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.2)
        rng = np.random.default_rng(0)
        took = []
        for number in range(requests + 50):
            body = json.dumps({"user": users[int(rng.integers(len(users)))], "n": 10, "diversity": 0.3})
            started = time.perf_counter()
            connection.request("POST", "/v1/recommend", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            if number >= 50:
                took.append((time.perf_counter() - started) * 1000)
            assert len(answer["items"]) == 10
        return {"p50": statistics.median(took), "p99": float(np.quantile(took, 0.99))}
    finally:
        server.terminate()
        server.wait(20)


def main() -> None:
    lines = [
        "# The cascade",
        "",
        "Written by `make benchmark`. Times are of whole processes, including imports; medians of the stated runs.",
        "",
    ]
    names = (
        "duckdb",
        "numba",
        "numpy",
        "pyarrow",
        "scikit-learn",
        "scipy",
        "xgboost-cpu",
        "fastapi",
        "granian",
    )
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    lines += [
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {versions}.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        ml, world = f"{folder}/ml", f"{folder}/world"
        if MOVIELENS.exists():
            runs = [child("movielens_train", ml) for _ in range(RUNS)]
            rows.append(
                (
                    "MovieLens-100K: read, train, save",
                    f"{statistics.median(r['wall'] for r in runs):.1f} s, {max(r['memory_mb'] for r in runs):.0f} MB",
                    "≤ 60 s",
                    f"{RUNS} runs",
                )
            )
        run = child("world_train", world)
        rows.append(
            (
                f"movies world, {run['events']:,} events: generate the log",
                f"{run['world_seconds']:.1f} s",
                "",
                "1 run",
            )
        )
        rows.append(
            (
                "movies world: train, save",
                f"{run['train_seconds']:.1f} s, {run['memory_mb']:.0f} MB",
                "≤ 120 s, 2 GB",
                "1 run",
            )
        )
        for name, bundle in (("MovieLens-100K", ml), ("movies world", world)):
            if Path(bundle).exists():
                runs = [latency(bundle) for _ in range(RUNS)]
                rows.append(
                    (
                        f"one request over HTTP, {name}: 500 candidates, MMR, reasons",
                        f"p50 {statistics.median(r['p50'] for r in runs):.1f} ms, p99 {statistics.median(r['p99'] for r in runs):.1f} ms",
                        "p50 ≤ 15 ms, p99 ≤ 40 ms",
                        f"{RUNS} × 600 requests",
                    )
                )
        lines += [
            "## Speed and size",
            "",
            "| measurement | result | target | runs |",
            "| --- | --- | --- | --- |",
            *(f"| {' | '.join(r)} |" for r in rows),
            "",
        ]
        if MOVIELENS.exists():
            lines += quality(
                "MovieLens-100K, with the settings of `shortlist init`, not tuned",
                child("movielens_evaluate", "-")["report"],
            )
        lines += quality(
            "movies world (simulated), ranker trained on candidates (the default)",
            child("world_evaluate", "candidates")["report"],
        )
        lines += quality(
            "movies world (simulated), ranker trained on impressions (the recipe)",
            child("world_evaluate", "impressions")["report"],
        )
    results.write("cascade", lines)
    print("\n".join(lines))


def quality(title: str, report: dict[str, Any]) -> list[str]:
    metrics = list(report["recommenders"]["shortlist"])
    lines = [
        f"## {title}",
        "",
        report["verdict"],
        "",
        "| | " + " | ".join(metrics) + " |",
        "| --- |" + " --- |" * len(metrics),
    ]
    for name, values in report["recommenders"].items():
        lines.append(
            f"| {name} | "
            + " | ".join(
                f"{values[m]['value']:.4f}"
                + (f" ({values[m]['low']:.3f}–{values[m]['high']:.3f})" if m.startswith("ndcg") else "")
                for m in metrics
            )
            + " |"
        )
    (differences,) = report["differences"].values()
    gaps = "; ".join(
        f"{o} {d['value']:+.4f} ({d['low']:+.4f} to {d['high']:+.4f})" for o, d in differences.items()
    )
    facts = report["facts"]
    return [
        *lines,
        "",
        f"Shortlist minus each other recommender: {gaps}.",
        "",
        f"{facts['people']:,} users ({facts['people_with_history']:,} with a history), {facts['items']:,} items, relevant: {facts['relevant']}, test from {facts['test_from']}, trained in {facts['fit_seconds']} s.",
        "",
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        globals()[f"part_{sys.argv[1]}"](sys.argv[2])
    else:
        main()

"""How long each stage takes by the size of the log (`make benchmark-sizes`).

The log is that of the movies world with four sizes; the project is the one that `shortlist init` guesses. Each size is a process of
its own with one thread, and its processor time is measured, which other work on the machine changes less than the time that passes. A
second process trains with two threads, and measures the time that passes. The largest size is only trained. The sums are the reference
of the estimates that the commands print (`shortlist.cli.expected`).

`python benchmarks/sizes.py 100k 1M` measures some sizes and leaves the table as it is.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import results

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.data.dataset import Dataset
    from shortlist.recommender import Recommender

SIZES = {
    "10k": (900, 400, 300),
    "100k": (9_000, 2_500, 1_000),
    "1M": (90_000, 22_000, 5_000),
    "10M": (900_000, 220_000, 20_000),
}
"""Events → sessions, users and items of the world."""
ONLY_TRAINED = {"10M"}
THREADS = ("SHORTLIST_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
STAGES = {
    "reading and checking the tables": ("read",),
    "leaks (`check`)": ("leaks",),
    "retrievers, both fits": ("retrievers on the past", "retrievers on everything"),
    "candidates of the ranker's examples": ("training: candidates", "validation: candidates"),
    "their features": ("training: features", "validation: features"),
    "ranker": ("ranker",),
    "writing the bundle": ("save",),
}


class StepTimes:
    """Adds up the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.process_time()

    def __call__(self, step: str, fraction: float) -> None:
        now = time.process_time()
        if fraction > 0:
            self.seconds[step] += now - self._last
        self._last = now


def part_make(name: str, folder: str) -> None:
    """Write the tables and the guessed project of one size."""
    import shortlist
    from shortlist.simulate.registry import make_world

    sessions, users, items = SIZES[name]
    world = make_world("movies", users=users, items=items, sessions=sessions)
    world.write(Path(folder))
    guessed = shortlist.guess_project(world.events, world.items, world.users).model_dump(exclude_unset=True)
    for table in ("events", "items", "users"):
        guessed["data"][table] = f"{folder}/{table}.parquet"
    Path(folder, "guessed.json").write_text(json.dumps(guessed), encoding="utf-8")


def guessed_project(folder: str) -> Project:
    """Read what `part_make` has guessed."""
    from shortlist.config.project import parse_project

    return parse_project(json.loads(Path(folder, "guessed.json").read_text(encoding="utf-8")))


def peak_mb() -> float:
    """Return the largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def part_measure(name: str, folder: str) -> None:
    """Print the seconds of each stage for one size."""
    import shortlist
    from shortlist.evaluate.leaks import check_leaks

    project, times = guessed_project(folder), StepTimes()
    dataset = shortlist.Dataset.from_project(project)
    times("read", 1.0)
    check_leaks(dataset, project.evaluate)
    times("leaks", 1.0)
    started = time.process_time()
    recommender = shortlist.Recommender(project).fit(dataset, progress=times)
    times("save", 0.0)
    recommender.save(f"{folder}/bundle")
    times("save", 1.0)
    train = time.process_time() - started
    found = {
        "name": name,
        "events": len(dataset.log),
        "users": len(dataset.users),
        "items": len(dataset.items),
        "sources": [source["model"] for source in project.retrieve.sources],
        "objectives": [objective.kind for objective in project.objectives.values()],
        "features": len(project.features),
        "heads": getattr(recommender.model.ranker, "heads_", ""),
        "steps": dict(times.seconds),
        "train": train,
        "train_memory_mb": peak_mb(),
    }
    if name not in ONLY_TRAINED:
        found |= part_use(recommender, dataset)
    print(json.dumps({**found, "memory_mb": peak_mb()}))


def part_use(recommender: Recommender, dataset: Dataset) -> dict[str, float]:
    """Return the seconds of an evaluation and of a trial, and the slates a second."""
    import shortlist
    from shortlist.tuning.search import tune

    project = recommender.project
    started = time.process_time()
    shortlist.evaluate(project, dataset)
    evaluate = time.process_time() - started
    ids = recommender.some_users(2_000)
    started = time.process_time()
    for at in range(0, len(ids), 500):
        recommender.recommend(users=ids[at : at + 500], n=10)
    slates = len(ids) / (time.process_time() - started)
    started = time.process_time()
    tune(project, dataset, trials=3)
    return {"evaluate": evaluate, "trial": (time.process_time() - started) / 3, "slates": slates}


def part_wall(name: str, folder: str) -> None:
    """Print the time that passes while tables are read and a model is trained with two threads."""
    import shortlist

    project, started = guessed_project(folder), time.perf_counter()
    shortlist.Recommender(project).fit(shortlist.Dataset.from_project(project))
    print(json.dumps({"name": name, "wall": time.perf_counter() - started}))


PARTS = {"make": part_make, "measure": part_measure, "wall": part_wall}


def run_part(part: str, name: str, folder: str, threads: int = 1) -> dict[str, Any]:
    """Run a part in a process of its own."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, part, name, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    lines = done.stdout.splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def main() -> None:
    found: list[dict[str, Any]] = []
    for name in sys.argv[1:] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            run_part("make", name, folder)
            one = run_part("measure", name, folder)
            found.append({**one, **run_part("wall", name, folder, threads=2)})
        print(json.dumps(found[-1]), flush=True)
    if len(sys.argv) == 1:
        results.write("sizes", report(found))


def report(found: list[dict[str, Any]]) -> list[str]:
    def row(title: str, name: str, form: str = "{:.0f} s") -> str:
        return (
            f"| {title} | "
            + " | ".join(form.format(one[name]) if name in one else "" for one in found)
            + " |"
        )

    heads = [f"{one['events']:,} events" for one in found]
    rows = [
        f"| {title} | "
        + " | ".join(f"{sum(one['steps'].get(s, 0.0) for s in steps):.1f} s" for one in found)
        + " |"
        for title, steps in STAGES.items()
    ]
    rows += [
        row("**`train`**", "train", "**{:.0f} s**"),
        row("reading and `train` with two threads, time that passes", "wall"),
        row("**`evaluate`**", "evaluate", "**{:.0f} s**"),
        row("`tune`, each trial", "trial"),
        row("`batch`, slates a second", "slates", "{:,.0f}"),
        row("largest memory of `train`", "train_memory_mb", "{:,.0f} MB"),
        row("largest memory of all", "memory_mb", "{:,.0f} MB"),
    ]
    last = found[-1]

    def sizes(name: str) -> str:
        return ", ".join(f"{one[name]:,}" for one in found)

    log = (
        f"Log of the movies world, project as guessed by `shortlist init`: {len(last['sources'])} retrievers "
        f"({', '.join(last['sources'])}), {len(last['objectives'])} objectives, {last['features']} features. "
        f"Users: {sizes('users')}; items: {sizes('items')}."
    )
    return [
        "# Times by size",
        "",
        "Written by `make benchmark-sizes`. Seconds of one core (`--threads 1`).",
        "",
        results.machine("xgboost-cpu", "duckdb", "numba"),
        "",
        log,
        "",
        "| | " + " | ".join(heads) + " |",
        "| --- |" + " ---: |" * len(found),
        *rows,
    ]


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PARTS:
        PARTS[sys.argv[1]](*sys.argv[2:])
    else:
        main()

"""How long each stage takes by the size of the log (`make benchmark-sizes`).

The log is that of the movies world with three sizes; the project is the one that `shortlist init` guesses. Each size is a process of
its own with one thread, and its processor time is measured, which other work on the machine hardly changes. The sums are the reference of the estimates that the commands print (`shortlist.data.expected_times`).
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
from typing import Any

import results

SIZES = {"10k": (900, 400, 300), "100k": (9_000, 2_500, 1_000), "1M": (90_000, 22_000, 5_000)}
"""Events → sessions, users and items of the world."""
ONE_THREAD = ("SHORTLIST_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
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


def part_measure(name: str) -> None:
    """Print the seconds of each stage for one size."""
    import shortlist
    from shortlist.config.project import parse_project
    from shortlist.evaluate.leaks import check_leaks
    from shortlist.simulate.registry import make_world
    from shortlist.tuning.search import tune

    sessions, users, items = SIZES[name]
    world = make_world("movies", users=users, items=items, sessions=sessions)
    with tempfile.TemporaryDirectory() as folder:
        world.write(Path(folder))
        guessed = shortlist.guess_project(world.events, world.items, world.users).model_dump(
            exclude_unset=True
        )
        for table in ("events", "items", "users"):
            guessed["data"][table] = f"{folder}/{table}.parquet"
        project = parse_project(guessed)
        times = StepTimes()
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
        trial = (time.process_time() - started) / 3
    kinds = [objective.kind for objective in project.objectives.values()]
    print(
        json.dumps(
            {
                "name": name,
                "events": len(dataset.log),
                "users": len(dataset.users),
                "items": len(dataset.items),
                "sources": [source["model"] for source in project.retrieve.sources],
                "objectives": kinds,
                "features": len(project.features),
                "steps": dict(times.seconds),
                "train": train,
                "evaluate": evaluate,
                "trial": trial,
                "slates": slates,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    found: list[dict[str, Any]] = []
    for name in sys.argv[1:] or SIZES:
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        done = subprocess.run(
            [sys.executable, __file__, "measure", name],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(found[-1]), flush=True)
    results.write("sizes", report(found))


def report(found: list[dict[str, Any]]) -> list[str]:
    heads = [f"{one['events']:,} events" for one in found]
    rows = [
        f"| {title} | "
        + " | ".join(f"{sum(one['steps'].get(s, 0.0) for s in steps):.1f} s" for one in found)
        + " |"
        for title, steps in STAGES.items()
    ]
    rows += [
        "| **`train`** | " + " | ".join(f"**{one['train']:.0f} s**" for one in found) + " |",
        "| **`evaluate`** | " + " | ".join(f"**{one['evaluate']:.0f} s**" for one in found) + " |",
        "| `tune`, each trial | " + " | ".join(f"{one['trial']:.0f} s" for one in found) + " |",
        "| `batch`, slates a second | " + " | ".join(f"{one['slates']:,.0f}" for one in found) + " |",
        "| largest memory | " + " | ".join(f"{one['memory_mb']:,.0f} MB" for one in found) + " |",
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
    if len(sys.argv) > 2 and sys.argv[1] == "measure":
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
        part_measure(sys.argv[2])
    else:
        main()

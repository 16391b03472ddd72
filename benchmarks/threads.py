"""Training beside other work (`make benchmark-threads`): the ranker stage alone and beside another training.

The stage is measured with OpenMP as it waits by default (actively), and as Shortlist lets it wait (passively), each with a number of
threads. Every measurement is a process of its own, on the same training set.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results

SESSIONS = 25_000
REPEATS = 5
VARIANTS: dict[str, dict[str, str]] = {
    "active waiting (libgomp's default)": {"GOMP_SPINCOUNT": "300000"},
    "passive waiting (Shortlist's default)": {},
    "passive waiting, one thread": {"SHORTLIST_THREADS": "1"},
}
BESIDE = ("nothing", "one training, one thread", "one training, same settings")


def part_prepare(file: str) -> None:
    """Save the training set of the movies world's ranker, as `fit` receives it."""
    import shortlist
    from shortlist.config.project import parse_project
    from shortlist.rank.gbdt.ranker import GBDTRanker
    from shortlist.simulate.movies import make_movies

    class PreparedError(Exception):
        pass

    @shortlist.register_ranker("prepare")
    class Prepare(GBDTRanker):
        def fit(self, examples: Any, validation: Any, *_: Any) -> Any:
            Path(file).write_bytes(pickle.dumps((examples, validation)))
            raise PreparedError

    world = make_movies(users=6_000, items=3_000, sessions=SESSIONS)
    settings = {**world.settings, "rank": {**world.settings.get("rank", {}), "model": "prepare"}}
    try:
        shortlist.Recommender(parse_project(settings)).fit(world.dataset())
    except PreparedError:
        print(json.dumps({"events": world.events.num_rows}))


def part_fit(file: str, repeats: str) -> None:
    """Fit the ranker and print the seconds; without end where `repeats` is 0."""
    from shortlist.rank.registry import make_ranker
    from shortlist.simulate.movies import make_movies

    project = make_movies(users=200, items=100, sessions=1_000).project()
    examples, validation = pickle.loads(Path(file).read_bytes())
    print("ready", flush=True)
    times: list[float] = []
    while not int(repeats) or len(times) < int(repeats):
        started = time.perf_counter()
        make_ranker(project).fit(examples, validation)
        times.append(time.perf_counter() - started)
    print(json.dumps(times))


def start(file: str, variant: dict[str, str], repeats: int) -> subprocess.Popen[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMP_", "OPENBLAS_", "GOMP_"))
    }
    process = subprocess.Popen(
        [sys.executable, __file__, "fit", file, str(repeats)],
        env={**clean, **variant},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def measure(file: str, variant: dict[str, str], beside: str) -> float:
    """Return the median seconds of the stage."""
    busy = None
    if beside != "nothing":
        busy = start(file, {**variant, "SHORTLIST_THREADS": "1"} if "one thread" in beside else variant, 0)
    try:
        process = start(file, variant, REPEATS)
        out, _ = process.communicate(timeout=1800)
        return statistics.median(json.loads(out))
    finally:
        if busy is not None:
            busy.kill()
            busy.communicate()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/training.pickle"
        done = subprocess.run(
            [sys.executable, __file__, "prepare", file], capture_output=True, text=True, check=True
        )
        events = json.loads(done.stdout.splitlines()[-1])["events"]
        rows = []
        alone = 0.0
        for name, variant in VARIANTS.items():
            seconds = [measure(file, variant, beside) for beside in BESIDE]
            alone = alone or seconds[0]
            rows.append(f"| {name} | " + " | ".join(f"{s:.1f} s ({s / alone:.1f}×)" for s in seconds) + " |")
            print(rows[-1], flush=True)
    lines = [
        "# Training beside other work",
        "",
        "Written by `make benchmark-threads`.",
        "",
        results.machine("xgboost-cpu", "numba", "numpy"),
        "",
        f"The ranker stage of the movies world with {events:,} events; medians of {REPEATS} runs, and the ratio to the first cell.",
        "",
        "| ranker stage beside | " + " | ".join(BESIDE) + " |",
        "| --- |" + " ---: |" * len(BESIDE),
        *rows,
    ]
    results.write("threads", lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        globals()[f"part_{sys.argv[1]}"](*sys.argv[2:])
    else:
        main()

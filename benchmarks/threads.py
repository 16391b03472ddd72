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
REPEATS = 3
LIMIT = 150.0
"""Seconds after which a measurement ends."""
VARIANTS: dict[str, dict[str, str]] = {
    "active waiting (libgomp's default)": {"GOMP_SPINCOUNT": "300000"},
    "passive waiting (Shortlist's default)": {},
    "passive waiting, one thread": {"SHORTLIST_THREADS": "1"},
}
BESIDE = ("nothing", "another training")


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
    done = 0
    while not int(repeats) or done < int(repeats):
        started = time.perf_counter()
        make_ranker(project).fit(examples, validation)
        print(time.perf_counter() - started, flush=True)
        done += 1


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


def measure(file: str, variant: dict[str, str], beside: str) -> list[float]:
    """Return the seconds of the stages that ended within the limit. The other training has the same settings."""
    busy = None if beside == "nothing" else start(file, variant, 0)
    process = start(file, variant, REPEATS)
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        if busy is not None:
            busy.kill()
            busy.communicate()
    return [float(line) for line in process.communicate()[0].split()]


def _cell(times: list[float], alone: float) -> str:
    if not times:
        return f"more than {LIMIT:.0f} s (over {LIMIT / alone:.0f}×)"
    seconds = statistics.median(times)
    return f"{seconds:.1f} s ({seconds / alone:.1f}×)"


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
            found = [measure(file, variant, beside) for beside in BESIDE]
            alone = alone or statistics.median(found[0])
            cells = [_cell(times, alone) for times in found]
            rows.append(f"| {name} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    lines = [
        "# Training beside other work",
        "",
        "Written by `make benchmark-threads`.",
        "",
        results.machine("xgboost-cpu", "numba", "numpy"),
        "",
        (
            f"The ranker stage of the movies world with {events:,} events; medians of {REPEATS} runs, of those that ended within {LIMIT:.0f} "
            "seconds. In brackets: the ratio to the first cell."
        ),
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

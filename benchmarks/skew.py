"""Running sums over heavy keys, on Spark and in DuckDB (`make benchmark-spark`); written to benchmarks/RESULTS.md.

A window that is divided by key gives all events of a key to one task: a key with a quarter of the log is a quarter of the work. Here the
events between two moments that are asked for are added up first, so that the window has one row a moment at most. The sums are compared
with those of a window over all events.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import results
from processes import processor_time

EVENTS, MARKS, KEYS, EXPONENT = 2_000_000, 500_000, 1_000_000, 1.3
SPARK, DUCKDB, PLAIN = "Spark, local[2]", "DuckDB", "DuckDB, a window over all events"
ROUNDS = 2


def log() -> tuple[pa.Table, Any]:
    """Return events whose keys follow Zipf's law, and the marks of the requests."""
    from shortlist.features.running import Marks

    rng = np.random.default_rng(0)
    time_of = np.sort(rng.integers(0, 60 * 86_400_000, EVENTS))
    key = np.minimum(rng.zipf(EXPONENT, EVENTS), KEYS)
    columns = {"key": key, "t": time_of, "n": np.ones(EVENTS, np.int64), "v": rng.integers(0, 5_000, EVENTS)}
    asked = np.sort(rng.choice(EVENTS, MARKS, replace=False))
    return pa.table({**columns, "place": np.arange(EVENTS)}), Marks.of(key[asked], time_of[asked])


def sums_of(engine: str, events: pa.Table, marks: Any) -> tuple[NDArray[np.int64], ...]:
    """Return the number of events, the sum of their values and the place of the latest one before each mark."""
    from shortlist.engines import make_engine
    from shortlist.engines.spark import SparkEngine
    from shortlist.engines.spark_session import spark_session
    from shortlist.features.running import running_sums
    from shortlist.features.sql import RUNNING_SQL

    if engine == PLAIN:
        found = make_engine("duckdb").run(RUNNING_SQL, {"events": events, "marks": marks.table()})
        found = found.sort_by("mark")
        return tuple(found.column(name).fill_null(-1).to_numpy() for name in ("n", "total", "place"))
    runs = SparkEngine(spark_session("local[2]")) if engine == SPARK else make_engine("duckdb")
    sums = running_sums(runs, events, marks)
    return sums.n, sums.total, sums.place


def measure(engine: str) -> dict[str, Any]:
    """Sum twice, of which the first time compiles; return seconds, those of processors, and sums of the sums."""
    events, marks = log()
    times = []
    for _ in range(ROUNDS):
        started, before = time.perf_counter(), processor_time()
        found = sums_of(engine, events, marks)
        times.append((time.perf_counter() - started, processor_time() - before))
    heaviest = float(np.bincount(events.column("key").to_numpy()).max() / EVENTS)
    mixed = [int((column * (1 + np.arange(len(column)) % 1_009)).sum()) for column in found]
    return {"times": times, "heaviest": heaviest, "sums": mixed}


def section(found: dict[str, Any]) -> list[str]:
    """Return the section with what was measured of each engine."""
    about = (
        f"{results.machine('pyspark', 'duckdb')} {EVENTS:,} events at {MARKS:,} moments; the heaviest key has "
        f"{found[SPARK]['heaviest']:.0%} of the events. All engines find the same sums. The first time compiles, and on Spark starts Java."
    )
    return [
        "## Running sums over heavy keys (`make benchmark-spark`)",
        "",
        about,
        "",
        "| engine | first time | processor time | second time | processor time |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {engine} | {' | '.join(f'{seconds:.1f} s' for both in one['times'] for seconds in both)} |"
            for engine, one in found.items()
        ),
    ]


def main() -> None:
    """Measure each engine in a process of its own."""
    if "--one" in sys.argv:
        print(json.dumps(measure(sys.argv[-1])))
        return
    found = {}
    for engine in (SPARK, DUCKDB, PLAIN):
        command = [sys.executable, __file__, "--one", engine]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[engine] = json.loads(said.splitlines()[-1])
        print(engine, found[engine], flush=True)
    if len({tuple(one["sums"]) for one in found.values()}) > 1:
        raise SystemExit("the engines found different sums")
    results.write("skew", section(found))


if __name__ == "__main__":
    main()

"""Training on Spark beside one process with DuckDB (`make benchmark-spark`); written to benchmarks/RESULTS.md.

The log is that of the movies world. Each line is a process of its own: one process on the whole log, and Spark on `local[N]` with all but
a bounded part of the log on the executors, which here share the machine with the driver. On a cluster they do not: the numbers show
what the way over Spark costs, not what a cluster gains.

`python benchmarks/spark.py 1M` measures some sizes and leaves the table as it is.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results

SIZES = {"1M": (90_000, 22_000, 5_000), "10M": (900_000, 220_000, 20_000)}
"""Events → sessions, users and items of the world."""
ON_DRIVER = 200_000
"""Events that the driver gets (`spark.events`)."""
HOW = (
    f"The movies world; Spark has {ON_DRIVER:,} events on the driver (`spark.events`) and learns from all of them on executors of the "
    "same machine; one process has the whole log."
)
ENGINES = ("one process, DuckDB", "Spark, local[1]", "Spark, local[2]")


def measure(folder: Path, engine: str) -> dict[str, Any]:
    """Train once and return seconds of each step, and peaks of memory in MB."""
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.recommender import Recommender

    project = read_project(folder)
    project = project.model_copy(update={"spark": project.spark.model_copy(update={"events": ON_DRIVER})})
    started, java, shuffled = time.perf_counter(), 0.0, 0
    if engine.startswith("Spark"):
        from shortlist.distributed.train import train_on_spark

        session = _session(engine.partition(", ")[2], folder / "history")
        trained = train_on_spark(session, project)
        recommender, events = trained.recommender, trained.events
        java = max(map(_peak, _children()), default=0.0)
    else:
        dataset = Dataset.from_project(project)
        recommender, events = Recommender(project).fit(dataset), len(dataset.log)
    recommender.save(folder / "bundle")
    seconds = time.perf_counter() - started
    if engine.startswith("Spark"):
        session.stop()
        shuffled = _shuffled(folder / "history")
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"events": events, "seconds": seconds, "python": python, "java": java, "shuffled": shuffled / 1e6}


def _session(master: str, history: Path) -> Any:
    """Start a session that writes what its tasks did, for the bytes of the shuffles."""
    history.mkdir(exist_ok=True)
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--conf spark.eventLog.enabled=true --conf spark.eventLog.compress=false --conf spark.eventLog.dir=file://{history} pyspark-shell"
    )
    from shortlist.engines.spark_session import spark_session

    return spark_session(master)


def _children() -> list[int]:
    """The processes of Java that this one has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text(encoding="utf-8")
        except OSError:
            continue
        if text.startswith("Name:\tjava") and f"PPid:\t{os.getpid()}\n" in text:
            found.append(int(status.parent.name))
    return found


def _peak(process: int) -> float:
    """The most memory that a process had, MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _shuffled(history: Path) -> int:
    """The bytes that tasks wrote for others to read."""
    total = 0
    for file in filter(Path.is_file, history.rglob("*")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith('{"Event":"SparkListenerTaskEnd"'):
                    metrics = json.loads(line).get("Task Metrics") or {}
                    total += (metrics.get("Shuffle Write Metrics") or {}).get("Shuffle Bytes Written", 0)
    return total


def run(size: str, engine: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    from shortlist.simulate.movies import make_movies

    sessions, users, items = SIZES[size]
    with tempfile.TemporaryDirectory(prefix="shortlist-") as name:
        folder = Path(name)
        world = make_movies(users=users, items=items, sessions=sessions)
        world.write(folder)
        command = [sys.executable, __file__, "--one", str(folder), engine]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all sizes, or those that are named."""
    if "--one" in sys.argv:
        at = sys.argv.index("--one")
        print(json.dumps(measure(Path(sys.argv[at + 1]), sys.argv[at + 2])))
        return
    sizes = sys.argv[1:] or list(SIZES)
    lines = [
        "## Training on Spark (`make benchmark-spark`)",
        "",
        f"{results.machine('pyspark', 'duckdb', 'pyarrow')} {HOW}",
        "",
        "| events | engine | read, train, save | Python, peak | Java, peak | shuffled |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size in sizes:
        for engine in ENGINES:
            one = run(size, engine)
            java, shuffled = (f"{one[name]:,.0f} MB" if one[name] else "" for name in ("java", "shuffled"))
            line = f"| {one['events']:,} | {engine} | {one['seconds']:.0f} s | {one['python']:,.0f} MB | {java} | {shuffled} |"
            print(line, flush=True)
            lines.append(line)
    if not sys.argv[1:]:
        results.write("spark", lines)


if __name__ == "__main__":
    main()

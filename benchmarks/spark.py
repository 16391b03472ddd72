"""Training on Spark beside one process with DuckDB (`make benchmark-spark`); written to benchmarks/RESULTS.md.

The log is that of the movies world. Each line is a process of its own: one process on the whole log, and Spark with all but a bounded
part of the log on executors, each a process with one core (`local-cluster[N,1,MB]`). They share the machine with the driver: the numbers
show what the way over Spark costs, not what a cluster gains.

`python benchmarks/spark.py 10M 2` measures some sizes and engines (`here`, `1`, `2`), whose rows take the place of earlier ones in the table.
`--worlds FOLDER` takes the tables of the worlds from a folder, or keeps them there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import results
from processes import processor_time

SIZES = {
    "100k": (9_000, 2_500, 1_000),
    "1M": (90_000, 22_000, 5_000),
    "10M": (900_000, 220_000, 20_000),
}
"""Events → sessions, users and items of the world."""
COPIES = {"50M": ("10M", 5)}
"""Events → a world, and how many times it is written, each time with other users: a world of 50 million events needs more memory than training."""
MEASURED = ("100k", "1M")
"""The sizes of the table. 10M and 50M take hours on two cores: name them."""
ON_DRIVER = 200_000
"""Events that the driver gets (`spark.events`), at most a fifth of the log."""
MEMORY, MEMORY_OF_SIZE = 2_048, {"50M": 3_072}
"""Memory of an executor's Java, MB, and that of larger logs."""
ENGINES = ("here", "1", "2")
"""One process, and Spark with so many executors."""
ONE_PROCESS = "one process, DuckDB"
HOW = (
    f"The movies world; Spark has a fifth of the events, at most {ON_DRIVER:,}, on the driver (`spark.events`) and learns from all of them on executors of the "
    "same machine; one process has the whole log. 50 million events are those of 10 million, five times with other users. The memory of an executor is that "
    "of its Java and its Python workers. What is not in tasks of Java is Python, and the start of three processes of Java and the compilation of their code, "
    "which does not grow with the log. Where the machine has other work, compare processor times, not times."
)
MB = 1_000_000


def measure(folder: Path, engine: str) -> dict[str, Any]:
    """Train once, and return seconds and peaks of memory in MB."""
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.recommender import Recommender

    project = read_project(folder)
    bound = min(ON_DRIVER, pq.read_metadata(folder / "events.parquet").num_rows // 5)
    project = project.model_copy(update={"spark": project.spark.model_copy(update={"events": bound})})
    started, java = time.perf_counter(), 0.0
    if engine.startswith("Spark"):
        from shortlist.distributed.train import train_on_spark

        master = engine.partition(", ")[2]
        session = _session(master, int(master.strip("]").rpartition(",")[2]), folder / "history")
        trained = train_on_spark(session, project)
        recommender, events = trained.recommender, trained.events
        java = max(map(_peak, _children()), default=0.0)
    else:
        dataset = Dataset.from_project(project)
        recommender, events = Recommender(project).fit(dataset), len(dataset.log)
    recommender.save(folder / "bundle")
    seconds = time.perf_counter() - started
    found = {"events": events, "seconds": seconds, "python": _peak(os.getpid()), "java": java}
    found["processor"] = processor_time()  # now: the Python of an executor is not waited for when it ends
    if engine.startswith("Spark"):
        gateway = session.sparkContext._gateway
        session.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # ends the JVM
        gateway.proc.wait()
        found |= _of_executors(folder / "history")
    return found


def _session(master: str, memory: int, history: Path) -> Any:
    """Start a session that writes what its tasks did, and how much memory its executors took."""
    import pyspark

    shutil.rmtree(history, ignore_errors=True)
    history.mkdir()
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": f"file://{history}",
        "spark.eventLog.logStageExecutorMetrics": "true",
        "spark.executor.processTreeMetrics.enabled": "true",
        "spark.executor.metrics.pollingInterval": "1000",
        "spark.executor.memory": f"{memory - 384}m",
        # a measurement of hours may be paused: nobody is lost then
        "spark.network.timeout": "7200s",
        "spark.worker.timeout": "7200",
    }
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join([*words, "pyspark-shell"])
    # what the scripts of a distribution set
    os.environ |= {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
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


def _of_executors(history: Path) -> dict[str, float]:
    """The bytes that tasks wrote for others to read, the largest memory of an executor, MB, the tasks and their processor time in Java."""
    shuffled, tasks, seconds, peaks = 0, 0, 0.0, defaultdict[str, float](float)
    for event in _events(history):
        if event["Event"] == "SparkListenerTaskEnd":
            metrics = event.get("Task Metrics") or {}
            shuffled += (metrics.get("Shuffle Write Metrics") or {}).get("Shuffle Bytes Written", 0)
            tasks, seconds = tasks + 1, seconds + metrics.get("Executor CPU Time", 0) / 1e9
        memory = event.get("Executor Metrics") or event.get("Task Executor Metrics") or {}
        name = event.get("Executor ID") or (event.get("Task Info") or {}).get("Executor ID")
        if name not in {None, "driver"}:
            own = memory.get("ProcessTreeJVMRSSMemory", 0) + memory.get("ProcessTreePythonRSSMemory", 0)
            peaks[str(name)] = max(peaks[str(name)], own / MB)
    largest = max(peaks.values(), default=0.0)
    return {"shuffled": shuffled / MB, "executor": largest, "tasks": tasks, "in_tasks": seconds}


def _events(history: Path) -> Iterator[dict[str, Any]]:
    wanted = ('{"Event":"SparkListenerTaskEnd"', '{"Event":"SparkListenerStageExecutorMetrics"')
    for file in filter(Path.is_file, history.rglob("*")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from (json.loads(line) for line in lines if line.startswith(wanted))


def run(world: Path, engine: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(world), engine], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_world(size: str, folder: Path) -> None:
    """Write the tables of a world in a process of its own, whose memory is free afterwards."""
    if size in COPIES:
        of, copies = COPIES[size]
        if not (folder.parent / of / "events.parquet").exists():
            write_world(of, folder.parent / of)
        copy_world(folder.parent / of, folder, copies)
        return
    sessions, users, items = SIZES[size]
    code = (
        "from pathlib import Path; from shortlist.simulate.movies import make_movies; "
        f"make_movies(users={users}, items={items}, sessions={sessions}).write(Path({str(folder)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def copy_world(world: Path, folder: Path, copies: int) -> None:
    """Write a world several times, each time with other users and slates: a row group of events in memory at a time."""
    folder.mkdir(parents=True)
    for name in ("items.parquet", "shortlist.toml"):
        shutil.copy(world / name, folder / name)
    for name in ("users.parquet", "events.parquet"):
        table = pq.ParquetFile(world / name)
        with pq.ParquetWriter(folder / name, table.schema_arrow, compression="zstd") as writer:
            for copy in range(copies):
                for group in range(table.metadata.num_row_groups):
                    writer.write_table(_of_others(table.read_row_group(group), copy))


def _of_others(rows: pa.Table, copy: int) -> pa.Table:
    """Return the rows of a table with the users and slates of a copy."""
    users = pc.binary_join_element_wise(rows.column("user_id"), str(copy), "_")
    rows = rows.set_column(rows.column_names.index("user_id"), "user_id", users)
    if "slate" in rows.column_names:
        slates = pc.add(rows.column("slate"), pa.scalar(copy * 100_000_000, pa.int64()))
        rows = rows.set_column(rows.column_names.index("slate"), "slate", slates)
    return rows


def _engine(word: str, size: str) -> str:
    """Return the name of an engine: one process, or Spark with its master."""
    return (
        ONE_PROCESS
        if word == "here"
        else f"Spark, local-cluster[{word},1,{MEMORY_OF_SIZE.get(size, MEMORY)}]"
    )


def main() -> None:
    """Measure all sizes, or those that are named."""
    if "--one" in sys.argv:
        at = sys.argv.index("--one")
        print(json.dumps(measure(Path(sys.argv[at + 1]), sys.argv[at + 2])))
        return
    named = sys.argv[1:]
    sizes = [word for word in named if word in {*SIZES, *COPIES}] or list(MEASURED)
    engines = [word for word in named if word in ENGINES] or list(ENGINES)
    with tempfile.TemporaryDirectory(prefix="shortlist-") as name:
        worlds = Path(named[named.index("--worlds") + 1]) if "--worlds" in named else Path(name)
        for size in sizes:
            if not (worlds / size / "events.parquet").exists():
                write_world(size, worlds / size)
            for engine in (_engine(word, size) for word in engines):
                line = _line(run(worlds / size, engine), engine)
                print(line, flush=True)
                results.write("spark", _section(line))  # after each line: the next may take an hour


def _section(line: str) -> list[str]:
    """Return the section with a line, which takes the place of an earlier one of the same log and engine."""
    found = {_key(row): row for row in [*results.rows("spark"), line]}
    return [
        "## Training on Spark (`make benchmark-spark`)",
        "",
        f"{results.machine('pyspark', 'duckdb', 'pyarrow')} {HOW}",
        "",
        "| events | engine | read, train, save | processor time | in tasks, Java | tasks | driver: Python | driver: Java | largest executor | shuffled |",
        f"|{' --- |' * 10}",
        *(found[key] for key in sorted(found, key=lambda key: (key[0], key[1] != ONE_PROCESS, key[1]))),
    ]


def _key(line: str) -> tuple[int, str]:
    events, engine = (cell.strip() for cell in line.split("|")[1:3])
    return int(events.replace(",", "")), engine


def _line(one: dict[str, Any], engine: str) -> str:
    tasks = (f"{one['in_tasks']:.0f} s", f"{one['tasks']:,}") if "tasks" in one else ("", "")
    memory = (
        f"{one[name]:,.0f} MB" if one.get(name) else "" for name in ("python", "java", "executor", "shuffled")
    )
    times = (f"{one['seconds']:.0f} s", f"{one['processor']:.0f} s", *tasks)
    cells = (f"{one['events']:,}", engine, *times, *memory)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()

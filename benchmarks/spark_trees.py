"""Trees of the ranker that grow on the driver and on executors of Spark (`make benchmark-spark`); written to benchmarks/RESULTS.md.

Examples with numbers of few and of many values, and with categories. The executors are processes of one core on the same machine
(`local-cluster[N,1,MB]`): the numbers show what the way over Spark costs, not what a cluster gains.

`python benchmarks/spark_trees.py 1M 2` measures some sizes and engines (`driver`, `1`, `2`), whose rows take the place of earlier ones.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import results
from processes import processor_time

SIZES = {"200k": 200_000, "1M": 1_000_000, "4M": 4_000_000}
"""Training rows; a quarter as many are for validation."""
MEASURED = ("200k", "1M")
FEATURES, CATEGORIES, TREES = 48, 4, 100
ENGINES = ("driver", "1", "2")
MEMORY = 1_024
"""Of an executor's Java, MB: the rows are in its Python."""


def job_of(rows: int) -> Any:
    """Return a job of boosting with so many training rows."""
    from shortlist.config.rank import RankSettings
    from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
    from shortlist.rank.gbdt.train import Boosting
    from shortlist.rank.targets import Head, Target
    from shortlist.threads import openmp_threads

    rng, head = np.random.default_rng(0), Head("click", "probability", "logistic", None)
    effect = rng.normal(size=64)
    sides = []
    for size in (rows, rows // 4):
        values = rng.normal(size=(size, FEATURES + CATEGORIES)).astype(np.float32)
        values[:, : FEATURES // 2] = (values[:, : FEATURES // 2] * 8).round()  # counts and ranks
        values[:, FEATURES:] = rng.integers(0, 64, (size, CATEGORIES))
        score = (
            values[:, :8] @ np.linspace(0.1, 0.02, 8)
            + values[:, FEATURES - 1]
            + effect[values[:, -1].astype(int)]
        )
        label = (rng.random(size) < 1 / (1 + np.exp(2 - score))).astype(float)
        target = Target("click", head.loss, label, rng.uniform(0.5, 2, size), np.ones(size))
        types = ["q"] * FEATURES + ["c"] * CATEGORIES
        sides.append(BoostingData(BinnedFeatures(values, types), np.arange(size) // 60, [target]))
    settings = RankSettings(trees=TREES)
    return Boosting([head], settings, 0, openmp_threads(), *sides).job(TREES)[0]


def measure(engine: str, rows: int) -> dict[str, Any]:
    """Grow the trees once; Java and the Python of executors have started before."""
    from shortlist.config.spark import SparkSettings
    from shortlist.distributed.trees import TreesOnExecutors
    from shortlist.rank.gbdt.tree_job import grow_here

    grow: Any = grow_here
    if engine != "driver":
        grow = TreesOnExecutors(_session(int(engine)), SparkSettings(ranker="executors"))
        grow(job_of(40_000))
    job = job_of(rows)
    started, before = time.perf_counter(), processor_time()
    model = grow(job)
    found = {"seconds": time.perf_counter() - started, "processor": processor_time() - before}
    held = job.validation
    margins = model.inplace_predict(held.features.values, predict_type="margin") + np.float32(job.margin[0])
    found |= {
        "loss": job.loss(margins, held),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return found


def _session(executors: int) -> Any:
    import pyspark

    from shortlist.engines.spark_session import spark_session

    settings = f"--conf spark.executor.memory={MEMORY - 384}m --driver-memory 2g"
    os.environ |= {
        "PYSPARK_SUBMIT_ARGS": f"{settings} pyspark-shell",
        # what the scripts of a distribution set
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return spark_session(f"local-cluster[{executors},1,{MEMORY}]")


def _line(rows: int, engine: str, one: dict[str, Any]) -> str:
    name = "driver" if engine == "driver" else f"Spark, {engine} executor{'s' * (engine != '1')} of one core"
    cells = (
        f"{rows:,}",
        name,
        f"{one['seconds']:.1f} s",
        f"{one['processor']:.1f} s",
        f"{one['peak']:,.0f} MB",
        f"{one['loss']:.4f}",
    )
    return f"| {' | '.join(cells)} |"


def _section(line: str) -> list[str]:
    def key(row: str) -> tuple[int, str]:
        rows, engine = (cell.strip() for cell in row.split("|")[1:3])
        return int(rows.replace(",", "")), engine

    found = {key(row): row for row in [*results.rows("spark-trees"), line]}
    about = (
        f"{results.machine('pyspark', 'xgboost-cpu')} {FEATURES} numbers and {CATEGORIES} categories, {TREES} trees of depth 4, a quarter as many rows for "
        "validation; rows are generated before, Java and Python of the executors have started. Where the machine has other work, compare "
        "processor times, not times. Loss: of the validation rows."
    )
    return [
        "## Trees of the ranker on Spark (`make benchmark-spark`)",
        "",
        about,
        "",
        "| rows | grown by | time | processor time | driver: Python | log loss |",
        "| --- | --- | --- | --- | --- | --- |",
        *(found[one] for one in sorted(found)),
    ]


def main() -> None:
    """Measure each size and engine in a process of its own."""
    if "--one" in sys.argv:
        print(json.dumps(measure(sys.argv[-2], int(sys.argv[-1]))))
        return
    sizes = [word for word in sys.argv[1:] if word in SIZES] or list(MEASURED)
    engines = [word for word in sys.argv[1:] if word in ENGINES] or list(ENGINES)
    for size in sizes:
        for engine in engines:
            command = [sys.executable, __file__, "--one", engine, str(SIZES[size])]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            line = _line(SIZES[size], engine, json.loads(said.splitlines()[-1]))
            print(line, flush=True)
            results.write("spark-trees", _section(line))


if __name__ == "__main__":
    main()

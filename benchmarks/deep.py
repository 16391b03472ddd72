"""What networks cost a server, beside how good they are (`make benchmark-deep`); written to benchmarks/RESULTS.md.

For each source a whole cascade on the Beauty reviews: `popular` beside the source, 500 candidates, features, ranker, slate of 10,
reasons, JSON over HTTP. Costs of a request do not depend on how long a network has learned, so that here each learns for one epoch; the
quality beside is that of `make benchmark-sequences`, whose models learn to the end.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

import results
from sequences import MODELS, Kept, LeaveOneOut, gains
from serve import Running, ours  # type: ignore[attr-defined]  # not tests/serve
from shortlist.config.project import parse_project
from shortlist.data.progress import silent
from shortlist.recommender import Recommender

KEPT = Path(__file__).parent / ".deep"
WARM, ASKED = 100, 1_000
QUIET = 2.5
"""Load average up to which a machine does nothing else."""
SHORT: dict[str, Any] = {"epochs": 1}
TREES: dict[str, Any] = {"max_rows": 60_000}
MULTITASK: dict[str, Any] = {**TREES, "model": "multitask", "options": {**SHORT, "min_rows": 0}}
TRANSFORMER = {"model": "transformer", **SHORT}
TOWERS = {"model": "two_tower", **SHORT}
USUAL = [{"model": name} for name in ("als", "slim", "sequence", "neighbours")]
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "als": ([{"model": "als"}], TREES, "als"),
    "sequence": ([{"model": "sequence"}], TREES, "sequence"),
    "slim": ([{"model": "slim"}], TREES, "slim"),
    "transformer": ([TRANSFORMER], TREES, "transformer"),
    "transformer, int8": ([{**TRANSFORMER, "vectors": "int8"}], TREES, "transformer"),
    "two_tower": ([TOWERS], TREES, "two_tower"),
    "two_tower, int8": ([{**TOWERS, "vectors": "int8"}], TREES, "two_tower"),
    "als, slim, sequence, neighbours": (USUAL, TREES, "auto"),
    "these four, transformer": ([*USUAL, TRANSFORMER], TREES, "auto with transformer"),
    "these four, transformer, two_tower": ([*USUAL, TRANSFORMER, TOWERS], TREES, "auto with networks"),
    "sequence; ranker: multitask": ([{"model": "sequence"}], MULTITASK, "sequence"),
    "transformer; ranker: multitask": ([TRANSFORMER], MULTITASK, "transformer"),
}
"""Row → sources beside `popular`, `[rank]`, and the row of `make benchmark-sequences` that says how good the sources are."""


class Cost(NamedTuple):
    """What a cascade costs its server."""

    p50: float
    p99: float
    """Of a request on one connection, with HTTP, in ms."""
    processor: float
    """Processor time of a request in ms."""
    memory: float
    """Resident memory in MB."""
    bundle: float
    """Size of the bundle in MB."""
    sources: float
    """Size of the retrievers in it, in MB."""
    load: float = 0.0
    """Processes that wanted a core while it was asked, the server's and this one included: with more than there are cores, times are
    longer than on a quiet machine."""


def trained(split: LeaveOneOut, sources: list[dict[str, Any]], rank: dict[str, Any], folder: Path) -> None:
    """Train a cascade and save its bundle."""
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"attributes": "list"}},
            "retrieve": {"sources": [{"model": "popular"}, *sources]},
            "rank": rank,
            "evaluate": {"test": 0.05},
        }
    )
    Recommender(project).fit(split.dataset, progress=silent).save(folder)


def processor_seconds(server: Running) -> float:
    """Return the processor time of a server and its workers."""
    parent = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (parent, *parent.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def asked(server: Running, users: list[int]) -> tuple[list[float], float]:
    """Return the milliseconds of each request on one connection, and the processor time of one in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    took: list[float] = []
    before = 0.0
    for number, user in enumerate(users):
        if number == WARM:
            before = processor_seconds(server)
        body = json.dumps({"user": user, "n": 10})
        started = time.perf_counter()
        connection.request("POST", "/v1/recommend", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        took.append(1000 * (time.perf_counter() - started))
        if len(answer["items"]) != 10:
            raise SystemExit(f"the slate of user {user} has {len(answer['items'])} items")
    return took[WARM:], 1000 * (processor_seconds(server) - before) / (len(users) - WARM)


def size(folder: Path) -> float:
    """Return the size of a folder in MB."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def cost(split: LeaveOneOut, name: str) -> Cost:
    """Train, serve and ask one cascade."""
    sources, rank, _ = CASES[name]
    users = np.random.default_rng(0).choice(split.dataset.users.ids.values, WARM + ASKED).tolist()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        trained(split, sources, rank, bundle)
        server = ours(bundle, Path(folder), 1)
        try:
            took, processor = asked(server, users)
            memory, load = 1000 * server.memory(), os.getloadavg()[0]
        finally:
            server.stop()
        own = sum(size(one) for one in (bundle / "retrievers").iterdir())
        return Cost(
            float(np.median(took)),
            float(np.quantile(took, 0.99)),
            processor,
            memory,
            size(bundle),
            own,
            load,
        )


def quality(name: str, in_bytes: bool) -> str:
    """Return the NDCG of the sources alone on the test, of all seeds that were run."""
    runs = [one for seed in range(MODELS[name][2]) if (one := Kept.read(name, seed)) is not None]
    if not runs:
        return ""
    return f"{np.mean([gains(one.in_bytes if in_bytes else one.test).mean() for one in runs]):.4f}"


def seconds(name: str) -> str:
    """Return the processor time of a whole training of the sources, where a run measured one."""
    runs = (Kept.read(name, seed) for seed in range(MODELS[name][2]))
    took = [one.facts["seconds"] for one in runs if one is not None and one.facts["seconds"] is not None]
    return f"{np.median(took):.1f} s" if took else ""


def write() -> None:
    """Write the section from what is kept."""
    rows = []
    for name, (_, _, alone) in CASES.items():
        file = KEPT / f"{name.replace(' ', '-').replace(',', '').replace(';', '')}.json"
        if file.exists():
            found = Cost(**json.loads(file.read_text()))
            cells = [name, quality(alone, "int8" in name), seconds(alone)]
            cells += [f"{found.p50:.2f}", f"{found.p99:.2f}"]
            cells += [f"{found.processor:.2f}", f"{1000 / found.processor:,.0f}", f"{found.memory:,.0f}"]
            cells += [f"{found.bundle:.1f}", f"{found.sources:.1f}"]
            rows.append(f"| {' | '.join([*cells, f'{found.load:.0f}' if found.load > QUIET else ''])} |")
    explained = (
        "Cascades on the Beauty reviews (12,101 items): `popular` and the named sources, 500 candidates, trees unless another ranker is "
        "named, slates of 10 with reasons, one worker, one thread, one connection, HTTP and JSON included. A network here learns for one "
        "epoch, which changes no cost; NDCG@10 and the time of training are those of the sources alone, fully trained, on the test of "
        "`make benchmark-sequences`. "
        "Requests/s a core follow from the processor time of the server. Where a load is stated, the machine had so many processes that wanted "
        "one of its cores, and times are longer than those of other rows."
    )
    columns = [
        "sources",
        "NDCG@10 of the sources",
        "training of the sources (processor)",
        "p50 (ms)",
        "p99 (ms)",
        "processor time (ms)",
        "requests/s a core",
    ]
    columns += ["memory (MB)", "bundle (MB)", "sources in it (MB)", "load"]
    results.write(
        "deep",
        [
            "# What networks cost a server (`make benchmark-deep`)\n",
            f"{results.machine('numpy', 'numba', 'xgboost-cpu', 'torch')}\n",
            f"{explained}\n",
            f"| {' | '.join(columns)} |",
            f"| {' | '.join('---' for _ in columns)} |",
            *rows,
        ],
    )


def main(names: list[str]) -> None:
    """Measure the named cascades, or those that are missing, and write the section."""
    KEPT.mkdir(exist_ok=True)
    split: LeaveOneOut | None = None
    for name in names or CASES:
        file = KEPT / f"{name.replace(' ', '-').replace(',', '').replace(';', '')}.json"
        if names or not file.exists():
            split = split or LeaveOneOut.read()
            found = cost(split, name)
            file.write_text(json.dumps(found._asdict()))
            print(name, found, flush=True)
    write()


if __name__ == "__main__":
    main(sys.argv[1:])

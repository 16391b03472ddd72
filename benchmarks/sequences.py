"""Which item follows a history: leave-one-out on the Beauty reviews that papers on sequences report (`make benchmark-sequences`).

The last event of each user is the test, the one before it the validation. Models learn from the rest. Settings were chosen on the
validation (`python benchmarks/sequences.py validation`); the test is read once, with the history up to the validation event.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import results
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import progress_bars
from shortlist.retrieve import RETRIEVERS, Requests, Retriever

DATA = Path(__file__).parents[2] / "shared" / "data" / "amazon-beauty-sequences"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "popular": ("popular", {}),
    "neighbours": ("neighbours", {}),
    "slim": ("slim", {}),
    "als": ("als", {}),
    "sequence": ("sequence", {}),
    "transformer, without item attributes": ("transformer", {"attributes": []}),
    "transformer": ("transformer", {}),
}
DEPTH, BATCH = 10, 512


@dataclass(frozen=True)
class Split:
    """What models learn from, what they are asked with, and what followed."""

    training: Dataset
    known: Dataset
    target: NDArray[np.int32]


def read(test: bool) -> Split:
    """Read the events, and hold out the last one (test) or the one before it (validation) of each user."""
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"attributes": "list"}},
        }
    )
    dataset = Dataset.from_frames(
        pq.read_table(DATA / "events.parquet"), pq.read_table(DATA / "items.parquet"), project=project
    )
    h = dataset.histories
    order = np.lexsort([np.arange(len(dataset.log)), dataset.log.user])
    back = np.empty(len(order), np.int64)
    back[order] = h.indptr[1:][h.owner] - np.arange(len(h.item))  # 1: the last event of its user

    def without(latest: int) -> Dataset:
        return replace(dataset, log=dataset.log.rows(np.flatnonzero(back > latest)))

    return Split(without(2), without(1 if test else 2), h.item[h.indptr[1:] - (1 if test else 2)])


def ranks(model: Retriever, split: Split, seen: bool) -> NDArray[np.float64]:
    """Return how many items score higher than what followed, ties as a half; `seen`: items of the history are ranked, too."""
    found = []
    for start in range(0, len(split.target), BATCH):
        requests, target = asked(split, np.arange(start, min(start + BATCH, len(split.target))))
        scores = model.score(requests)
        own = scores[np.arange(len(target)), target][:, None].copy()
        if not seen:
            h = requests.histories
            scores[h.owner, h.item] = -np.inf
        higher = (scores > own).sum(1) + ((scores == own).sum(1) - seen) / 2
        found.append(np.where(np.isfinite(own[:, 0]), higher, np.inf))
    return np.concatenate(found)


def asked(split: Split, users: NDArray[np.int64]) -> tuple[Requests, NDArray[np.int32]]:
    """Return the requests of some users, made after all events, and what followed."""
    moments = np.full(len(users), np.iinfo(np.int64).max // 2, np.int64)
    return Requests.of_users(split.known, users, moments), split.target[users]


def milliseconds(model: Retriever, split: Split, number: int = 300) -> float:
    """Return the median processor time of the 100 best items for one history."""
    took = []
    for user in np.linspace(0, len(split.target) - 1, number).astype(np.int64):
        requests, _ = asked(split, np.array([user]))
        started = time.process_time()
        model.retrieve(requests, 100)
        took.append(time.process_time() - started)
    return 1000 * float(np.median(took))


def megabytes(model: Retriever) -> float:
    """Return the size of the saved model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6


def row(name: str, split: Split) -> str:
    """Fit and evaluate one model."""
    kind, settings = MODELS[name]
    started = time.process_time()
    with progress_bars() as progress:
        model = RETRIEVERS[kind](**settings).fit(split.training, progress)
    took = time.process_time() - started
    at, all_ = ranks(model, split, seen=False), ranks(model, split, seen=True)
    gain = np.where(at < DEPTH, 1 / np.log2(at + 2), 0)
    error = 1.96 * gain.std() / np.sqrt(len(gain))
    gain_all = np.where(all_ < DEPTH, 1 / np.log2(all_ + 2), 0)
    line = (
        f"| {name} | {(at < DEPTH).mean():.4f} / {gain.mean():.4f} | {gain.mean() - error:.4f}–{gain.mean() + error:.4f} "
        f"| {(all_ < DEPTH).mean():.4f} / {gain_all.mean():.4f} | {took:.0f} s | {milliseconds(model, split):.2f} ms "
        f"| {megabytes(model):.1f} MB |"
    )
    print(line, flush=True)
    return line


def main(arguments: list[str]) -> None:
    """Evaluate every model on the test and write the section, or those that are named on the validation and print."""
    if arguments[:1] == ["validation"]:
        split = read(test=False)
        for name in arguments[1:] or MODELS:
            row(name, split)
        return
    split = read(test=True)
    lines = [row(name, split) for name in MODELS]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.write(
        "sequences",
        [
            "# Sequences\n",
            f"Written by `make benchmark-sequences`. {results.machine('numpy', 'numba', 'scipy', 'torch')} One thread, no GPU.\n",
            "## Amazon Beauty (5-core): 22,363 users, 12,101 items, 198,502 events\n",
            (
                "Leave-one-out: each user's last event is the test, the one before it the validation, and models learn from the rest alone. "
                "At the test, the validation event is part of the history. The whole catalogue is ranked, without the items of the history; "
                "beside it, with them. HR@10 / NDCG@10.\n"
            ),
            "Published: eSASRec 0.0928 / 0.0523, SASRec with sampled softmax 0.0921 / 0.0531; neither reads item attributes.\n",
            "|  | HR@10 / NDCG@10 | NDCG, 95 % | items of the history ranked, too | fit (processor) | one history | saved |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            (
                f"\nPeak memory of all together: {peak:,.0f} MB. Settings are the defaults of each model; those of `transformer` were chosen "
                "on the validation."
            ),
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])

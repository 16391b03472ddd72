"""Which item follows a history: leave-one-out on the Beauty reviews that papers on sequences report (`make benchmark-sequences`).

The last event of each user is the test, the one before it the validation. Models learn from the rest. Settings are chosen on the
validation (`python benchmarks/sequences.py validation transformer`); the test is read once, with the history up to the validation
event.
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
    "two_tower": ("two_tower", {}),
}
DEPTH, BATCH = 10, 512
VALIDATION, TEST = 2, 1
"""How far from the end the event is that is asked for."""


@dataclass(frozen=True)
class LeaveOneOut:
    """All events, and how far each is from the last one of its user."""

    dataset: Dataset
    back: NDArray[np.int64]

    @classmethod
    def read(cls) -> LeaveOneOut:
        """Read the data set."""
        project = parse_project(
            {
                "data": {"columns": {"timestamp": "timestamp"}},
                "items": {"id": "item_id", "attributes": {"attributes": "list"}},
            }
        )
        tables = (pq.read_table(DATA / f"{name}.parquet") for name in ("events", "items"))
        dataset = Dataset.from_frames(*tables, project=project)
        h, back = dataset.histories, np.empty(len(dataset.log), np.int64)
        back[np.argsort(dataset.log.user, kind="stable")] = h.indptr[1:][h.owner] - np.arange(len(h.item))
        return cls(dataset, back)

    def before(self, event: int) -> Dataset:
        """Return the events before the one that is asked for."""
        return replace(self.dataset, log=self.dataset.log.rows(np.flatnonzero(self.back > event)))

    def followed(self, event: int) -> NDArray[np.int32]:
        """Return the item that followed, for each user."""
        h = self.dataset.histories
        return h.item[h.indptr[1:] - event]


def asked(known: Dataset, users: NDArray[np.int64]) -> Requests:
    """Return the requests of some users, made after all events."""
    return Requests.of_users(known, users, np.full(len(users), np.iinfo(np.int64).max // 2, np.int64))


def ranks(
    model: Retriever, known: Dataset, target: NDArray[np.int32], seen: bool = False
) -> NDArray[np.float64]:
    """Return how many items score higher than what followed, ties as a half; `seen`: items of the history are ranked, too."""
    found = []
    for start in range(0, len(target), BATCH):
        users = np.arange(start, min(start + BATCH, len(target)))
        requests = asked(known, users)
        scores = model.score(requests)
        own = scores[np.arange(len(users)), target[users]][:, None].copy()
        if not seen:
            h = requests.histories
            scores[h.owner, h.item] = -np.inf
            scores[np.arange(len(users)), target[users]] = own[:, 0]
        higher = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
        found.append(np.where(np.isfinite(own[:, 0]), higher, np.inf))
    return np.concatenate(found)


def gains(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the NDCG of lists with one relevant item at these ranks."""
    return np.where(at < DEPTH, 1 / np.log2(np.minimum(at, DEPTH) + 2), 0)


def pair(at: NDArray[np.float64]) -> str:
    """Return hit rate and NDCG."""
    return f"{(at < DEPTH).mean():.4f} / {gains(at).mean():.4f}"


def milliseconds(model: Retriever, known: Dataset, number: int = 300) -> float:
    """Return the median processor time of the 100 best items for one history."""
    took = []
    for user in np.linspace(0, len(known.users) - 1, number).astype(np.int64):
        requests = asked(known, np.array([user]))
        started = time.process_time()
        model.retrieve(requests, 100)
        took.append(time.process_time() - started)
    return 1000 * float(np.median(took))


def megabytes(model: Retriever) -> float:
    """Return the size of the saved model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6


def row(name: str, split: LeaveOneOut, *, test: bool) -> str:
    """Fit and evaluate one model."""
    kind, settings = MODELS[name]
    started = time.process_time()
    with progress_bars() as progress:
        model = RETRIEVERS[kind](**settings).fit(split.before(VALIDATION), progress)
    took = time.process_time() - started
    known, target = split.before(VALIDATION), split.followed(VALIDATION)
    cells = [name, pair(ranks(model, known, target))]
    if test:
        known, target = split.before(TEST), split.followed(TEST)
        at = ranks(model, known, target)
        mean, error = gains(at).mean(), 1.96 * gains(at).std() / np.sqrt(len(at))
        cells += [pair(at), f"{mean - error:.4f}–{mean + error:.4f}", pair(ranks(model, known, target, True))]
    cells += [f"{took:.0f} s", f"{milliseconds(model, known):.2f} ms", f"{megabytes(model):.1f} MB"]
    line = f"| {' | '.join(cells)} |"
    print(line, flush=True)
    return line


def main(arguments: list[str]) -> None:
    """Evaluate every model and write the section, or those that are named on the validation and print."""
    split = LeaveOneOut.read()
    if arguments[:1] == ["validation"]:
        for name in arguments[1:] or MODELS:
            row(name, split, test=False)
        return
    lines = [row(name, split, test=True) for name in MODELS]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    protocol = (
        "Leave-one-out: each user's last event is the test, the one before it the validation, and models learn from the rest alone. "
        "At the test, the validation event is part of the history. All items of the catalogue are ranked, without those of the history; "
        "in one column with them. HR@10 / NDCG@10. Settings are the defaults of each model; those of the networks were chosen on the "
        "validation, and the test was read once."
    )
    published = (
        "Published: eSASRec 0.0928 / 0.0523, SASRec with sampled softmax 0.0921 / 0.0531. Neither reads item attributes; "
        "`transformer` and `two_tower` read the categories and brands that the data set has."
    )
    results.write(
        "sequences",
        [
            "# Sequences\n",
            f"Written by `make benchmark-sequences`. {results.machine('numpy', 'numba', 'scipy', 'torch')} One thread, no GPU.\n",
            "## Amazon Beauty (5-core): 22,363 users, 12,101 items, 198,502 events\n",
            f"{protocol}\n",
            f"{published}\n",
            "|  | validation | test | NDCG of the test, 95 % | test, items of the history ranked, too | fit (processor) | one history | saved |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            f"\nPeak memory of all together: {peak:,.0f} MB.",
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])

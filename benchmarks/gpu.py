"""Training of `transformer` on a GPU beside the CPU (`make benchmark-gpu`): throughput, share of the card's peak, quality.

    python benchmarks/gpu.py              on a machine with a GPU: both devices, written to benchmarks/RESULTS.md
    python benchmarks/gpu.py --dry-run    the same steps on the CPU alone, on a generated log: seconds; printed, not written

The log is the largest one of these benchmarks: completejourney, 1,469,307 purchases of 92,331 products. The last purchase of each
household is the test. Both devices train with the same settings and seed; the GPU multiplies in bfloat16.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import results
from sequences import TEST, LeaveOneOut, gains, pair, ranks
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.retrieve import Transformer
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.cost import transformer_cost

DATA = Path(__file__).parents[2] / "shared" / "data" / "completejourney"
SETTINGS: dict[str, Any] = {
    "width": 128,
    "heads": 4,
    "history": 100,
    "batch": 16_384,
    "epochs": 8,
    "validation": 0.0,
}
DRY: dict[str, Any] = {
    "width": 16,
    "history": 10,
    "batch": 512,
    "epochs": 2,
    "validation": 0.0,
    "min_events": 0,
}
PEAKS = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "4090": 165e12,
}
"""Name of a card → operations a second that its maker states for dense products in bfloat16."""
COLUMNS = (
    "device",
    "precision",
    "seconds an epoch",
    "events/s",
    "TFLOP/s",
    "share of the card's peak",
    "memory of the card",
    "HR@10 / NDCG@10",
    "NDCG, 95 %",
)


@dataclass(frozen=True)
class Run:
    """What a training took, and how good the model is."""

    device: str
    precision: str
    seconds: float
    """Of an epoch."""
    events: int
    operations: float
    """Of an epoch."""
    memory: int
    """Peak of the card in bytes; 0 on a CPU."""
    quality: str
    interval: str

    def row(self) -> str:
        """Return the run as a row of the table."""
        done = self.operations / self.seconds
        peak = peak_of(self.device)
        cells = [self.device, self.precision, f"{self.seconds:.2f}", f"{self.events / self.seconds:,.0f}"]
        cells += [f"{done / 1e12:.3g}", "" if peak is None else f"{done / peak:.2%}"]
        cells += [f"{self.memory / 1e9:.2f} GB" if self.memory else "", self.quality, self.interval]
        return f"| {' | '.join(cells)} |"


def peak_of(device: str) -> float | None:
    """Return the operations a second of a card by its name; None where they are not known."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)


def groceries() -> Dataset:
    """Return the largest log."""
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {
                "id": "item_id",
                "attributes": dict.fromkeys(
                    ("department", "brand", "product_category", "product_type"), "category"
                ),
            },
        }
    )
    events = pq.read_table(DATA / "events.parquet", columns=["user_id", "item_id", "timestamp"])
    return Dataset.from_frames(events, pq.read_table(DATA / "items.parquet"), project=project)


def generated(users: int = 120, items: int = 40, length: int = 20) -> Dataset:
    """Return users who take items in a circle, each from a random start."""
    starts = np.random.default_rng(0).integers(0, items, users)
    user, step = np.divmod(np.arange(users * length), length)
    events = pa.table(
        {
            "user_id": user,
            "item_id": (starts[user] + step) % items,
            "timestamp": 1.6e9 + 60.0 * np.arange(len(user)),
        }
    )
    project = parse_project({"data": {"columns": {"timestamp": "timestamp"}}})
    return Dataset.from_frames(events, project=project)


class Clock:
    """Measures the epochs of a training by its progress."""

    def __init__(self, report: Progress) -> None:
        self.report, self.started, self.ended = report, 0.0, 0.0

    def __call__(self, step: str, fraction: float) -> None:
        """Take a step of the training."""
        if ": epoch " in step:
            self.ended = time.perf_counter()
            self.started = self.started or self.ended
        self.report(step, fraction)


def trained(split: LeaveOneOut, device: str, settings: dict[str, Any], report: Progress = silent) -> Run:
    """Train on a device, and judge the model on the test."""
    known, target = split.before(TEST), split.followed(TEST)
    clock, on_card = Clock(report), device == "cuda"
    precision = "bfloat16" if on_card else "float32"
    model = Transformer(**settings, device=device, precision=precision, compile=on_card).fit(known, clock)
    shape, config = Architecture(**model.architecture_), model.config
    events = len(known.log)
    sizes = len(known.items), len(model.token_vectors_)
    cost = transformer_cost(shape, sizes, config.negatives_of(sizes[0]) or sizes[0], events, config.batch)
    found = gains(at := ranks(model, known, target, seen=True))
    error = 1.96 * found.std() / np.sqrt(len(found))
    return Run(
        torch.cuda.get_device_name() if on_card else f"CPU, {torch.get_num_threads()} threads",
        precision,
        (clock.ended - clock.started) / len(model.curves_),
        events,
        cost.operations,
        torch.cuda.max_memory_allocated() if on_card else 0,
        pair(at),
        f"{found.mean() - error:.4f}–{found.mean() + error:.4f}",
    )


def section(runs: list[Run], split: LeaveOneOut, settings: dict[str, Any]) -> list[str]:
    """Return the section of the results."""
    log = f"{len(split.dataset.log):,} events, {len(split.dataset.users):,} users, {len(split.dataset.items):,} items"
    about = (
        f"{results.machine('torch', 'numpy')} {log}. Settings: {settings}. All items are ranked for the last event of each user. "
        "Operations are those that the model needs (`deep.cost`), not those that the card executes."
    )
    return [
        "# Training on a GPU (`make benchmark-gpu`)\n",
        f"{about}\n",
        f"| {' | '.join(COLUMNS)} |",
        f"| {' | '.join('---' for _ in COLUMNS)} |",
        *(run.row() for run in runs),
    ]


def main(arguments: list[str] | None = None) -> list[str]:
    """Train on both devices and write the section; return its lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="the CPU and a generated log alone; nothing is written"
    )
    parser.add_argument("--epochs", type=int, help="passes over the log")
    asked = parser.parse_args(arguments)
    if not asked.dry_run and not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU here; --dry-run tries the steps on the CPU")
    settings = {**(DRY if asked.dry_run else SETTINGS), **({"epochs": asked.epochs} if asked.epochs else {})}
    split = LeaveOneOut.of(generated() if asked.dry_run else groceries())
    report: Progress = lambda step, share: print(step, flush=True) if share == 1 else None  # noqa: E731
    runs = [trained(split, one, settings, report) for one in (["cpu"] if asked.dry_run else ["cuda", "cpu"])]
    lines = section(runs, split, settings)
    print("\n".join(lines))
    if not asked.dry_run:
        results.write("gpu", lines)
    return lines


if __name__ == "__main__":
    main()

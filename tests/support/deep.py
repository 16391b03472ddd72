"""Networks and histories that the tests of deep retrievers share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.progress import Progress
from shortlist.retrieve.deep.architecture import GAP_BUCKETS, Architecture
from shortlist.retrieve.deep.inputs import EventInputs
from support.retrievers import frame

TINY: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "history": 12,
    "epochs": 2,
    "min_events": 0,
    "validation": 0.0,
}
"""Settings of a transformer that is trained in a fraction of a second."""
TINY_TOWERS: dict[str, Any] = {
    "width": 8,
    "hidden": 8,
    "history": 12,
    "epochs": 2,
    "min_events": 0,
    "validation": 0.0,
    "negatives": 8,
    "batch": 128,
}
"""Settings of two towers that are trained in a fraction of a second."""
LEARNING_TOWERS: dict[str, Any] = {
    **TINY_TOWERS,
    "epochs": 20,
    "learning_rate": 0.03,
    "dropout": 0.0,
    "temperature": 0.2,
}
"""Settings of two towers that learn what small data says."""


def random_weights(shape: Architecture, seed: int = 0) -> NDArray[np.float32]:
    return (0.3 * np.random.default_rng(seed).normal(size=shape.size)).astype(np.float32)


def random_inputs(
    lengths: list[int], n_items: int, shape: Architecture, seed: int = 0
) -> tuple[EventInputs, NDArray[np.float32]]:
    """Return random events of histories of these lengths, and the vectors of the items."""
    rng, n = np.random.default_rng(seed), sum(lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    inputs = EventInputs(
        indptr,
        rng.integers(0, n_items, n).astype(np.int32),
        rng.integers(0, GAP_BUCKETS, n),
        rng.integers(0, shape.kinds, n),
        rng.normal(size=n).astype(np.float32),
        np.ones(n, np.float32),
    )
    return inputs, rng.normal(size=(n_items, shape.width)).astype(np.float32)


def histories(*of_users: list[int]) -> Histories:
    """Return histories of these items, one event a minute."""
    indptr = np.concatenate([[0], np.cumsum([len(items) for items in of_users])]).astype(np.int64)
    item = np.array([i for items in of_users for i in items], np.int32)
    return Histories(
        indptr,
        item,
        60_000 * np.arange(len(item), dtype=np.int64),
        np.zeros(len(item), np.int16),
        np.full(len(item), np.nan, np.float32),
    )


def cycles(users: int = 60, items: int = 12, length: int = 8) -> Dataset:
    """Return users who take items in a circle, each from a random start: the next item follows from the last one."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, items, users)
    names = [f"i{i:02d}" for i in range(items)]
    pairs = [(f"u{u:02d}", names[(s + t) % items]) for u, s in enumerate(starts) for t in range(length)]
    return frame(pairs, names)


def coloured(users: int = 80) -> Dataset:
    """Return users who alternate between items of two colours: after a red one comes a blue one. Items 30 to 39 have no events."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int]] = []
    for user in range(users):
        first = int(rng.integers(0, 2))
        rows += [(user, int(rng.integers(0, 15)) * 2 + (first + t) % 2) for t in range(8)]
    events = pa.table(
        {
            "user_id": [u for u, _ in rows],
            "item_id": [i for _, i in rows],
            "timestamp": [1.6e9 + 60.0 * at for at in range(len(rows))],
        }
    )
    items = pa.table({"item_id": np.arange(40), "colour": [("red", "blue")[i % 2] for i in range(40)]})
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"colour": "category"}},
        }
    )
    return Dataset.from_frames(events, items, project=project)


def device_events(rows: int, users: int, seconds: float) -> pa.Table:
    """Return events of users who take even items on a phone and odd ones on a television, where it is loud; one event each `seconds`."""
    rng = np.random.default_rng(0)
    device = rng.integers(0, 2, rows)
    return pa.table(
        {
            "user_id": np.arange(rows) % users,
            "item_id": 2 * rng.integers(0, 6, rows) + device,
            "timestamp": 1.6e9 + seconds * np.arange(rows),
            "device": [("phone", "television")[d] for d in device],
            "loudness": 10.0 * device + rng.random(rows),
        }
    )


def damage(folder: Path, array: str, change: Any) -> None:
    """Change an array of a saved model."""
    file = folder / "arrays" / f"{array}.npy"
    np.save(file, change(np.load(file)))


def answers_without_torch(folder: Path, requests: tuple[list[int], ...]) -> list[list[float]]:
    """Return the scores of a saved model by a process of its own, which must not import PyTorch."""
    code = f"""
import sys, json
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from shortlist.retrieve import load_retriever
from support.interactions import make_requests
model = load_retriever(Path({str(folder)!r}))
scores = model.score(make_requests(*{requests!r}))
assert not {{"torch", "onnxruntime", "shortlist.deep.loop"}} & set(sys.modules)
print(json.dumps(scores.astype(float).tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores: list[list[float]] = json.loads(done.stdout)
    return scores


class Interrupted(Exception):  # noqa: N818 - it stands for a signal
    """Training is interrupted."""


def interrupted_in(epoch: str) -> Progress:
    """Return what a training reports to, and which interrupts it in an epoch."""

    def interrupt(step: str, fraction: float) -> None:
        if step.endswith(epoch) and fraction > 0:
            raise Interrupted

    return interrupt

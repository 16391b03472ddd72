"""Small data sets and requests that the tests of retrievers share."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.retrieve import RETRIEVERS, Requests, Retriever
from support.interactions import random_interactions

SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"width": 8, "history": 20, "epochs": 2, "min_events": 0},
    "two_tower": {"width": 8, "hidden": 8, "history": 20, "epochs": 2, "min_events": 0},
}
"""Settings with which a model is trained on small data in a fraction of a second, where its own are for large data."""


def made(name: str, **arguments: Any) -> Retriever:
    """Return a retriever by the name of its model, with settings for small data."""
    return RETRIEVERS[name](**SMALL.get(name, {}), **arguments)


def frame(pairs: list[tuple[str, str]], items: list[str] | None = None) -> Dataset:
    events = pa.table(
        {
            "user_id": [p[0] for p in pairs],
            "item_id": [p[1] for p in pairs],
            "timestamp": [1.6e9 + 60.0 * at for at in range(len(pairs))],
        }
    )
    settings_ = {"data": {"columns": {"timestamp": "timestamp"}}}
    if items is None:
        return Dataset.from_frames(events, project=parse_project(settings_))
    table = pa.table({"item_id": items, "kind": [f"k{len(i)}" for i in items]})
    settings_["items"] = {"id": "item_id", "attributes": {"kind": "category"}}  # type: ignore[dict-item]
    return Dataset.from_frames(events, table, project=parse_project(settings_))


def check_lists(model: Retriever, requests: Requests, n_items: int) -> None:
    for k in (1, 3, n_items + 5):
        found = model.retrieve(requests, k)
        assert found.item.shape[0] == len(requests)
        for row in range(len(requests)):
            there = found.item[row] >= 0
            items, scores = found.item[row][there], found.score[row][there]
            assert len(set(items.tolist())) == len(items)
            assert (items < n_items).all()
            assert np.isfinite(scores).all()
            assert (np.diff(scores) <= 0).all()
            assert np.isneginf(found.score[row][~there]).all()


#        a  b  c  d
TAKEN = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c"), ("w", "c")]


def small_dataset() -> Dataset:
    events = pa.table(
        {
            "user_id": [t[0] for t in TAKEN],
            "item_id": [t[1] for t in TAKEN],
            "timestamp": [1.6e9 + 86_400 * i for i in range(6)],
        }
    )
    items = pa.table(
        {"item_id": ["a", "b", "c", "d"], "text": ["red fox", "red hen", "blue hen", "blue hen"]}
    )
    users = pa.table({"user_id": ["u", "v", "w"], "sex": ["f", "m", "m"]})
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"text": "text"}},
            "users": {"id": "user_id", "attributes": {"sex": "category"}},
        }
    )
    return Dataset.from_frames(events, items, users, project)


@cache
def ordered_models() -> dict[str, Retriever]:
    """Every retriever, fitted on the matrix `random_interactions(7)` whose items are in the order of its columns."""
    rows, columns = random_interactions(7).nonzero()
    dataset = frame([(f"u{u}", f"i{i:02d}") for u, i in zip(rows, columns, strict=True)])
    return {name: made(name).fit(dataset) for name in RETRIEVERS}

"""The exchange with the environment of the other libraries: a log as arrays, and lists as Parquet files. No import of Shortlist."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp


@dataclass(frozen=True)
class Log:
    """Events in the order of time, and what is known about items.

    Attributes
    ----------
    user, item
        int64 (events,): codes.
    time
        float64 (events,): seconds.
    value
        float64 (events,): rating or price; 1 where the log has none.
    wanted
        bool (events,): whether the event is of the kind that lists should find.
    shape
        Number of users and of items.
    attributes
        Attribute → (items, values) 0/1 matrix of categories and lists, or float64 (items,) of numbers.
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    value: np.ndarray
    wanted: np.ndarray
    shape: tuple[int, int]
    attributes: dict[str, Any]

    def between(self, start: float, end: float) -> Log:
        rows = slice(*np.searchsorted(self.time, [start, end]))
        columns = {name: getattr(self, name)[rows] for name in ("user", "item", "time", "value", "wanted")}
        return replace(self, **columns)

    def matrix(self, wanted: bool = False) -> sp.csr_matrix:
        """(users, items), with the number of events."""
        rows = self.wanted if wanted else slice(None)
        ones = np.ones(len(self.user[rows]), np.float32)
        return sp.csr_matrix((ones, (self.user[rows], self.item[rows])), shape=self.shape)


@dataclass(frozen=True)
class Exchange:
    """What a case hands over.

    Attributes
    ----------
    log
        The training events.
    users, items
        The ids by code.
    requests
        int64 (R,): the users that ask.
    options
        k, kinds of lists, start of the test and of the validation (seconds), and settings of the trees.
    """

    folder: Path
    log: Log
    users: np.ndarray
    items: np.ndarray
    requests: np.ndarray
    options: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Exchange:
        options = json.loads((folder / "options.json").read_text())
        events = pq.read_table(folder / "train.parquet").sort_by("time")
        about = pq.read_table(folder / "items.parquet")
        asked = pq.read_table(folder / "requests.parquet").column("user_id").to_numpy(zero_copy_only=False)
        user, item, time, value, wanted = (
            events.column(c).to_numpy(zero_copy_only=False)
            for c in ("user_id", "item_id", "time", "value", "wanted")
        )
        users, items = np.unique(np.concatenate([user, asked])), about.column("item_id").to_numpy()
        items = np.unique(np.concatenate([items, item]))
        place = np.searchsorted(items, about.column("item_id").to_numpy())
        log = Log(
            np.searchsorted(users, user),
            np.searchsorted(items, item),
            time,
            value,
            wanted,
            (len(users), len(items)),
            {
                name: _attribute(about.column(name), place, len(items))
                for name in about.column_names
                if name != "item_id"
            },
        )
        return cls(folder, log, users, items, np.searchsorted(users, asked), options)

    def write(self, name: str, kind: str, lists: np.ndarray, facts: dict[str, Any]) -> None:
        """Write lists int64 (requests, k), −1 for none."""
        there = lists >= 0
        table = pa.table(
            {
                "user_id": np.repeat(self.users[self.requests], there.sum(1)),
                "item_id": self.items[lists[there]],
                "rank": (np.cumsum(there, axis=1))[there],
            }
        )
        pq.write_table(table, self.folder / f"{name}.{kind}.parquet")
        (self.folder / f"{name}.json").write_text(json.dumps(facts))


def _attribute(column: pa.ChunkedArray, place: np.ndarray, n: int) -> Any:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = np.full(n, np.nan)
        values[place] = column.cast("float64").to_numpy()
        return values
    lists = [
        v if isinstance(v, list) else [] if v is None else [v] for v in column.combine_chunks().to_pylist()
    ]
    owner = np.repeat(place, [len(v) for v in lists])
    values, code = np.unique(np.array([x for v in lists for x in v], dtype=str), return_inverse=True)
    return sp.csr_matrix((np.ones(len(code), np.float32), (owner, code)), shape=(n, max(len(values), 1)))


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The best k items of each row, int64; −1 where the score is −inf."""
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isneginf(values), -1, top)


def ndcg(lists: np.ndarray, truth: list[np.ndarray]) -> float:
    """Mean NDCG of lists; the items of a truth are distinct."""
    discount = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    ideal = np.concatenate([[0], np.cumsum(discount)])
    found = [
        (np.isin(row, wanted) * discount).sum() / ideal[min(len(wanted), len(row))]
        for row, wanted in zip(lists, truth, strict=True)
    ]
    return float(np.mean(found))

"""What every world has: tables like a company's, a project file for them, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.config.base import IMPRESSION
from shortlist.config.project import parse_project
from shortlist.config.toml import write_toml
from shortlist.data.dataset import Dataset
from shortlist.simulate.audience import Audience, Followed

DAY = 86_400
START = 1_767_225_600
"""1 January 2026, seconds."""
Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]
Columns = dict[str, np.ndarray]
TABLES: dict[str, Any] = {
    "events": "events.parquet",
    "items": "items.parquet",
    "users": "users.parquet",
    "columns": {
        "user": "user_id",
        "item": "item_id",
        "timestamp": "timestamp",
        "kind": "kind",
        "value": "value",
        "slate": "slate",
        "position": "position",
        "propensity": "propensity",
    },
}
"""The `[data]` section of a world's project."""


def rate(name: str, event: str, per: str, by: str, window: str = "30d") -> dict[str, Any]:
    """A feature of a world's project: how often one kind of event follows another."""
    return {"name": name, "kind": "rate", "by": by, "event": event, "per": per, "window": window}


@dataclass(frozen=True)
class World:
    """`events`, `items`, `users` as a company would log them; `settings` a project for them; `truths[objective](users,
    items)`: what a person is expected to do with an item seen in the top slot, by row numbers of the tables; nobody learns
    from it.
    """

    name: str
    events: pa.Table
    items: pa.Table
    users: pa.Table
    settings: dict[str, Any]
    truths: dict[str, Truth]
    audience: Audience | None = None
    """The people themselves, who can be shown anything (`audience.py`)."""
    pending: pa.Table | None = None
    """Events that follow what the log shows after its end: returns, apps that are still used."""

    @property
    def truth(self) -> Truth:
        """The main one: the chance that an item is taken."""
        return next(iter(self.truths.values()))

    def dataset(self) -> Dataset:
        return Dataset.from_frames(
            self.events, self.items, self.users, parse_project(self.settings, f"the {self.name} world")
        )

    def write(self, folder: Path) -> Path:
        """The tables as Parquet beside their `shortlist.toml`, whose path is returned."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("events", "items", "users"):
            pq.write_table(getattr(self, name), folder / f"{name}.parquet", compression="zstd")
        path = folder / "shortlist.toml"
        path.write_text(
            write_toml(self.settings, f"The simulated {self.name} world. Nobody here is real."),
            encoding="utf-8",
        )
        return path


def visits(rng: np.random.Generator, users: int, sessions: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Who comes on which day, int (sessions,) each, by day: a few people come very often (Pareto, exponent 1.6)."""
    activity = rng.pareto(1.6, users) + 0.3
    who = rng.choice(users, sessions, p=activity / activity.sum())
    return who, np.sort(rng.integers(0, days, sessions))


def taste_groups(taste: np.ndarray, lean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The older engine's idea of people: their favourite genre, and whether they like much or little else."""
    n = 2 * taste.shape[1]
    group = taste.argmax(1) * 2 + (taste.max(1) > np.median(taste.max(1)))
    size = np.maximum(np.bincount(group, minlength=n), 1)[:, None]
    centre, inclination = np.zeros((n, taste.shape[1])), np.zeros((n, lean.shape[1]))
    np.add.at(centre, group, taste)
    np.add.at(inclination, group, lean)
    return group, centre / size, inclination / size


def plackett_luce(
    rng: np.random.Generator, weight: np.ndarray, group: np.ndarray, slots: int
) -> tuple[np.ndarray, ...]:
    """Slates by Plackett–Luce: draw with replacement and keep first appearances, which is drawing without.

    weight (groups, items), rows sum to 1. Gives session, item, position and propensity (the chance of this item in this
    slot, given the slots above), one row an impression. A slate may be shorter where chance repeated itself.
    """
    n, draws = len(group), slots * 3
    drawn = np.empty((n, draws), np.int64)
    for g in np.unique(group):
        rows = np.flatnonzero(group == g)
        drawn[rows] = np.searchsorted(np.cumsum(weight[g]), rng.random((len(rows), draws)) * (1 - 1e-12))
    drawn = np.minimum(drawn, weight.shape[1] - 1)
    first = ~(np.tril(drawn[:, :, None] == drawn[:, None, :], -1).any(2))
    place = np.cumsum(first, 1) - 1
    session, column = np.nonzero(first & (place < slots))
    item = drawn[session, column]
    position = place[session, column]
    chance = weight[group[session], item]
    above = np.cumsum(chance) - chance
    starts = np.flatnonzero(position == 0)
    above -= np.repeat(above[starts], np.diff(np.append(starts, len(item))))
    return session, item, position, np.minimum(chance / np.maximum(1 - above, 1e-9), 1.0)


def logged(shown: Columns, followed: list[Followed]) -> Columns:
    """Impressions and what followed them as rows of a log. shown: one row an impression, `timestamp` the seconds at which its slate
    was seen; followed: events at rows of `shown`.
    """
    n = len(shown["item_id"])
    none = np.full(n, np.nan)
    parts: list[Followed] = [(IMPRESSION, np.arange(n), np.zeros(n), none), *followed]
    rows = np.concatenate([at for _, at, _, _ in parts])
    impression = np.arange(len(rows)) < n
    columns = {name: column[rows] for name, column in shown.items()}
    columns["timestamp"] = np.floor(
        columns["timestamp"] + np.concatenate([delay for *_, delay, _ in parts])
    ).astype(np.int64)
    columns["kind"] = np.repeat([kind for kind, *_ in parts], [len(at) for _, at, _, _ in parts])
    columns["value"] = np.concatenate([value for *_, value in parts])
    columns["slate"] = columns["slate"].astype(np.int64)
    columns["position"] = np.where(impression, columns["position"], -1).astype(np.int64)
    columns["propensity"] = np.where(impression, columns["propensity"], np.nan)
    return columns


def in_order(parts: list[Columns]) -> Columns:
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["timestamp"], kind="stable")
    return {name: column[order] for name, column in whole.items()}


def until(events: Columns, days: int) -> tuple[Columns, Columns]:
    """What has happened when so many days are over, and what is still to come of it."""
    past = events["timestamp"] < START + days * DAY
    return {n: c[past] for n, c in events.items()}, {n: c[~past] for n, c in events.items()}


def events_table(events: Columns, people: np.ndarray, ids: np.ndarray) -> pa.Table:
    """Columns of row numbers as a log with ids."""
    named = {**events, "user_id": people[events["user_id"]], "item_id": ids[events["item_id"]]}
    return pa.table({name: pa.array(column, from_pandas=True) for name, column in named.items()})

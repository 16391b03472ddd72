"""A simulated world: the tables of a company, a project for them, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.config.project import Project, parse_project
from shortlist.config.toml import write_toml
from shortlist.data.dataset import Dataset
from shortlist.simulate.arrays import FloatArray, IntArray
from shortlist.simulate.population import Population

TrueOutcome = Callable[[IntArray, IntArray], FloatArray]
"""Row numbers of users and of items → the expected outcome of each pair."""


@dataclass(frozen=True, eq=False)
class World:
    """Simulated data whose truth is known. Everything that is made from it is labelled as simulated.

    Attributes
    ----------
    name : str
        The name in the registry, for example ``"movies"``.
    events, items, users : pyarrow.Table
        The data as a company would log it.
    settings : dict
        A project for this data, as in `shortlist.toml`.
    truths : dict of str to callable
        For each objective the expected outcome of showing an item to a user in the top slot, by row numbers of the
        tables. Recommenders never see it. The first one is the main objective.
    population : Population
        The users, who respond to any slate.
    pending : pyarrow.Table, optional
        Events that follow the log's impressions after its end, such as returns and retention.
    """

    name: str
    events: pa.Table
    items: pa.Table
    users: pa.Table
    settings: dict[str, Any]
    truths: dict[str, TrueOutcome]
    population: Population
    pending: pa.Table | None = None

    def __repr__(self) -> str:
        return (
            f"World({self.name!r}, simulated, {self.users.num_rows:,} users, {self.items.num_rows:,} items, "
            f"{self.events.num_rows:,} events)"
        )

    @property
    def truth(self) -> TrueOutcome:
        """The expected outcome in the main objective: the probability that an item is chosen."""
        return next(iter(self.truths.values()))

    def project(self) -> Project:
        """Return the settings of the world's project."""
        return parse_project(self.settings, f"the {self.name} world")

    def dataset(self) -> Dataset:
        """Return the tables as a data set of the world's project."""
        return Dataset.from_frames(self.events, self.items, self.users, self.project())

    def write(self, folder: Path) -> Path:
        """Write the tables as Parquet files and a `shortlist.toml` beside them; return the path of the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("events", "items", "users"):
            pq.write_table(getattr(self, name), folder / f"{name}.parquet", compression="zstd")
        path = folder / "shortlist.toml"
        title = f"The simulated {self.name} world. All users and items are simulated."
        path.write_text(write_toml(self.settings, title), encoding="utf-8")
        return path

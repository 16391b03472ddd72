"""What every world has: tables like a company's, a project file for them, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.data.dataset import Dataset
from shortlist.project import parse_project
from shortlist.toml import write_toml


@dataclass(frozen=True)
class World:
    """`events`, `items`, `users` as a company would log them; `settings` a project for them; `truth(users, items)` the
    chance that a person plays an item seen in the top slot, by row numbers of the tables; nobody learns from it."""

    name: str
    events: pa.Table
    items: pa.Table
    users: pa.Table
    settings: dict[str, Any]
    truth: Callable[[np.ndarray, np.ndarray], np.ndarray]

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

"""Projects of public data sets."""

from __future__ import annotations

from pathlib import Path

from shortlist.config.data import DataSettings
from shortlist.config.project import Project
from shortlist.data.guess.project import guess_project
from shortlist.data.tables import read_tables


def movielens_project(folder: Path) -> Project:
    """Return the guessed project of a folder with `events.parquet` and `items.parquet`."""
    sources = {"events": str(folder / "events.parquet"), "items": str(folder / "items.parquet")}
    tables = read_tables(DataSettings(**sources))
    project = guess_project(tables.events, tables.items, tables.users)
    return project.model_copy(update={"data": project.data.model_copy(update=sources)})

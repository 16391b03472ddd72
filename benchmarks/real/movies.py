"""Films: MovieTweetings and MovieLens-100K, ratings in the order of time, and films that nobody has rated yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from case import Case, Tables

SETS = {"movietweetings": 8.0, "movielens-100k": 4.0}
"""Data set → the rating from which a film counts as liked."""
PEERS = ("popular of 7 days", "implicit ALS", "implicit neighbours", "RecTools EASE", "LightFM", "XGBoost", "LightGBM")
RECIPE: dict[str, dict[str, Any]] = {"movietweetings": {}, "movielens-100k": {}}
"""Changes of the project that `shortlist init` writes, chosen on the validation."""


def cases(data: Path) -> list[Case]:
    found = []
    for name, least in SETS.items():
        tables = Tables.read(data / name)
        if "value" not in tables.events.column_names:
            names = {"rating": "value"}
            tables = Tables(
                tables.events.rename_columns([names.get(c, c) for c in tables.events.column_names]),
                tables.items,
                tables.users,
            )
        moments = [tables.quantile(share) for share in (0.64, 0.8, 1.0)]
        found.append(Case(name, tables, moments[0], moments[1], moments[2] + 1, at_least=least))
    return found

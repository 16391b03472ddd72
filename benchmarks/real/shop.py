"""Groceries: completejourney, a year of baskets; what a household buys in the next two weeks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from case import Case, Tables

PERIOD = 14 * 86_400
"""Seconds of the validation and of the test: the last two weeks, and the two before."""
PEERS = (
    "popular of 7 days",
    "bought before",
    "implicit ALS",
    "bought before + ALS",
    "implicit neighbours",
    "RecTools EASE",
    "LightFM",
    "XGBoost",
    "LightGBM",
)
RECIPE: dict[str, Any] = {}
"""Changes of the project that `shortlist init` writes, chosen on the validation."""


def cases(data: Path) -> list[Case]:
    tables = Tables.read(data / "completejourney")
    end = tables.quantile(1.0) + 1
    return [
        Case(
            "completejourney",
            tables,
            end - 2 * PERIOD,
            end - PERIOD,
            end,
            repeats=True,
            people=3_000,
            windows=3,
            kinds={"new": False},
        )
    ]

"""Engines run the SQL of `features/history.py`: DuckDB in this process, Spark on a cluster. Same text, same rows."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class Engine(Protocol):
    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """The answer of a query over named tables."""


def engine_of(name: str) -> Engine:
    """`duckdb` or `spark` (needs the extra of that name)."""
    if name == "spark":
        from shortlist.engines.spark import SparkEngine

        return SparkEngine()
    from shortlist.engines.duckdb import DuckEngine

    return DuckEngine()

"""Engines run the SQL of the features: DuckDB in this process, Spark on a cluster. Same text, same rows."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class Engine(Protocol):
    """Runs SQL over Arrow tables."""

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the result of a query over named tables."""


def make_engine(name: str) -> Engine:
    """Return the engine `duckdb`, or `spark` (needs the extra of that name)."""
    if name == "spark":
        from shortlist.engines.spark import SparkEngine

        return SparkEngine()
    from shortlist.engines.duckdb import DuckDBEngine

    return DuckDBEngine()

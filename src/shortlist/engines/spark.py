"""Spark: runs the SQL of the features on a cluster. Needs Java 17 and `pip install 'shortlist[spark]'`."""

from __future__ import annotations

import os
import sys
from typing import Any

import pyarrow as pa

from shortlist.errors import import_extra


class SparkEngine:
    """Runs queries over Arrow tables with a Spark session.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession` (default: the active session, the one of `SPARK_REMOTE`, or a new one with the master
        `SPARK_MASTER`, by default two local threads).
    """

    def __init__(self, session: Any = None) -> None:
        self.session = _make_session() if session is None else session

    def __repr__(self) -> str:
        return "SparkEngine()"

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the result of a query over named tables. Its rows have no defined order."""
        for name, table in tables.items():
            self.session.createDataFrame(table).createOrReplaceTempView(name)
        return self.session.sql(sql).toArrow()


def _make_session() -> Any:
    sql = import_extra("pyspark.sql", "spark")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder
    if not sql.SparkSession.getActiveSession() and "SPARK_REMOTE" not in os.environ:
        builder = builder.master(os.environ.get("SPARK_MASTER", "local[2]"))
    return (
        builder.appName("shortlist")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.ansi.enabled", "true")
        .getOrCreate()
    )

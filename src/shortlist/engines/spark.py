"""Spark: runs the SQL of the features on a cluster. Needs Java 17 and `pip install 'shortlist[spark]'`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from shortlist.engines.spark_session import spark_session


class SparkEngine:
    """Runs queries over Arrow tables with a Spark session.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession` (default: the active session, else that of `spark_session`).
    """

    def __init__(self, session: Any = None) -> None:
        self.session = spark_session() if session is None else session

    def __repr__(self) -> str:
        return "SparkEngine()"

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the result of a query over named tables. Its rows have no defined order."""
        for name, table in tables.items():
            self.session.createDataFrame(table).createOrReplaceTempView(name)
        return self.session.sql(sql).toArrow()

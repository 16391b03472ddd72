"""Spark: the same SQL text on a cluster. Needs Java 17 and `pip install 'shortlist[spark]'`."""

from __future__ import annotations

import os
import sys
from typing import Any

import pyarrow as pa

from shortlist.errors import need


class SparkEngine:
    """Queries over Arrow tables with the Spark session there is, or a local one with two threads."""

    def __init__(self, session: Any = None) -> None:
        if session is None:
            sql: Any = need("pyspark.sql", "spark")
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            builder = sql.SparkSession.builder
            if not sql.SparkSession.getActiveSession() and "SPARK_REMOTE" not in os.environ:
                builder = builder.master(os.environ.get("SPARK_MASTER", "local[2]"))
            session = (
                builder.appName("shortlist")
                .config("spark.sql.execution.arrow.pyspark.enabled", "true")
                .config("spark.sql.shuffle.partitions", "4")
                .config("spark.ui.enabled", "false")
                .config("spark.sql.ansi.enabled", "true")
                .getOrCreate()
            )
        self.session = session

    def run(self, sql: str, tables: dict[str, pa.Table]) -> pa.Table:
        for name, table in tables.items():
            self.session.createDataFrame(table).createOrReplaceTempView(name)
        return self.session.sql(sql).toArrow()

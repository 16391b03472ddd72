"""Spark: runs the SQL of the features on a cluster. Needs Java 17 and `pip install 'shortlist[spark]'`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
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
        """Return the result of a query over named tables. Its rows have no defined order.

        Each call has views of its own names, which end with it: several threads and trainings may share a session.
        """
        views = {name: f"{name}_{uuid.uuid4().hex}" for name in tables}
        text = with_views(sql, views)
        try:
            for name, table in tables.items():
                self.session.createDataFrame(table).createTempView(views[name])
            return self.session.sql(text).toArrow()
        finally:
            for view in views.values():
                self.session.catalog.dropTempView(view)


def with_views(sql: str, views: Mapping[str, str]) -> str:
    """Return a query that reads other views: table → the name of its view."""
    names = "|".join(map(re.escape, views))
    return re.sub(rf"\b(FROM|JOIN) ({names})\b", lambda found: f"{found[1]} {views[found[2]]}", sql)

"""Tables of databases, read by the executors over JDBC; those of PostgreSQL in ranges of pages, so that many tasks read one table."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shortlist.errors import DataError

PAGES = 16_384
"""Pages of 8 kB that a task reads: 128 MB, as of a file."""
SIZE = "SELECT pg_relation_size('{table}') / current_setting('block_size')::bigint AS pages"


def jdbc_frame(session: Any, source: str) -> Any:
    """Return a table of a database as a frame. User and password come from the environment, as for the other readers.

    Parameters
    ----------
    session
        The Spark session.
    source
        An address such as `postgresql://host/db?table=schema.events`.

    Raises
    ------
    DataError
        The address names no table.
    """
    parts = urlsplit(source)
    table = dict(parse_qsl(parts.query)).get("table")
    if table is None:
        raise DataError(
            f"{source}: name the table, {parts.scheme}://…?table=schema.events", field="data.events"
        )
    scheme = "postgresql" if parts.scheme == "postgres" else parts.scheme
    url = f"jdbc:{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    given = {"user": parts.username or os.environ.get("PGUSER"), "password": os.environ.get("PGPASSWORD")}
    login = {name: value for name, value in given.items() if value}
    if scheme == "postgresql":
        size = session.read.format("jdbc").options(
            **login, url=url, query=SIZE.format(table=table.replace("'", "''"))
        )
        ranges = page_ranges(int(size.load().toArrow().column(0)[0].as_py() or 0))
        if ranges:
            return session.read.jdbc(url, table, predicates=ranges, properties=login)
    return session.read.format("jdbc").options(**login, url=url, dbtable=table).load()


def page_ranges(pages: int, a_task: int = PAGES) -> list[str]:
    """Return conditions that divide a table of PostgreSQL by the place of its rows; none where one task reads it, as it does a view.

    The last one has no end: the table may have grown meanwhile.
    """
    starts = range(0, pages, a_task)
    if len(starts) < 2:
        return []
    ends = [f" AND ctid < '({start},0)'::tid" for start in starts[1:]] + [""]
    return [f"ctid >= '({start},0)'::tid{end}" for start, end in zip(starts, ends, strict=True)]

"""Offline: what was known just before each request, by SQL.

For every (key, moment) that is asked for, the log is read *strictly before* the moment. All counts of one aggregate
come from one window query: events and questions are laid on one line per key, in order of time, and a running sum is
read off at each question: once at its moment, once at the start of its window. The SQL is standard text; DuckDB runs it
here and a cluster could run it as it is. Cost: one sort of events + questions per aggregate.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.engines.duckdb import connect
from shortlist.features.keys import Keys
from shortlist.features.spec import THOUSANDTHS, Aggregate

COUNTS_SQL = """
WITH marks AS (
    SELECT key, t, 1 AS is_event, 1 AS n, v AS total, t AS last_t, 0 AS question, 0 AS side FROM events
    UNION ALL
    SELECT key, t, 0, 0, 0, NULL, question, 1 FROM questions
    UNION ALL
    SELECT key, since, 0, 0, 0, NULL, question, -1 FROM questions WHERE since > {oldest}
), running AS (
    SELECT question, side, is_event,
        SUM(n) OVER line AS n,
        SUM(total) OVER line AS total,
        MAX(last_t) OVER line AS last_t
    FROM marks
    WINDOW line AS (PARTITION BY key ORDER BY t, is_event ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT question,
    CAST(SUM(side * n) AS BIGINT) AS n,
    CAST(SUM(side * total) AS BIGINT) AS total,
    MAX(CASE WHEN side = 1 THEN last_t END) AS last_t
FROM running WHERE is_event = 0 GROUP BY question
"""

AFFINITY_SQL = """
WITH latest AS (
    SELECT request, item FROM (
        SELECT r.request, e.item, ROW_NUMBER() OVER (PARTITION BY r.request ORDER BY e.t DESC, e.seq DESC) AS back
        FROM requests r JOIN acts e ON e.person = r.person AND e.t < r.t
    ) AS ordered WHERE back <= {last}
), profile AS (
    SELECT l.request, v.value, COUNT(*) AS hits FROM latest l JOIN item_values v ON v.item = l.item GROUP BY l.request, v.value
), lengths AS (
    SELECT request, COUNT(*) AS n FROM latest GROUP BY request
)
SELECT r.row_number AS row_number, CAST(COALESCE(SUM(p.hits), 0) AS BIGINT) AS hits, MAX(l.n) AS n
FROM candidate_rows r
JOIN lengths l ON l.request = r.request
LEFT JOIN item_values v ON v.item = r.item
LEFT JOIN profile p ON p.request = r.request AND p.value = v.value
GROUP BY r.row_number
"""
"""Standard SQL: the person's latest events, their values, and how often each candidate's values occur among them."""


class OfflineCounts:
    """Answers "how many, how much, when last" as of moments of the past. Made for one data set."""

    def __init__(self, dataset: Dataset, keys: Keys) -> None:
        self.dataset = dataset
        self.keys = keys

    def lookup(
        self, aggregate: Aggregate, keys: np.ndarray, moments: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, sum in thousandths, last ms), int64, for each (key, moment); arguments and answers (P,)."""
        if not len(keys):
            return (np.zeros(0, np.int64),) * 3
        pairs = np.stack([keys.astype(np.int64), moments.astype(np.int64)])
        unique, inverse = np.unique(pairs, axis=1, return_inverse=True)
        log = self.dataset.log
        chosen = np.flatnonzero(log.is_kind([aggregate.event], aggregate.at_least))
        rows, event_keys = self.keys.of(aggregate.by, log.user[chosen], log.item[chosen])
        wanted = np.isin(event_keys, unique[0])
        rows, event_keys = chosen[rows[wanted]], event_keys[wanted]
        oldest = int(np.iinfo(np.int64).min // 4)
        with connect() as connection:
            connection.register(
                "events",
                pa.table({"key": event_keys, "t": log.time[rows], "v": thousandths(log.value[rows])}),
            )
            connection.register(
                "questions",
                pa.table(
                    {
                        "key": unique[0],
                        "t": unique[1],
                        "since": aggregate.start(unique[1]),
                        "question": np.arange(unique.shape[1]),
                    }
                ),
            )
            answer = connection.sql(COUNTS_SQL.format(oldest=oldest)).to_arrow_table()
        question = answer.column("question").to_numpy()
        n, total, last = (np.zeros(unique.shape[1], np.int64) for _ in range(3))
        n[question] = answer.column("n").to_numpy()
        total[question] = answer.column("total").to_numpy()
        last[question] = answer.column("last_t").fill_null(0).to_numpy()
        inverse = inverse.reshape(-1)
        return n[inverse], total[inverse], last[inverse]

    def affinity(
        self,
        attribute: Attribute,
        last: int,
        users: np.ndarray,
        moments: np.ndarray,
        request: np.ndarray,
        item: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(hits, history length), int64 (rows,), for candidate rows of requests by users at moments."""
        log = self.dataset.log
        acted = np.flatnonzero(log.acted)
        indptr, values = attribute.ragged()
        known = users >= 0
        with connect() as connection:
            connection.register(
                "acts",
                pa.table(
                    {"person": log.user[acted], "item": log.item[acted], "t": log.time[acted], "seq": acted}
                ),
            )
            connection.register(
                "requests",
                pa.table({"request": np.flatnonzero(known), "person": users[known], "t": moments[known]}),
            )
            connection.register(
                "item_values",
                pa.table(
                    {
                        "item": np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr)),
                        "value": values,
                    }
                ),
            )
            connection.register(
                "candidate_rows",
                pa.table({"row_number": np.arange(len(item)), "request": request, "item": item}),
            )
            answer = connection.sql(AFFINITY_SQL.format(last=last)).to_arrow_table()
        hits, n = np.zeros(len(item), np.int64), np.zeros(len(item), np.int64)
        rows = answer.column("row_number").to_numpy()
        hits[rows], n[rows] = answer.column("hits").to_numpy(), answer.column("n").to_numpy()
        return hits, n


def thousandths(values: np.ndarray) -> np.ndarray:
    """Values as whole thousandths, int64; nothing where there is no value."""
    return np.round(np.nan_to_num(values.astype(np.float64)) * THOUSANDTHS).astype(np.int64)

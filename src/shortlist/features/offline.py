"""Offline: what was known just before each request, by SQL.

The log is read *strictly before* each moment: an event counts from the instant after it became known, which is its time,
or its arrival where the log has such a column.

All counts of one stream of events (a kind, by a key) come from one window query: events and marks are laid on one line
per key, in order of time, and running sums are read off at each mark. A window's count is the sum at its moment less the
sum at its start; starts fall on steps, so that the questions of a step share their mark. A count of different things is
the same query over *lives*: a pair (person, item) begins to count when it is first seen and ends when its last event
leaves the window. Least and greatest values cannot be subtracted, so they are kept by step, and a window reads 24 of them.

The SQL is standard text. DuckDB runs it here; a test runs the same text on Spark and finds the same rows.
Cost: one sort of events + marks a stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.engines import Engine, make_engine
from shortlist.features.formulas import THOUSANDTHS
from shortlist.features.keys import Asked, Keys
from shortlist.features.similarity import weighted_values
from shortlist.features.spec import STEPS, Aggregate

RUNNING_SQL = """
SELECT mark, CAST(n AS BIGINT) AS n, CAST(total AS BIGINT) AS total, place FROM (
    SELECT mark, SUM(n) OVER line AS n, SUM(total) OVER line AS total, MAX(place) OVER line AS place
    FROM (
        SELECT key, 2 * t + 1 AS t, n, v AS total, place, CAST(NULL AS BIGINT) AS mark FROM events
        UNION ALL
        SELECT key, 2 * t AS t, CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(NULL AS BIGINT), mark FROM marks
    ) AS line_up
    WINDOW line AS (PARTITION BY key ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
) AS running WHERE mark IS NOT NULL
"""
"""Events before each mark: how many, how much, and the latest one's place in the log (by time, then value)."""

LIVES_SQL = """
SELECT key, t, n, CAST(0 AS BIGINT) AS v, CAST(NULL AS BIGINT) AS place FROM (
    SELECT key, known AS t, CAST(1 AS BIGINT) AS n FROM lives WHERE ends > known
    UNION ALL
    SELECT key, LEAST(COALESCE(next_known, ends - 1), ends - 1) AS t, CAST(-1 AS BIGINT) AS n FROM lives WHERE ends > known
) AS steps
"""
LIVES_WITH = """
WITH lives AS (
    SELECT key, known, MAX(ends) OVER (PARTITION BY key, other ORDER BY known, ends
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ends,
        LEAD(known) OVER (PARTITION BY key, other ORDER BY known, ends) AS next_known
    FROM pairs
)
"""
"""Each pair (key, other) counts from an event until the next one, or until the window has left all of its events."""

EXTREMES_SQL = """
WITH steps AS (
    SELECT key, step, known_step, MIN(v) AS low, MAX(v) AS high FROM events GROUP BY key, step, known_step
), asked AS (
    SELECT DISTINCT m.key, m.step, o.back FROM marks m CROSS JOIN offsets o
), past AS (
    SELECT a.key, a.step, MIN(s.low) AS low, MAX(s.high) AS high
    FROM asked a JOIN steps s ON s.key = a.key AND s.step = a.step - a.back AND s.known_step < a.step
    GROUP BY a.key, a.step
), running AS (
    SELECT mark, MIN(v) OVER line AS low, MAX(v) OVER line AS high
    FROM (
        SELECT key, known_step AS step, 2 * known + 1 AS t, v, CAST(NULL AS BIGINT) AS mark
        FROM events WHERE step > known_step - {steps}
        UNION ALL
        SELECT key, step, 2 * t AS t, CAST(NULL AS BIGINT), mark FROM marks
    ) AS line_up
    WINDOW line AS (PARTITION BY key, step ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT m.mark, CAST(LEAST(COALESCE(p.low, r.low), COALESCE(r.low, p.low)) AS BIGINT) AS low,
    CAST(GREATEST(COALESCE(p.high, r.high), COALESCE(r.high, p.high)) AS BIGINT) AS high
FROM marks m
LEFT JOIN past p ON p.key = m.key AND p.step = m.step
LEFT JOIN running r ON r.mark = m.mark
"""
"""The least and greatest value: of the window's whole steps, and of what the current step has brought so far."""

LATEST_SQL = """
WITH numbered AS (
    SELECT person, item, ROW_NUMBER() OVER (PARTITION BY person ORDER BY t, seq) AS number FROM acts
), latest AS (
    SELECT w.request, a.item FROM wanted w JOIN numbered a ON a.person = w.person AND a.number = w.number
)
"""
"""A person's latest events, by number: how many there were before is known, so `wanted` lists the last of them."""

LATEST_OF_LATE_SQL = """
WITH latest AS (
    SELECT request, item FROM (
        SELECT r.request, e.item, ROW_NUMBER() OVER (PARTITION BY r.request ORDER BY e.t DESC, e.seq DESC) AS back
        FROM requests r JOIN acts e ON e.person = r.person AND e.known < r.t
    ) AS ordered WHERE back <= {last}
)
"""
"""The same where events arrive out of order: all that were known are looked at."""

LIKENESS_SQL = """
, profile AS (
    SELECT l.request, v.value, SUM(v.weight) AS weight
    FROM latest l JOIN item_values v ON v.item = l.item GROUP BY l.request, v.value
), norms AS (
    SELECT request, SUM(weight * weight) AS square FROM profile GROUP BY request
), lengths AS (
    SELECT request, COUNT(*) AS n FROM latest GROUP BY request
)
SELECT c.row_number AS row_number, CAST(COALESCE(SUM(p.weight * v.weight), 0) AS BIGINT) AS dot,
    MAX(l.n) AS n, CAST(COALESCE(MAX(s.square), 0) AS BIGINT) AS square
FROM candidate_rows c
JOIN lengths l ON l.request = c.request
LEFT JOIN norms s ON s.request = c.request
LEFT JOIN item_values v ON v.item = c.item
LEFT JOIN profile p ON p.request = c.request AND p.value = v.value
GROUP BY c.row_number
"""
"""The person's latest events, what they weigh in each value, and how much of that each candidate shares."""

NEVER = np.iinfo(np.int64).min // 4


@dataclass(frozen=True)
class PastCounts:
    """`Counts` as arrays."""

    n: np.ndarray
    total: np.ndarray
    last: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Running:
    """Unique marks (key, t), sorted, and what had happened before each: n, total, and the place of the latest."""

    n: np.ndarray
    total: np.ndarray
    place: np.ndarray


class OfflineCounts:
    """Answers "how many, how much, when last" as of moments of the past. Made for one data set."""

    def __init__(self, dataset: Dataset, keys: Keys, engine: Engine | None = None) -> None:
        self.dataset = dataset
        self.keys = keys
        self.engine = engine or make_engine(dataset.project.data.engine)
        log = dataset.log
        # the place of an event by time, then value: ties in time go to the greatest value, in any order of arrival
        self._order = np.lexsort([thousandths(log.value), log.time])
        self._place = np.empty(len(log), np.int64)
        self._place[self._order] = np.arange(len(log))
        self._late = bool((log.arrived > log.time).any())

    def lookup(
        self, aggregates: list[Aggregate], keys: np.ndarray, moments: np.ndarray
    ) -> dict[Aggregate, PastCounts]:
        """For aggregates of one stream (alike but for their windows): what was known of each (key, moment); (P,) each."""
        first = aggregates[0]
        if first.distinct is not None or self._late:
            return {a: self._lookup([a], keys, moments)[a] for a in aggregates}
        return self._lookup(aggregates, keys, moments)

    def _lookup(
        self, aggregates: list[Aggregate], keys: np.ndarray, moments: np.ndarray
    ) -> dict[Aggregate, PastCounts]:
        log, first = self.dataset.log, aggregates[0]
        ends = np.concatenate([moments, *(a.start(moments) for a in aggregates if a.window_ms is not None)])
        marks, inverse = _unique(np.tile(keys, len(ends) // max(len(keys), 1)), ends)
        rows, event_keys = self._events(first, np.unique(keys))
        answers: dict[Aggregate, PastCounts] = {}
        if first.distinct is not None:
            at = self._distinct(first, rows, event_keys, marks)
        else:
            if self._late and first.window_ms is not None:  # what comes after its window never counts in it
                inside = first.end(log.time[rows]) > log.arrived[rows]
                rows, event_keys = rows[inside], event_keys[inside]
            at = self._running(
                event_keys, log.arrived[rows], thousandths(log.value[rows]), self._place[rows], marks
            )
        start = at
        if self._late and first.window_ms is not None and first.distinct is None:
            start = self._running(
                event_keys, log.time[rows], thousandths(log.value[rows]), self._place[rows], marks
            )
        p, offset = len(keys), len(keys)
        now = inverse[:p]
        for aggregate in aggregates:
            n, total, place = at.n[now], at.total[now], at.place[now]
            if aggregate.window_ms is not None and first.distinct is None:
                then = inverse[offset : offset + p]
                offset += p
                n, total = n - start.n[then], total - start.total[then]
            latest = self._order[np.maximum(place, 0)] if len(log) else np.zeros(0, np.int64)
            seen = place >= 0
            low = high = np.zeros(p, np.int64)
            if aggregate.extremes:
                low, high = self._extremes(aggregate, rows, event_keys, keys, moments)
            answers[aggregate] = PastCounts(
                n,
                total,
                np.where(seen, log.time[latest], NEVER),
                np.where(seen, thousandths(log.value[latest]), 0),
                low,
                high,
            )
        return answers

    def _events(self, aggregate: Aggregate, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the log that are counted, with the keys they count for, as far as anybody asks for those."""
        log = self.dataset.log
        chosen = np.flatnonzero(log.is_kind([aggregate.event], aggregate.at_least))
        rows, event_keys = self.keys.of(
            aggregate.by, Asked.events(log, chosen), np.arange(len(chosen)), log.item[chosen]
        )
        if len(wanted) < self.keys.size(aggregate.by):
            kept = np.isin(event_keys, wanted)
            rows, event_keys = rows[kept], event_keys[kept]
        return chosen[rows], event_keys

    def _running(
        self, key: np.ndarray, t: np.ndarray, v: np.ndarray, place: np.ndarray, marks: np.ndarray
    ) -> Running:
        n = np.ones(len(key), np.int64)
        return self._run(pa.table({"key": key, "t": t, "n": n, "v": v, "place": place}), marks, RUNNING_SQL)

    def _run(self, events: pa.Table, marks: np.ndarray, sql: str) -> Running:
        size = marks.shape[1]
        table = pa.table({"key": marks[0], "t": marks[1], "mark": np.arange(size)})
        answer = self.engine.run(sql, {"events": events, "marks": table})
        mark = answer.column("mark").to_numpy()
        n, total, place = np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, -1)
        n[mark] = answer.column("n").to_numpy()
        total[mark] = answer.column("total").to_numpy()
        place[mark] = answer.column("place").fill_null(-1).to_numpy()
        return Running(n, total, place)

    def _distinct(
        self, aggregate: Aggregate, rows: np.ndarray, event_keys: np.ndarray, marks: np.ndarray
    ) -> Running:
        """Different things before each mark: a running sum over the beginnings and ends of pairs."""
        assert aggregate.distinct is not None
        log = self.dataset.log
        pair, other = self.keys.of(
            aggregate.distinct, Asked.events(log, rows), np.arange(len(rows)), log.item[rows]
        )
        rows, event_keys = rows[pair], event_keys[pair]
        pairs = pa.table(
            {
                "key": event_keys,
                "other": other,
                "known": log.arrived[rows],
                "ends": aggregate.end(log.time[rows]),
            }
        )
        return self._run(self.engine.run(LIVES_WITH + LIVES_SQL, {"pairs": pairs}), marks, RUNNING_SQL)

    def _extremes(
        self,
        aggregate: Aggregate,
        rows: np.ndarray,
        event_keys: np.ndarray,
        keys: np.ndarray,
        moments: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        log = self.dataset.log
        marks, inverse = _unique(keys, moments)
        endless = aggregate.window_ms is None
        step = 1 if endless else aggregate.step_ms

        def steps(times: np.ndarray) -> np.ndarray:
            return np.zeros(len(times), np.int64) if endless else times // step

        events = pa.table(
            {
                "key": event_keys,
                "step": steps(log.time[rows]),
                "known": log.arrived[rows],
                "known_step": steps(log.arrived[rows]),
                "v": thousandths(log.value[rows]),
            }
        )
        size = marks.shape[1]
        table = pa.table(
            {"key": marks[0], "t": marks[1], "step": steps(marks[1]), "mark": np.arange(size, dtype=np.int64)}
        )
        offsets = pa.table({"back": np.arange(STEPS, dtype=np.int64)})
        answer = self.engine.run(
            EXTREMES_SQL.format(steps=STEPS), {"events": events, "marks": table, "offsets": offsets}
        )
        low, high = np.zeros(size, np.int64), np.zeros(size, np.int64)
        mark = answer.column("mark").to_numpy()
        low[mark] = answer.column("low").fill_null(0).to_numpy()
        high[mark] = answer.column("high").fill_null(0).to_numpy()
        return low[inverse], high[inverse]

    def likeness(
        self,
        attribute: Attribute,
        last: int,
        event: str | None,
        users: np.ndarray,
        moments: np.ndarray,
        request: np.ndarray,
        item: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(dot, history length, profile's squared length), int64 (rows,), for candidate rows of requests by users."""
        log = self.dataset.log
        acted = np.flatnonzero(log.acted if event is None else log.is_kind([event]))
        indptr, values, weights = weighted_values(attribute)
        known = users >= 0
        person = log.user[acted].astype(np.int64)
        asker = users[known].astype(np.int64)
        acts = {"person": person, "item": log.item[acted], "t": log.time[acted], "seq": acted}
        if self._late:
            latest = LATEST_OF_LATE_SQL.format(last=last)
            acts["known"] = log.arrived[acted]
            asked = pa.table({"request": np.flatnonzero(known), "person": asker, "t": moments[known]})
        else:
            latest = LATEST_SQL
            marks, inverse = _unique(asker, moments[known])
            none = np.zeros(len(acted), np.int64)
            before = self._running(person, log.time[acted], none, none, marks).n[inverse]
            asked = _latest_numbers(np.flatnonzero(known), asker, before, last)
        answer = self.engine.run(
            latest + LIKENESS_SQL,
            {
                "requests" if self._late else "wanted": asked,
                "acts": pa.table(acts),
                "item_values": pa.table(
                    {
                        "item": np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr)),
                        "value": values,
                        "weight": weights,
                    }
                ),
                "candidate_rows": pa.table(
                    {"row_number": np.arange(len(item)), "request": request, "item": item}
                ),
            },
        )
        dot, n, square = (np.zeros(len(item), np.int64) for _ in range(3))
        rows = answer.column("row_number").to_numpy()
        dot[rows] = answer.column("dot").to_numpy()
        n[rows], square[rows] = answer.column("n").to_numpy(), answer.column("square").to_numpy()
        return dot, n, square


def _latest_numbers(request: np.ndarray, person: np.ndarray, before: np.ndarray, last: int) -> pa.Table:
    """(request, person, number) of each request's latest `last` events, the person's first being number 1."""
    sizes = np.minimum(before, last)
    back = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pa.table(
        {
            "request": np.repeat(request, sizes),
            "person": np.repeat(person, sizes),
            "number": np.repeat(before, sizes) - back,
        }
    )


def thousandths(values: np.ndarray) -> np.ndarray:
    """Values as whole thousandths, int64; nothing where there is no value."""
    return np.round(np.nan_to_num(values.astype(np.float64)) * THOUSANDTHS).astype(np.int64)


def _unique(keys: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (key, moment) pairs, int64 (2, M), and which of them each pair is."""
    order = np.lexsort([moments, keys])
    key, moment = keys[order].astype(np.int64), moments[order].astype(np.int64)
    fresh = np.ones(len(order), bool)
    fresh[1:] = (key[1:] != key[:-1]) | (moment[1:] != moment[:-1])
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(fresh) - 1
    return np.stack([key[fresh], moment[fresh]]), inverse

"""The SQL of the features: standard text, run by DuckDB in this process or by Spark on a cluster.

All counts of one stream of events (a kind of event, by a key) come from one window query: events and marks are ordered by
time for each key, and running sums are read at each mark. A mark is a (key, moment) pair whose counts are wanted. An event
at time t gets the position 2t + 1 and a mark the position 2t: a mark sees the events strictly before it.
"""

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
"""Before each mark: number of events, sum of values, and the place of the latest event in the log (by time, then value)."""

LIFETIMES_SQL = """
WITH lifetimes AS (
    SELECT key, known, MAX(ends) OVER (PARTITION BY key, other ORDER BY known, ends
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ends,
        LEAD(known) OVER (PARTITION BY key, other ORDER BY known, ends) AS next_known
    FROM pairs
)
SELECT key, t, n, CAST(0 AS BIGINT) AS v, CAST(NULL AS BIGINT) AS place FROM (
    SELECT key, known AS t, CAST(1 AS BIGINT) AS n FROM lifetimes WHERE ends > known
    UNION ALL
    SELECT key, LEAST(COALESCE(next_known, ends - 1), ends - 1) AS t, CAST(-1 AS BIGINT) AS n
    FROM lifetimes WHERE ends > known
) AS steps
"""
"""A distinct count as events of +1 and −1: a pair (key, other) counts from an event until the pair's next event, or until
the window has left all of its events."""

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
"""Smallest and largest value in the window: of its complete steps, and of the events of the current step so far."""

LATEST_SQL = """
WITH numbered AS (
    SELECT person, item, ROW_NUMBER() OVER (PARTITION BY person ORDER BY t, seq) AS number FROM acts
), latest AS (
    SELECT w.request, a.item FROM wanted w JOIN numbered a ON a.person = w.person AND a.number = w.number
)
"""
"""The latest events of a user, by number: the number of events before a request is known, so `wanted` has the last of them."""

LATEST_OF_LATE_SQL = """
WITH latest AS (
    SELECT request, item FROM (
        SELECT r.request, e.item, ROW_NUMBER() OVER (PARTITION BY r.request ORDER BY e.t DESC, e.seq DESC) AS back
        FROM requests r JOIN acts e ON e.person = r.person AND e.known < r.t
    ) AS ordered WHERE back <= {last}
)
"""
"""The same where events arrive late: all events that were known at the time of the request are read."""

SIMILARITY_SQL = """
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
"""The sum of the vectors of the user's latest events, and its dot product with the vector of each candidate."""

"""The moment at a fraction of a log, found by counting events by time, again and again in a narrower span."""

from __future__ import annotations

from typing import Any

from shortlist.distributed.usable_events import TIME
from shortlist.distributed.whole_log import collected
from shortlist.errors import DataError

BUCKETS = 65_536
"""Counts of a pass: what the driver collects at most."""


def moment_at(events: Any, fraction: float) -> int:
    """Return the time (ms) of the event at a fraction of a frame, by time: that of `cut_for_test` on one machine.

    Raises
    ------
    DataError
        The frame has no events.
    """
    from pyspark.sql import functions as sql

    time = sql.col(TIME)
    span = collected(
        events.agg(sql.min(TIME).alias("low"), sql.max(TIME).alias("high"), sql.count("*").alias("n"))
    )
    low, high, n = (span.column(name)[0].as_py() for name in ("low", "high", "n"))
    if not n:
        raise DataError("the log has impressions only; a model cannot learn from it")
    rank = min(int(n * fraction), n - 1)
    while low < high:
        width = (high - low) // BUCKETS + 1
        within = events.where((time >= low) & (time <= high))
        bucket = sql.floor((time - low) / width).cast("long").alias("bucket")
        counts = collected(within.groupBy(bucket).agg(sql.count("*").alias("n"))).sort_by("bucket")
        for number, count in zip(
            counts.column("bucket").to_pylist(), counts.column("n").to_pylist(), strict=True
        ):
            if rank < count:
                low, high = low + number * width, min(high, low + (number + 1) * width - 1)
                break
            rank -= count
    return int(low)

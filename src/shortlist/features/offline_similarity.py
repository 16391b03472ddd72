"""Offline similarity: the candidate and the user's latest events before each request, by SQL over the log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.data.log import Log
from shortlist.engines import Engine
from shortlist.features.rows import FeatureRows
from shortlist.features.running import Marks, running_sums
from shortlist.features.similarity_kernels import SparseTable
from shortlist.features.spec import HistoryFeature
from shortlist.features.sql import LATEST_OF_LATE_SQL, LATEST_SQL, SIMILARITY_SQL

Integers64 = NDArray[np.int64]


class OfflineSimilarity:
    """Compares candidates with the latest events before each request.

    Parameters
    ----------
    log
        The log. Events count from the instant after they became known.
    engine
        Runs the SQL.
    """

    def __init__(self, log: Log, engine: Engine) -> None:
        self._log, self._engine = log, engine
        self._late = bool((log.arrived > log.time).any())

    def __repr__(self) -> str:
        return f"OfflineSimilarity({len(self._log):,} events)"

    def lookup(
        self, table: SparseTable, feature: HistoryFeature, rows: FeatureRows
    ) -> tuple[Integers64, Integers64, Integers64]:
        """Return what `similarity_value` needs of each row, int64 (rows,) each.

        Returns
        -------
        dot
            Dot product of the candidate's vector and the sum of the history's vectors.
        events
            Number of events in the history.
        square
            Squared length of the sum.
        """
        with_latest, tables = self._latest(feature, rows)
        tables["item_values"] = _long_table(table)
        tables["candidate_rows"] = pa.table(
            {"row_number": np.arange(len(rows.item)), "request": rows.request, "item": rows.item}
        )
        found = self._engine.run(with_latest + SIMILARITY_SQL, tables)
        dot, events, square = (np.zeros(len(rows.item), np.int64) for _ in range(3))
        row = found.column("row_number").to_numpy()
        dot[row] = found.column("dot").to_numpy()
        events[row], square[row] = found.column("n").to_numpy(), found.column("square").to_numpy()
        return dot, events, square

    def _latest(self, feature: HistoryFeature, rows: FeatureRows) -> tuple[str, dict[str, pa.Table]]:
        """Return the SQL that selects the latest events of each request, and its tables."""
        log = self._log
        acted = np.flatnonzero(log.acted if feature.event is None else log.is_kind([feature.event]))
        request = np.flatnonzero(rows.users >= 0)
        asking = np.zeros(1 + max(int(log.user.max(initial=-1)), int(rows.users.max(initial=-1))), np.bool_)
        asking[rows.users[request]] = True
        acted = acted[asking[log.user[acted]]]
        user = log.user[acted].astype(np.int64)
        acts = {"person": user, "item": log.item[acted], "t": log.time[acted], "seq": acted}
        asker, moments = rows.users[request].astype(np.int64), rows.moments[request]
        if self._late:
            acts["known"] = log.arrived[acted]
            requests = pa.table({"request": request, "person": asker, "t": moments})
            return LATEST_OF_LATE_SQL.format(last=feature.last), {
                "requests": requests,
                "acts": pa.table(acts),
            }
        marks, none = Marks.of(asker, moments), np.zeros(len(acted), np.int64)
        events = {"key": user, "t": log.time[acted], "n": none + 1, "v": none, "place": none}
        before = running_sums(self._engine, pa.table(events), marks).n[marks.inverse]
        wanted = _latest_numbers(request, asker, before, feature.last)
        return LATEST_SQL, {"wanted": wanted, "acts": pa.table(acts)}


def _long_table(table: SparseTable) -> pa.Table:
    """Return vectors as (item, value, weight) rows."""
    sizes = table.stops - table.starts
    owner = np.repeat(np.arange(len(sizes)), sizes)
    at = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes - table.starts, sizes)
    return pa.table(
        {
            "item": owner.astype(np.int32),
            "value": table.values[at],
            "weight": table.weights[at].astype(np.int64),
        }
    )


def _latest_numbers(request: Integers64, user: Integers64, before: Integers64, last: int) -> pa.Table:
    """Return (request, user, number) of the latest `last` events of each request; the first event of a user has number 1."""
    sizes = np.minimum(before, last)
    back = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pa.table(
        {
            "request": np.repeat(request, sizes),
            "person": np.repeat(user, sizes),
            "number": np.repeat(before, sizes) - back,
        }
    )

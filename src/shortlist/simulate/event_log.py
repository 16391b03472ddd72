"""Sessions as rows of an event log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shortlist.config.base import IMPRESSION
from shortlist.simulate.arrays import Columns, FloatArray, IdArray
from shortlist.simulate.population import Population
from shortlist.simulate.user_model import OutcomeEvents, SessionBatch

DAY = 86_400
"""Seconds of a day."""
START = 1_767_225_600
"""The first moment of every log: 1 January 2026, in seconds."""


def session_events(
    rng: np.random.Generator,
    population: Population,
    sessions: SessionBatch,
    first_slate: int,
    start: FloatArray,
    propensity: FloatArray,
) -> Columns:
    """Return the impressions of some sessions and the events that follow, as columns of row numbers.

    Parameters
    ----------
    rng : Generator
        Draws the events that follow the choices.
    population : Population
        The users.
    sessions : SessionBatch
        Slates and responses.
    first_slate : int
        The slate number of the first session; the others follow.
    start : ndarray of float, shape (n_sessions,)
        When each slate was seen, in seconds.
    propensity : ndarray of float, shape (n_sessions, n_slots)
        The propensity of each impression, NaN if it is unknown.
    """
    slots = sessions.slates.shape[1]
    cells = np.flatnonzero(sessions.slates.ravel() >= 0)
    row, position = cells // slots, cells % slots
    impressions: Columns = {
        "user_id": sessions.users[row],
        "item_id": sessions.slates.ravel()[cells],
        "timestamp": start[row],
        "slate": first_slate + row,
        "position": position,
        "propensity": propensity.ravel()[cells],
    }
    for name, values in population.context_columns.items():
        impressions[name] = np.array(values)[sessions.contexts[row]]
    impression_of = np.full(sessions.slates.size, -1, np.int64)
    impression_of[cells] = np.arange(len(cells))
    outcomes = [
        event._replace(cells=impression_of[event.cells])
        for event in population.model.outcome_events(rng, sessions)
    ]
    return _append(impressions, outcomes)


def _append(impressions: Columns, outcomes: list[OutcomeEvents]) -> Columns:
    """Impressions, then the events that follow them; `cells` of the events are row numbers of the impressions."""
    n = len(impressions["item_id"])
    shown = OutcomeEvents(IMPRESSION, np.arange(n), np.zeros(n), np.full(n, np.nan))
    parts = [shown, *outcomes]
    rows = np.concatenate([part.cells for part in parts])
    is_impression = np.arange(len(rows)) < n
    columns = {name: column[rows] for name, column in impressions.items()}
    delay = np.concatenate([part.delay for part in parts])
    columns["timestamp"] = np.floor(columns["timestamp"] + delay).astype(np.int64)
    columns["kind"] = np.repeat([part.kind for part in parts], [len(part.cells) for part in parts])
    columns["value"] = np.concatenate([part.value for part in parts])
    columns["slate"] = columns["slate"].astype(np.int64)
    columns["position"] = np.where(is_impression, columns["position"], -1).astype(np.int64)
    columns["propensity"] = np.where(is_impression, columns["propensity"], np.nan)
    return columns


def sorted_by_time(parts: list[Columns]) -> Columns:
    """Join parts of a log and sort the events by time; the order of simultaneous events is kept."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["timestamp"], kind="stable")
    return {name: column[order] for name, column in whole.items()}


def split_at_day(events: Columns, day: int) -> tuple[Columns, Columns]:
    """Split a log into the events before the start of a day and the events after it."""
    past = events["timestamp"].astype(np.int64) < START + day * DAY
    return {n: c[past] for n, c in events.items()}, {n: c[~past] for n, c in events.items()}


def events_table(events: Columns, user_ids: IdArray, item_ids: IdArray) -> pa.Table:
    """Turn columns of row numbers into a table with ids; only impressions have a position."""
    users, items = events["user_id"].astype(np.int64), events["item_id"].astype(np.int64)
    named: Columns = {**events, "user_id": user_ids[users], "item_id": item_ids[items]}
    table = pa.table({name: pa.array(column, from_pandas=True) for name, column in named.items()})
    at = table.column_names.index("position")
    places = events["position"].astype(np.int64)
    position = pa.array(places, mask=places < 0)
    return table.set_column(at, "position", position)


def row_ids(prefix: str, n: int) -> IdArray:
    """Return ids such as "u00042", one for each row."""
    return np.array([f"{prefix}{row:05d}" for row in range(n)])

"""Whether a column only repeats the time of an event, or a part of it: a week, a month, an hour."""

from __future__ import annotations

import numpy as np

from shortlist.data.guess.evidence import REPEATED, SETTLED, Evidence
from shortlist.data.guess.names import words
from shortlist.data.no_time import NO_TIME

HOUR = 3_600_000
VARIED = 0.9
"""A column in which two rows agree as often as this by chance tells nothing of the time."""
RUNNING = frozenset(
    {
        "week",
        "weeks",
        "year",
        "date",
        "epoch",
        "woche",
        "jahr",
        "semaine",
        "annee",
        "semana",
        "ano",
        "settimana",
        "anno",
    }
)
"""Words for parts of the time that run on: a later request has a value that the training did not have."""
RECURRING = frozenset({"weekday", "dow", "dayofweek", "month", "wochentag", "monat", "mois", "mes", "mese"})
"""Words for parts of the time that come round again, and whose numbers are codes."""
PLACES = frozenset(
    {"city", "country", "region", "stadt", "land", "ville", "pays", "ciudad", "pais", "citta", "paese"}
)
"""Words for columns whose numbers are codes and measure nothing."""


def follows_time(evidence: Evidence, column: str, user: str, time: str | None) -> bool:
    """Return whether the time settles a column: events of different users in one hour nearly always have the same value."""
    times = None if time is None else evidence.times(time)
    if times is None:
        return False
    codes = evidence.codes(column)
    rows = np.flatnonzero((codes >= 0) & (times != NO_TIME))
    rows = rows[np.argsort(times[rows], kind="stable")]
    hour, owner = times[rows] // HOUR, evidence.codes(user)[rows]
    beside = (np.diff(hour) == 0) & (np.diff(owner) != 0)
    if beside.sum() < REPEATED:
        return False
    shares = np.bincount(codes[rows]) / len(rows)
    agree = np.diff(codes[rows])[beside] == 0
    return bool((shares**2).sum() < VARIED and agree.mean() >= SETTLED)


def runs_on(name: str) -> bool:
    """Return whether a name says that the numbers of a column count the time."""
    return bool(RUNNING.intersection(words(name)))


def is_code(name: str) -> bool:
    """Return whether a name says that the numbers of a column are codes: a weekday, a city."""
    return bool((RECURRING | PLACES).intersection(words(name)))

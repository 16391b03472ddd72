"""Guess the settings of an items or users table: its id, its title and its attributes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.guess.attributes import TITLES, guess_attributes
from shortlist.data.guess.columns import find_column, normal
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.of_items import title_score
from shortlist.data.guess.scores import score_item, score_user
from shortlist.data.numbers import is_text

OVERLAP = 0.5
"""A column of different values in which at least this share of the events' ids occur is the id of a table."""


def guess_entity(
    table: pa.Table, role: str, log: Evidence, in_events: str, title: str | None = None
) -> tuple[dict[str, Any], str]:
    """Guess the settings of an items or users table, with reasons.

    Parameters
    ----------
    table
        The table.
    role
        "items" or "users".
    log
        The events: the column whose values their ids are is the id, whatever it is called.
    in_events
        The column of the events that holds its ids.
    title
        The column of titles (default: found).
    """
    known = {column.lower(): column for column in reversed(table.column_names)}
    evidence = Evidence(table)
    key, said = _key(table, evidence, role, log, in_events, known)
    if role == "items" and title is None:
        title = next((known[name] for name in TITLES if name in known and known[name] != key), None)
        if title is None:
            scores = [(title_score(name, evidence, key), name) for name in table.column_names if name != key]
            best = max(scores, default=(0.0, ""))
            title = best[1] if best[0] > 0 else None
    attributes, lines = guess_attributes(table, frozenset({key}))
    if title is not None and attributes.get(title) == "category":
        attributes[title] = "text"
    settings = {"id": key, **({"title": title} if title else {}), "attributes": attributes}
    return settings, "\n".join([*said, *lines])


def _key(
    table: pa.Table, evidence: Evidence, role: str, log: Evidence, in_events: str, known: dict[str, str]
) -> tuple[str, list[str]]:
    """Return the column of ids: by the name of the events' column, by the values, or by its own name."""
    if in_events in table.column_names:
        return in_events, []
    singular = "item" if role == "items" else "user"
    named = known.get(in_events.lower()) or known.get("id") or find_column(table, singular)
    shares = {
        name: log.overlap(in_events, table.column(name))
        for name in table.column_names
        if evidence.is_plain(name)
        and not pa.types.is_temporal(evidence.type_of(name))
        and _differs(table, name)
    }
    best = max(shares, key=lambda name: (shares[name], name == named), default=None)
    if best is not None and shares[best] >= OVERLAP and shares.get(named or "", 0.0) < shares[best]:
        share = f"{100 * shares[best]:.0f}%"
        return best, [f"{best} is the id: {share} of the ids in {in_events} of the events occur in it."]
    if named is None:
        score = score_item if role == "items" else score_user
        plain = [name for name in table.column_names if _differs(table, name)] or table.column_names
        # an id differs in each row, which is no fault in a table of ids
        named = max(
            plain,
            key=lambda name: (
                score(name, evidence),
                normal(name).endswith("id"),
                -table.column_names.index(name),
            ),
        )
        if not score(named, evidence) and not is_text(evidence.type_of(named)):
            named = table.column_names[0]
    return named, []


def _differs(table: pa.Table, name: str) -> bool:
    column = table.column(name)
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return False
    return bool(pc.count_distinct(column).as_py() >= 0.98 * max(table.num_rows, 1))

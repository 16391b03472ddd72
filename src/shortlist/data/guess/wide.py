"""Wide logs: one row a showing or a purchase, with columns that say what came of it. Rules make events of them."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.config.base import IMPRESSION
from shortlist.data.event_columns import flat
from shortlist.data.guess.columns import ValueColumn, flag_name, normal
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.kinds import Stage, meaning_of
from shortlist.data.guess.names import concepts, plain, words
from shortlist.data.guess.value import Meaning
from shortlist.data.numbers import is_text

MOST_KINDS = 8
COSTS = frozenset({"cost", "costs", "cpc", "cpm", "bid", "spend", "kosten"})
"""Amounts that the one pays who shows an item, and not the one who takes it."""
MOSTLY_GIVEN = 0.95
"""A time that more rows have is that of the row itself."""
_VERBS = {
    "click": "click",
    "clicked": "click",
    "clicks": "click",
    "tapped": "tap",
    "opened": "open",
    "liked": "like",
    "likes": "like",
    "shared": "share",
    "saved": "save",
    "bought": "purchase",
    "purchased": "purchase",
    "ordered": "order",
    "installed": "install",
    "watched": "watch",
    "viewed": "view",
    "played": "play",
    "listened": "listen",
    "read": "read",
    "skipped": "skip",
    "hated": "hate",
    "disliked": "dislike",
    "commented": "comment",
    "followed": "follow",
    "subscribed": "subscribe",
    "converted": "conversion",
    "returned": "return",
    "refunded": "refund",
    "cancelled": "cancel",
    "canceled": "cancel",
    "hidden": "hide",
    "bookmarked": "bookmark",
    "completed": "complete",
    "finished": "finish",
    "rated": "rate",
    "booked": "book",
    "favorited": "favorite",
    "carted": "cart",
    "uninstalled": "uninstall",
    "unsubscribed": "unsubscribe",
    "dismissed": "dismiss",
    "reported": "report",
    "added": "add",
    "removed": "remove",
    "downloaded": "download",
}
"""Past form of a column's name → kind of event."""
_BACK = (
    "refund",
    "return",
    "retour",
    "erstatt",
    "rembours",
    "devol",
    "rimbors",
    "cancel",
    "storn",
    "annul",
    "void",
    "chargeback",
    "terugbetaald",
    "geannuleerd",
    "reso",
)
_FAILED = (
    "fail",
    "declin",
    "abandon",
    "draft",
    "test",
    "expired",
    "fehlgeschlagen",
    "echoue",
    "fallid",
    "entwurf",
    "trash",
)
"""Beginnings of states of orders that were taken back, and of those that never were orders."""


@dataclass
class WideLog:
    """Rules that make events of the rows of a log, and why.

    Attributes
    ----------
    rules
        `[[data.derive]]`.
    lines
        What is said about them.
    exclude
        `[[data.exclude]]`: rows of orders that never were.
    """

    rules: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    exclude: list[dict[str, Any]] = field(default_factory=list)
    first_position: int = 0


def kind_of_flag(name: str) -> str:
    """Return the kind of event that a column of yes and no is called by: `is_liked` → `like`."""
    first, *rest = words(flag_name(name)) or (normal(name),)
    return "_".join((_VERBS.get(first, first), *rest))


def find_wide(
    evidence: Evidence,
    flags: list[ValueColumn],
    values: list[ValueColumn],
    position: str | None,
    slate: str | None,
) -> WideLog | None:
    """Return rules for a log of showings or of uses; None where one column of values says all.

    Parameters
    ----------
    evidence
        The values of the table.
    flags
        Columns of 0 and 1 that say what came of a row.
    values
        Columns of seconds, ratings and amounts.
    position, slate
        Columns of the place at which an item was shown.
    """
    wanted = [one for one in flags if meaning_of(flag_name(one.name)).stage > Stage.SHOWN or not one.wanted]
    always = [one for one in wanted if one.wanted and one.true == len(one.numbers)]
    wanted = [one for one in wanted if one not in always]
    times = [one for one in values if one.meaning is Meaning.TIME]
    stamps = _stamps(evidence)
    acted = {Stage.CLICK, Stage.VIEW, Stage.CART, Stage.BUY}
    clicked = bool(stamps) or any(meaning_of(flag_name(one.name)).stage in acted for one in wanted)
    shown = position is not None or (
        clicked and any(_says_shown(name) for name in evidence.table.column_names)
    )
    many = len(wanted) + len(always) + len(times) + len(stamps) >= 2
    if not (wanted or stamps) or not (shown or (many and clicked)):
        return None
    found = WideLog(first_position=0 if position is None else _first_position(evidence, position))
    if not always and (stamps or _is_partial(wanted)):
        place = {"slate": slate, "position": position}
        found.rules.append({"kind": IMPRESSION, **{name: column for name, column in place.items() if column}})
        found.lines.append("Each row is a showing of an item: an impression, whatever came of it.")
        if found.first_position:
            found.lines.append(f"{position} counts from 1 (data.first_position).")
    elif not always and not shown:
        return None
    money = next(
        (one.name for one in values if one.meaning is Meaning.MONEY and not COSTS & set(words(one.name))),
        None,
    )
    for one in sorted([*always, *wanted], key=lambda one: meaning_of(flag_name(one.name)).stage)[:MOST_KINDS]:
        kind = kind_of_flag(one.name)
        bought = meaning_of(flag_name(one.name)).stage is Stage.BUY and money is not None
        found.rules.append({"kind": kind, "when": one.name, **({"value": money} if bought else {})})
        also = f"; {money} is the value" if bought else ""
        found.lines.append(f"{kind}: the rows in which {one.name} is true ({one.true:,}){also}.")
    for name in stamps:
        kind = kind_of_flag(words(name)[0])
        found.rules.append({"kind": kind, "timestamp": name})
        found.lines.append(f"{kind}: the rows that have a {name}, at that time.")
    _add_values(found, values)
    return found


def _says_shown(name: str) -> bool:
    return bool({"shown", "impression", "exposed", "served"} & set(words(name)))


def _stamps(evidence: Evidence) -> list[str]:
    """Return columns of times that only some rows have, and that are called by what a person did: `clicked_at`."""
    return [
        name
        for name in evidence.table.column_names
        if len(words(name)) == 2
        and "at" in concepts(name)
        and meaning_of(kind_of_flag(words(name)[0])).stage >= Stage.CLICK
        and 0 < evidence.present(name) < MOSTLY_GIVEN
        and evidence.times(name) is not None
    ]


def _add_values(found: WideLog, values: list[ValueColumn]) -> None:
    """Add rules for how long an item was used, and for its rating."""
    for one in [value for value in values if value.meaning is Meaning.TIME][:1]:
        kind = _kind_of_time(one.name)
        found.rules.append({"kind": kind, "value": one.name})
        count = int((np.isfinite(one.numbers) & (one.numbers != 0)).sum())
        found.lines.append(
            f"{kind}: the rows in which {one.name} is above 0 ({count:,}); that is the value of the event."
        )
    for one in [value for value in values if value.meaning is Meaning.RATING][:1]:
        found.rules.append({"kind": "rating", "value": one.name})
        found.lines.append(f"rating: the rows that have a {one.name}; that is the value of the event.")


def _is_partial(flags: list[ValueColumn]) -> bool:
    """Return whether some rows have none of the outcomes: then a row is a showing and no use."""
    none = np.all([one.numbers != 1 for one in flags], axis=0)
    return float(none.mean()) > 0.05


def _kind_of_time(name: str) -> str:
    text = plain(name)
    for part, kind in (
        ("listen", "listen"),
        ("read", "read"),
        ("dwell", "read"),
        ("play", "play"),
        ("watch", "watch"),
        ("view", "watch"),
    ):
        if part in text:
            return kind
    return "watch"


def _first_position(evidence: Evidence, name: str) -> int:
    column = flat(evidence.table.column(name))
    least = pc.min(column).as_py() if not is_text(column.type) else None
    return 1 if least == 1 else 0


def find_slate(evidence: Evidence, position: str, taken: AbstractSet[str]) -> str | None:
    """Return the column of the list in which items were shown: with the position, each of its values occurs once."""
    places = evidence.codes(position)
    for name in evidence.table.column_names:
        if name in taken or (
            not concepts(name) & {"session", "id"}
            and not {"list", "slate", "page", "impression", "request"} & set(words(name))
        ):
            continue
        lists = evidence.codes(name)
        if evidence.distinct(name) < 2 or not 1.5 <= evidence.rows / evidence.distinct(name) <= 500:
            continue
        both = np.unique(lists.astype(np.int64) * (int(places.max()) + 2) + places)
        if len(both) > 0.95 * evidence.rows:
            return str(name)
    return None


def _begins(state: str, beginnings: tuple[str, ...]) -> bool:
    """Return whether a word of a state begins so: `wc-cancelled`."""
    return any(part.startswith(beginnings) for part in re.findall(r"[^\W_]+", plain(state)))


def rules_of_flag(evidence: Evidence, flag: ValueColumn) -> WideLog | None:
    """Return rules for orders with a column that says whether they were cancelled or returned."""
    if flag.wanted or not meaning_of(flag_name(flag.name)).taken_back or evidence.present(flag.name) < 1:
        return None
    texts = flat(evidence.table.column(flag.name)).cast(pa.string())
    back = sorted(
        {text for text, number in zip(texts.to_pylist(), flag.numbers, strict=False) if number == 1}
    )
    bought = sorted({*texts.unique().to_pylist()} - {*back})
    if not back or not bought:
        return None
    rules = [
        {"kind": "purchase", "when": flag.name, "values": bought},
        {"kind": "return", "when": flag.name, "values": back},
    ]
    return WideLog(
        rules, [f"{flag.name} ({flag.true:,} rows): taken back, so the event is a return and no purchase."]
    )


def rules_of_status(evidence: Evidence, status: str) -> WideLog | None:
    """Return rules for a column with the state of an order: taken back ones are returns, failed ones never were orders."""
    texts = flat(evidence.table.column(status)).cast(pa.string())
    counts = {
        row["values"]: row["counts"]
        for row in pc.value_counts(texts).to_pylist()
        if row["values"] and row["values"].strip()
    }
    back = [word for word in counts if _begins(word, _BACK) and "partial" not in plain(word)]
    failed = [word for word in counts if _begins(word, _FAILED)]
    bought = [word for word in counts if word not in {*back, *failed}]
    if not bought or not (back or failed):
        return None
    found = WideLog()
    if back:
        found.rules = [
            {"kind": "purchase", "when": status, "values": sorted(bought)},
            {"kind": "return", "when": status, "values": sorted(back)},
        ]
        listed = ", ".join(f"{word} ({counts[word]:,})" for word in back)
        found.lines.append(
            f"{status} says what became of an order: {listed}: taken back, so the event is a return and no purchase."
        )
    if failed:
        found.exclude = [{"column": status, "values": sorted(failed), "reason": "orders that failed"}]
        listed = ", ".join(f"{word} ({counts[word]:,})" for word in failed)
        found.lines.append(f"Left out, since these never became orders, by {status}: {listed}.")
    return found

"""Titles and attributes of items that are columns of the log, where there is no items table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.event_columns import flat
from shortlist.data.guess.attributes import TITLES, guess_attributes
from shortlist.data.guess.columns import normal
from shortlist.data.guess.evidence import Evidence
from shortlist.data.guess.names import concepts, plain, unknown_words, words
from shortlist.data.numbers import is_text

SURE_TITLE, MOSTLY = 45.0, 0.5
"""A column that is called a title is one, too, if at least this share of the items always have the same: titles are reworded."""
_READABLE = r"^[^/:@]*\p{L}{2,}[^/:@]*$"
"""Texts with words: no addresses and no numbers."""
_TITLES = (*map(normal, TITLES), "headline", "description")


def title_score(name: str, evidence: Evidence, item: str) -> float:
    """Score a column of texts as the title of items, by its name."""
    if not is_text(evidence.type_of(name)) or (name == item and "name" not in concepts(name)):
        return 0.0
    found = concepts(name)
    if {"person", "order", "session", "address", "email"} & found and "item" not in found:
        return 0.0
    if "id" in found or {"time", "at", "price", "amount", "quantity", "status", "kind"} & found:
        return 0.0
    score = 0.0
    if normal(plain(name)) in _TITLES:
        score = 60.0 - _TITLES.index(normal(plain(name)))
    elif words(name) in {("title",), ("titel",), ("titre",), ("titulo",), ("titolo",)}:
        score = 60.0
    elif "name" in found:
        score = 55.0 if found & {"item", "created"} else 50.0
    elif found == {"item"} and not unknown_words(name):
        score = 40.0  # `Item` beside its code
    if {"beschreibung", "description", "desc", "descripcion", "descrizione", "descricao", "text"} & set(
        words(name)
    ):
        score = min(score, 45.0)
    if score and set(words(name)) & set(words(item)) - {"id"}:
        score += 2.0  # the title of the episode rather than that of its show
    return score


def items_of_log(
    evidence: Evidence, item: str, taken: set[str], title: str | None = None
) -> tuple[dict[str, Any], list[str]] | None:
    """Return the settings of `[items]` for a log whose columns describe its items; None where none does.

    Parameters
    ----------
    evidence
        The values of the log.
    item
        The column of the item's id.
    taken
        Columns with another role.
    title
        The column of the title (default: found).
    """
    names = [
        name
        for name in evidence.table.column_names
        if name not in taken and name != item and _describes(evidence, name, item)
    ]
    said_title = [
        name
        for name in evidence.table.column_names
        if name not in {*taken, *names, item}
        and title_score(name, evidence, item) >= SURE_TITLE
        and evidence.settled(item, name) >= MOSTLY
    ]
    titles = sorted(
        ((title_score(name, evidence, item), name) for name in [*names, *said_title, item]), reverse=True
    )
    if title is None:
        title = next((name for score, name in titles if score > 0), None) or _own_text(evidence, names, item)
    if title is None and not names:
        return None
    chosen = names if title is None or title in names or title == item else [title, *names]
    if not chosen and title is None:
        return None
    table = evidence.table.select([item, *chosen])
    attributes, lines = guess_attributes(table, frozenset({item} - {title}))
    if title is not None and attributes.get(title) == "category":
        attributes[title] = "text"
    order = {name: kind for name in ([title] if title else []) if (kind := attributes.get(name))} | attributes
    settings: dict[str, Any] = {"id": item, "from_events": True}
    if title is not None:
        settings["title"] = title
    what = ", ".join(
        [*([] if title is None else [f"{title} (its title)"]), *(name for name in order if name != title)]
    )
    said = [f"There is no items table; these columns of the events describe the item: {what}.", *lines]
    return {**settings, "attributes": order}, said


def _own_text(evidence: Evidence, names: list[str], item: str) -> str | None:
    """Return the first column of texts that differ from item to item, which people can read: its title, whatever the name."""
    for name in names:
        if (
            is_text(evidence.type_of(name))
            and evidence.settles(name, item)
            and bool(pc.all(pc.match_substring_regex(_some(evidence, name), _READABLE)).as_py())
        ):
            return name
    return None


def _some(evidence: Evidence, name: str) -> pa.Array:
    return flat(evidence.table.column(name)).cast(pa.string()).drop_null().slice(0, 200)


def _describes(evidence: Evidence, name: str, item: str) -> bool:
    """Return whether a column has different values, and one of them for each item."""
    found = concepts(name)
    if (
        not evidence.is_plain(name)
        or {"person", "order", "session", "email", "address", "currency", "payment", "status"} & found
    ):
        return False
    if evidence.distinct(name) < 2 or evidence.distinct(item) < 2:
        return False
    return evidence.settles(item, name)

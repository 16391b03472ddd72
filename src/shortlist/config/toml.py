"""Write a commented `shortlist.toml`, and find the line of a setting in one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomlkit.items import AoT, Item, Table

COMMENTS = {
    "data": "Where the tables are: .parquet, .csv, .tsv, .jsonl, .inter, a MovieLens folder, a SQL query, or a .sql file with one.\n"
    "Relative names are relative to this file. `shortlist check` reports what it finds in the tables.",
    "data.columns": "Column names of the events table. Only user and item are required.",
    "data.fill_down": "Columns that are blank in the further lines of an order have the value of its first line.",
    "data.exclude": "Rows that are no events. They are set aside and counted.",
    "data.derive": "The events that a row makes: a row that says `clicked` makes a click.",
    "data.context": "Event columns that describe the situation (device, time of day). Requests may send them too.",
    "items": "The items table. Kinds of attributes: number, category, list, text, time, embedding, link.",
    "users": "The users table.",
    "objectives": "What a shown item should achieve. probability: will an event follow? amount: how much value follows?\n"
    "grade: what value does the event have, if it happens? Requests can change the weights without training.",
    "features": "What the ranker sees of each candidate. One declaration is SQL in training and counters in serving.\n"
    "docs/how-to/features.md has an example of every kind.",
    "retrieve": "Retrieval: from the whole catalogue to a few hundred candidates, from several sources.",
    "utility": "How objectives become one number (sum or product), and the guard-rails of a slate.",
    "rank": "Ranking: boosted trees, one head per objective, calibrated.",
    "rerank": "Re-ranking: from ranked candidates to a slate (diversity, freshness, rules, exploration, …).",
    "page": "What the page shows of items (price, currency, image), and its rows from top to bottom.",
    "evaluate": "How the log is split in time: past | ranker window | validation | test.",
}
"""Section → the comment above it. The file's sections follow this order."""

WIDTH = 100
"""A list that would make its line longer is written with one value a line."""
COMMENT_WIDTH = 130
"""Comments are wrapped at this width."""
_MARK = "\x1b@"
"""A text that no TOML document contains, since TOML forbids control characters."""


def find_line(text: str, field: str) -> int | None:
    """Find the line on which a setting is written.

    Parameters
    ----------
    text
        A TOML document.
    field
        Dotted name with positions from 0, for example `features.2.window` or `objectives.play.events`.

    Returns
    -------
    int or None
        The line, from 1. If the document lacks the setting, the line of the innermost table that would contain it; None
        if it lacks that, too.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return None
    path: list[Any] = []
    value: Any = document
    for part in filter(None, field.split(".")):
        value = _child(value, part)
        if value is None:
            break
        path.append(value)
    # tomlkit keeps no positions: a mark is written in front of the setting, and its line in the rendered text is the answer
    for found in reversed(path):
        for item in _written(found):
            indent, item.trivia.indent = item.trivia.indent, _MARK
            before, mark, _ = document.as_string().partition(_MARK)
            item.trivia.indent = indent
            if mark:
                return (before + indent).count("\n") + 1
    return None


def _child(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and part.isdigit() and int(part) < len(value):
        return value[int(part)]
    return None


def _written(item: Any) -> Iterator[Item]:
    """Yield the item, then what it contains: a table may have no header of its own, and an inline table no line."""
    from tomlkit.items import Item

    if isinstance(item, Item):
        yield item
    for inner in item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ():
        yield from _written(inner)


def write_toml(settings: Mapping[str, Any], title: str, notes: Mapping[str, str] | None = None) -> str:
    """Write settings as commented TOML text.

    Parameters
    ----------
    settings
        The settings, as TOML would have them. None values and empty sections are left out.
    title
        The first line's comment.
    notes
        Section → what to say about its settings, after the comment that every file has.

    Returns
    -------
    str
        The text. Its sections are in the order of `COMMENTS`.
    """
    import tomlkit

    document = tomlkit.document()
    for line in _wrapped(title):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.comment("Every omitted setting has a default; see docs/reference/project-file.md."))
    plain = {k: v for k, v in settings.items() if v is not None and not isinstance(v, (dict, list))}
    if plain:
        document.add(tomlkit.nl())
    for key, value in plain.items():
        document.add(key, tomlkit.item(value))
    sections = [key for key, value in settings.items() if isinstance(value, (dict, list)) and value]
    for key in [k for k in COMMENTS if k in sections] + [k for k in sections if k not in COMMENTS]:
        _add_section(document, key, key, settings[key], notes or {})
    return document.as_string()


def _add_section(
    parent: Any,
    path: str,
    key: str,
    value: Mapping[str, Any] | list[Mapping[str, Any]],
    notes: Mapping[str, str],
) -> None:
    """Add a table or an array of tables, with its comment."""
    import tomlkit

    comment = "\n".join(filter(None, (COMMENTS.get(path), notes.get(path))))
    if isinstance(value, Mapping):
        section: Table | AoT = (first := _table(path, value, notes))
    else:
        section, first = _array(value)
    if comment or not first.is_super_table():
        parent.add(tomlkit.nl())
    for line in _wrapped(comment):
        parent.add(tomlkit.comment(line))
    parent.add(key, section)
    first.trivia.indent = ""  # tomlkit adds an empty line, which would part the comment from its table


def _wrapped(comment: str) -> Iterator[str]:
    """Yield the lines of a comment. A column's name may hold a line break or a control character, which no comment can."""
    for line in comment.splitlines():
        plain = "".join(character if character.isprintable() else " " for character in line)
        yield from textwrap.wrap(plain, COMMENT_WIDTH, break_long_words=False) or [""]


def _array(values: list[Mapping[str, Any]]) -> tuple[AoT, Table]:
    """Return an array of tables, and its first table."""
    import tomlkit

    array = tomlkit.aot()
    for value in values:
        table = tomlkit.table()
        for name, inner in value.items():
            if inner is not None:
                table.add(name, _inline(inner))
        array.append(table)
    return array, array[0]


def _table(path: str, values: Mapping[str, Any], notes: Mapping[str, str]) -> Table:
    import tomlkit

    plain = {k: v for k, v in values.items() if v is not None and not _is_section(v)}
    table = tomlkit.table(is_super_table=bool(values) and not plain)
    for name, value in plain.items():
        table.add(name, _inline(value))
    for name, value in values.items():
        inner = f"{path}.{name}"
        # an empty section that has a comment is a section of settings, and has defaults; an empty arm of an experiment counts
        if value is not None and name not in plain and (value or inner not in COMMENTS):
            _add_section(table, inner, name, value, notes)
    return table


def _is_section(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, Sequence) and bool(value) and isinstance(value[0], Mapping)
    )


def _inline(value: Any) -> Item:
    """Return a value as written after `name =`."""
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for name, inner in value.items():
            if inner is not None:
                table.add(name, _inline(inner))
        return table
    if isinstance(value, Sequence) and not isinstance(value, str):
        array = tomlkit.array()
        for inner in value:
            array.append(_inline(inner))
        return array.multiline(len(array.as_string()) > WIDTH)
    item: Item = tomlkit.item(value)
    return item

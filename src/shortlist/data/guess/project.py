"""Guess a project from tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.config.project import Project, parse_project
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.frames import to_arrow
from shortlist.data.guess.choices import Choices
from shortlist.data.guess.draft import draft_log
from shortlist.data.guess.entity import guess_entity
from shortlist.data.guess.events import EventKinds
from shortlist.data.guess.features import guess_features
from shortlist.data.guess.objectives import guess_objectives
from shortlist.data.guess.page import guess_page
from shortlist.data.guess.repeats import Repeats

ROWS_PER_USER = 30
"""Requests of a user to learn from, where each row is one."""
ROWS_TO_LEARN_FROM = 0.4
"""Share of such rows that the ranker learns from: each is one wanted item, where a request of a period has many."""
NETWORK_EVENTS = 50_000
"""Events from which networks are proposed: below, other retrievers are as good on the logs of the benchmarks."""
STOCK = frozenset({"in_stock", "stock", "available"})


@dataclass(frozen=True)
class Guess:
    """A guessed project, and why it is what it is.

    Attributes
    ----------
    project
        The project.
    notes
        Section of the project file → what columns and kinds of events were taken for, and why.
    """

    project: Project
    notes: Mapping[str, str]


def guess_project(events: Any, items: Any = None, users: Any = None, name: str = "shortlist") -> Project:
    """Guess a project from tables: the role of each column, attributes, objectives, features and re-ranking.

    A guess looks at names first and at values second. `shortlist init` writes it with comments, so that it can be
    corrected.

    Parameters
    ----------
    events, items, users
        Pandas, Polars or Arrow tables, or lists of dictionaries.
    name
        The name of the project.

    Returns
    -------
    Project
        A project that works for these tables.

    Raises
    ------
    DataError
        No column can be the user or the item.

    Examples
    --------
    >>> project = guess_project([{"user_id": "u1", "item_id": "i1", "kind": "play"}])
    >>> list(project.objectives)
    ['play']
    """
    return guess(events, items, users, name).project


def guess(
    events: Any, items: Any = None, users: Any = None, name: str = "shortlist", choices: Choices | None = None
) -> Guess:
    """Guess a project as `guess_project` does, with the reasons; choices: what is given, and how to ask."""
    events = to_arrow(events, "events")
    tables = {r: to_arrow(t, r) for r, t in (("items", items), ("users", users)) if t is not None}
    choices = choices or Choices()
    choices.check(events.column_names, tables.get("items", events).column_names)
    log = draft_log(events, tables, choices)
    settings: dict[str, Any] = {"name": name, "data": log.data}
    about: dict[str, str] = {}
    for role, table in tables.items():
        key = str(log.roles.columns["item" if role == "items" else "user"])
        title = choices.title if role == "items" else None
        settings[role], about[role] = guess_entity(table, role, log.evidence, key, title)
        log.data[role] = role
    if log.items is not None:
        settings["items"], about["items"] = log.items[0], "\n".join(log.items[1])
    attributes = {role: settings.get(role, {}).get("attributes", {}) for role in ("items", "users")}
    kinds, repeats = log.kinds()
    # without times, only the context tells requests apart
    each_row = log.roles.columns["timestamp"] is None and bool(log.data["context"])
    objectives = guess_objectives(kinds, each_row)
    settings["objectives"] = objectives.objectives
    settings["features"] = guess_features(kinds, attributes, log.data["context"], repeats.usual)
    settings["rerank"] = _rerank(attributes["items"])
    settings["retrieve"] = {**objectives.retrieve, "sources": _sources(kinds, repeats)}
    if repeats.usual:
        settings["rerank"]["show_seen"] = True
        about["rerank"] = _about(repeats)
    if each_row:
        settings["rank"] = {"requests_per_user": ROWS_PER_USER}
        settings["evaluate"] = {"requests": "events", "ranker_window": ROWS_TO_LEARN_FROM}
    # a log that has the attributes of its items is their table
    look = guess_page(tables.get("items", log.events), attributes["items"], events, kinds)
    settings |= look.settings
    notes = {**log.notes(), **about, **objectives.notes, "page": look.note}
    if log.roles.columns["timestamp"] is not None and events.num_rows >= NETWORK_EVENTS:
        notes["retrieve"] = "\n".join(filter(None, [notes.get("retrieve"), _about_networks(events.num_rows)]))
    return Guess(
        parse_project(settings, "the guess"), {section: note for section, note in notes.items() if note}
    )


def _sources(kinds: EventKinds, repeats: Repeats) -> list[dict[str, Any]]:
    """Return the default sources, with popularity as of late and by what was liked, and what a user takes again."""
    popular: dict[str, Any] = {"model": "popular", "half_life": "auto"}
    main = kinds.wanted[0]
    if main.at_least is not None:
        popular["at_least"] = main.at_least
    others = [source for source in RetrieveSettings().sources if source["model"] != popular["model"]]
    return [*([{"model": "again"}] if repeats.usual else []), popular, *others]


def _about_networks(events: int) -> str:
    return (
        f"With {events:,} events, a network may find more. The lines below, in place of all [[retrieve.sources]], let training try "
        "`transformer` and `two_tower` beside the other retrievers and take one only where its gain on a held-out part of the log is "
        "clear. It needs pip install 'shortlist[deep]', and on a CPU it takes minutes for each 100,000 events.\n"
        '    [[retrieve.sources]]\n    model = "auto"\n    deep = true'
    )


def _about(repeats: Repeats) -> str:
    return (
        f"People come back for the same items: {repeats.share:.0%} of the events are on an item that the user had before, where the "
        f"popularity of items alone would bring about {repeats.chance:.0%}. So what a user has had is shown, too."
    )


def _rerank(attributes: dict[str, str]) -> dict[str, Any]:
    rerank: dict[str, Any] = {}
    for setting, kind in (("diversity_by", "list"), ("freshness_by", "time")):
        name = next((n for n, k in attributes.items() if k == kind), None)
        if name:
            rerank[setting] = name
    stock = next((n for n in attributes if n.lower() in STOCK), None)
    if stock and attributes[stock] == "number":
        rerank["in_stock"] = stock
    return rerank

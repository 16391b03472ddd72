"""What a correct project takes an export for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Export:
    """Files of an export, and what is in them.

    Attributes
    ----------
    events, items, users
        The files.
    columns
        Role → column, as `data.columns` of a correct project.
    settings
        Other settings of `[data]` that a correct project has.
    context
        Context column → kind.
    title, attributes
        The title and the attributes of items.
    user_attributes
        The attributes of users.
    kinds
        Kind of event → number of events in the log.
    first
        The first event: user, item, kind, and time in ms since 1970.
    value
        The sum of all values, to 4 digits.
    set_aside
        The number of rows that are no events, and are reported.
    weights
        The sign of the weight of some objectives.
    """

    events: Path
    columns: dict[str, str]
    kinds: dict[str, int]
    first: tuple[str | int, str | int, str, int]
    value: float
    items: Path | None = None
    users: Path | None = None
    settings: dict[str, object] = field(default_factory=dict)
    context: dict[str, str] = field(default_factory=dict)
    title: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    user_attributes: dict[str, str] = field(default_factory=dict)
    set_aside: int = 0
    weights: dict[str, int] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The arguments of `shortlist init`."""
        more = [("--items", self.items), ("--users", self.users)]
        return [self.events.name, *(word for flag, file in more if file for word in (flag, file.name))]

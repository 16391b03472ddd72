"""Answers of the server. Fields that a newer server adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from shortlist_client.requests import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Base of answers."""

    @classmethod
    def read(cls, data: Mapping[str, Any], **own: Any) -> Self:
        """Make an answer from JSON and what the client adds."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in {**data, **own}.items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer(Answer):
    """A recommended item."""

    item: Id
    title: str
    score: float
    predictions: dict[str, float] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    """Retrievers that proposed it → rank, from 0."""
    reason: str = ""
    propensity: float | None = None
    """Probability with which it was put into its slot, given the slots above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem(ItemAnswer):
    """An item of a slate, with the slate and its position (from 0; pages go on counting). Its events send the slate only."""

    slate_id: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slate(Answer):
    """The items for a user or a history, best first."""

    slate_id: str
    items: list[ShownItem]
    model_version: str = ""
    user_known: bool = False
    unknown_items: list[Id] = field(default_factory=list)
    guard_rails: dict[str, dict[str, float]] = field(default_factory=dict)
    policy: str = ""
    warnings: list[str] = field(default_factory=list)
    """What in the request had no effect."""
    experiments: dict[str, str] = field(default_factory=dict)
    """Experiment → arm of this user."""
    first_position: int = 0
    """Position of the first item over all pages, from 0."""
    cursor: str | None = None
    """Send it with the same request for the next page; None where no page can follow."""
    timing: dict[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Answer):
    """One row of a page."""

    slate_id: str
    items: list[ShownItem]
    kind: str = ""
    title: str = ""
    about: Id | None = None
    """The item or attribute value that the row is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Answer):
    """A page of rows; no item is on it twice."""

    page_id: str
    rows: list[Row]
    model_version: str = ""
    user_known: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAnswer(Answer):
    """How many events were new, and how many were stored before."""

    accepted: int
    repeated: int

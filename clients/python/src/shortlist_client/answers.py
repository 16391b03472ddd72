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


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAnswer(Answer):
    """One user of an audience."""

    item: Id
    """The item that the user is wanted for; with filters, the permitted item that suits the user best."""
    user: Id
    score: float
    predictions: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceAnswer(Answer):
    """Users for items; those of one item are adjacent, best first."""

    members: list[MemberAnswer]
    considered: int = 0
    """Number of users that were considered."""
    model_version: str = ""
    warnings: list[str] = field(default_factory=list)
    """Parts of the request that have no effect, such as a value of a filter that no item has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarUserAnswer(Answer):
    """A user who took similar items."""

    user: Id
    score: float
    """Cosine of the two histories, from 0 to 1."""
    shared: list[Id] = field(default_factory=list)
    """Items in common that contribute most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyAnswer(Answer):
    """Where an item came to in a request."""

    item: Id
    title: str
    shown: bool
    stage: str
    """The stage that decided."""
    sentence: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Each stage, with whether the item passed, and a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed(Answer):
    row: int
    """Number of the change in the store: every worker and replica that has read it answers with the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChanged(_Changed):
    """An item was added or changed."""

    item: Id
    added: bool
    """Whether the catalogue did not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsChanged(_Changed):
    """Many items were added or changed: their number."""

    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetired(_Changed):
    """An item is not shown any more."""

    item: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged(_Changed):
    """Attributes of a user were changed."""

    user: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersChanged(_Changed):
    """Attributes of many users were changed: their number."""

    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserErased(Answer):
    """What was deleted of a person."""

    user: Id
    erased: dict[str, int] = field(default_factory=dict)
    """Kind of record → number of deleted ones."""
    train_again: list[str] = field(default_factory=list)
    """Models whose log holds the person: train them again from the store, and remove their bundles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExport(Answer):
    """All that is held of a person."""

    user: Id
    events: list[dict[str, Any]] = field(default_factory=list)
    slates: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

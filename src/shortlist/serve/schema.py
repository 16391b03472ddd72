"""What goes over the wire: the bodies of requests and answers, which are also the OpenAPI at /docs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Id = int | str


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RecommendBody(Body):
    user: Id | None = None
    """Who it is for. Someone unknown is treated as new, and the answer says so."""
    history: list[Id] | None = Field(None, max_length=1000)
    """Item ids, oldest first, instead of a user. Unknown items are ignored and named in the answer."""
    n: Any = 10
    context: dict[str, Any] | None = None
    weights: dict[str, Any] | None = None
    filters: dict[str, Any] | None = None
    diversity: float | None = None
    freshness: float | None = None
    calibration: float | None = None
    """How strongly the slate keeps to the shares of the person's tastes, 0 to 1."""
    combine: str | None = None
    """sum or product of the objectives."""
    at_least: dict[str, Any] | None = None
    """Guard-rails: objective → the least mean prediction of the slate."""
    explore: float | None = None
    """How much chance there is in the slate; the propensity of each item is in the answer and in the log."""
    seed: int | None = None
    """Makes that chance again."""
    after: Id | None = None
    """Up next: the item that somebody has before them, as the latest of their history. It does not come back."""


class PageBody(Body):
    user: Id | None = None
    history: list[Id] | None = Field(None, max_length=1000)
    rows: int = Field(6, ge=1, le=40)
    n: int = Field(10, ge=1, le=50)
    """Items in a row at most."""
    context: dict[str, Any] | None = None
    weights: dict[str, Any] | None = None
    filters: dict[str, Any] | None = None


class ItemAnswer(BaseModel):
    item: Id
    title: str
    score: float
    predictions: dict[str, float]
    sources: dict[str, int]
    """Which retrievers proposed it, and at which rank (from 0)."""
    reason: str
    propensity: float
    """The chance with which it was put into its slot, given the slots above."""


class RecommendAnswer(BaseModel):
    slate_id: str
    model_version: str
    user_known: bool
    unknown_items: list[Id]
    guard_rails: dict[str, dict[str, float]]
    """For each guard-rail, what was asked and what the slate reached."""
    policy: str
    """The version of all that chose the slate."""
    experiments: dict[str, str]
    """Which arm of each experiment this person is in."""
    items: list[ItemAnswer]
    timing: dict[str, float] | None = None
    """With `?debug=timing`: stage → milliseconds."""


class RowAnswer(BaseModel):
    slate_id: str
    """For events that come from this row."""
    kind: str
    title: str
    about: Id | None
    """The item or value that the row is about."""
    items: list[ItemAnswer]


class PageAnswer(BaseModel):
    page_id: str
    model_version: str
    user_known: bool
    rows: list[RowAnswer]
    """From top to bottom; no item is on the page twice."""


class EventBody(Body):
    user: Id
    item: Id
    kind: str
    timestamp: float | str | None = None
    """Seconds or milliseconds since 1970, or an ISO text; now without."""
    value: float | None = None
    context: dict[str, Any] | None = None
    event_id: str | None = Field(None, min_length=1, max_length=200)
    """Sending the same id again stores nothing."""
    slate_id: str | None = Field(None, max_length=100)
    """The slate it came from: needed to credit interleaved rankings, and to learn from exploration."""


class EventsBody(Body):
    events: list[EventBody] = Field(min_length=1, max_length=1000)


class EventsAnswer(BaseModel):
    accepted: int
    repeated: int


class SimilarAnswer(BaseModel):
    item: Id
    items: list[ItemAnswer]


class ItemBody(Body):
    title: str | None = Field(None, max_length=1000)
    attributes: dict[str, Any] = Field(default_factory=dict)
    """Name → value; null makes it unknown. Those that are not named stay."""
    retired: bool | None = None


class NamedItemBody(ItemBody):
    item: Id


class ItemsBody(Body):
    items: list[NamedItemBody] = Field(min_length=1, max_length=1000)


class VersionBody(Body):
    version: str = Field(max_length=200)


class CanaryBody(VersionBody):
    share: float = Field(ge=0, le=1)


class ShadowBody(Body):
    version: str | None = Field(None, max_length=200)


class WhyBody(RecommendBody):
    item: Id


class ErrorAnswer(BaseModel):
    error: str
    field: str | None = None

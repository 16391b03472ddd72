"""Bodies of requests and answers; the OpenAPI document at /docs is made from them."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from shortlist.cascade.body_values import BodyId
from shortlist.cascade.change_body import NamedItemBody, NamedUserBody
from shortlist.cascade.event_body import EventBody
from shortlist.cascade.given_items import MOST
from shortlist.expressions import MAX_LENGTH
from shortlist.requests import MAX_HISTORY, RecommendRequest
from shortlist.serve.user_tokens import MOST as MOST_TOKEN

Id = BodyId

Filters = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_LENGTH},
                {"type": "object", "additionalProperties": True},
                {"type": "null"},
            ]
        }
    ),
]
"""An expression, or attribute → condition; `RecommendRequest` checks which, so that an error names the field as it is sent."""


LIST_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST,
    "items": {
        "anyOf": [
            {"type": "integer"},
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "item": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "title": {"type": "string"},
                },
                "required": ["item"],
                "additionalProperties": True,
            },
        ]
    },
}
"""The items of a given list, as the OpenAPI document describes them; `read_list` checks them."""


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, and values of another type (`true` for a number, `"5"`)."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, strict=True)


PlacementName = Annotated[str, Field(max_length=64)]


class RecommendFields(Body):
    """A request for a slate: the fields of `RecommendRequest`."""

    placement: PlacementName | None = None
    """Where the slate is shown: a placement of the project, whose settings hold for every field that is left out."""
    user: Id | None = None
    """User id. An unknown user is treated as new, and the answer reports it."""
    history: list[Id] | None = Field(None, max_length=MAX_HISTORY)
    """Item ids, oldest first, instead of a user. Unknown items are ignored and named in the answer."""
    n: Any = None
    """Number of items, 1 to 200 (default: the placement's, or 10)."""
    context: dict[str, Any] | None = None
    """The moment of the request: context column → value, such as the device; for a visitor also user attributes."""
    weights: dict[str, Any] | None = None
    """Objective → weight in the utility (default: the project's)."""
    filters: Filters = None
    """What an item must fulfil: an expression, as "price < 20 and brand = viewed.brand", or attribute → any, none, min or max."""
    boosts: list[dict[str, Any]] | None = None
    """Conditions that change the utility of items: when (written like filters) and amount (-100 to 100, or an expression)."""
    diversity: float | None = None
    """How dissimilar the items are to each other, 0 to 1."""
    freshness: float | None = None
    """Boost of new items, 0 to 10."""
    calibration: float | None = None
    """How strongly the slate keeps to the shares of genres in the user's history, 0 to 1."""
    combine: str | None = None
    """How objectives become one number: sum or product."""
    at_least: dict[str, Any] | None = None
    """Guard-rails: objective → least mean prediction of the slate."""
    explore: float | None = None
    """Strength of exploration, 0 to 5; the propensity of each item is in the answer and in the log."""
    seed: int | None = None
    """Seed of exploration, so that a slate can be reproduced."""
    after: Id | None = None
    """Up next: the item that the user is looking at, as the latest of the history. It is not recommended."""
    cursor: str | None = None
    """The cursor of the page before: the next page is answered, without the items of the pages so far. Only n, history, context and seed
    may differ from the request of the first page."""

    def to_request(self, opened: Callable[[str | None], str | None] | None = None) -> RecommendRequest:
        """The body as a request; `opened` returns the cursor of a signed text. Raises `RequestError`."""
        values = dict(zip(RECOMMEND_FIELDS, _VALUES_OF(self), strict=True))
        if opened is not None:
            values["cursor"] = opened(self.cursor)
        return RecommendRequest(**values)


RECOMMEND_FIELDS = tuple(RecommendFields.model_fields)
_VALUES_OF = attrgetter(*RECOMMEND_FIELDS)
UserToken = Annotated[str | None, Field(max_length=MOST_TOKEN)]


class RecommendBody(RecommendFields):
    """A request for a slate."""

    user_token: UserToken = None
    """What your server signed for the user: needed where the public key takes signed users only."""


class RankFields(Body):
    """A request to order a given list: every item comes back."""

    placement: PlacementName | None = None
    """Where the list is shown: a placement of the project, whose weights hold for those that are left out."""
    user: Id | None = None
    """User id. An unknown user is treated as new, and the answer reports it."""
    history: list[Id] | None = Field(None, max_length=MAX_HISTORY)
    """Item ids, oldest first, instead of a user."""
    items: Annotated[Any, WithJsonSchema(LIST_SCHEMA)]
    """1 to 2,000 distinct items: ids, or objects with `item` (the id), given numbers of `data.given`, and for items that the catalogue
    does not have, `title` and attributes."""
    context: dict[str, Any] | None = None
    """The moment of the request: context column → value, such as the device; for a visitor also user attributes."""
    weights: dict[str, Any] | None = None
    """Objective → weight in the utility (default: the project's)."""
    combine: str | None = None
    """How objectives become one number: sum or product."""
    after: Id | None = None
    """The item that the user is looking at, as the latest of the history."""

    def to_request(self) -> RecommendRequest:
        """The body without its items as a request. Raises `RequestError`."""
        return RecommendRequest(**{name: getattr(self, name) for name in RANK_FIELDS})


RANK_FIELDS = tuple(name for name in RankFields.model_fields if name != "items")


class RankBody(RankFields):
    """A request to order a given list: every item comes back."""

    user_token: UserToken = None
    """What your server signed for the user: needed where the public key takes signed users only."""


class PageBody(Body):
    """A request for a page of rows."""

    placement: PlacementName | None = None
    """Where the page is shown: a placement of the project, whose rows and other settings hold."""
    user: Id | None = None
    history: list[Id] | None = Field(None, max_length=MAX_HISTORY)
    rows: int = Field(6, ge=1, le=40)
    n: int | None = Field(None, ge=1, le=50)
    """Items in a row at most (default: the placement's, or 10)."""
    context: dict[str, Any] | None = None
    weights: dict[str, Any] | None = None
    filters: Filters = None
    user_token: UserToken = None
    """What your server signed for the user: needed where the public key takes signed users only."""


class ItemAnswer(BaseModel):
    """One recommended item."""

    item: Id
    title: str
    score: float
    predictions: dict[str, float]
    sources: dict[str, int]
    """Retrievers that proposed it → rank, from 0."""
    reason: str
    propensity: float
    """Probability with which it was put into its slot, given the slots above."""


class RecommendAnswer(BaseModel):
    """A slate."""

    slate_id: str
    model_version: str
    user_known: bool
    unknown_items: list[Id]
    guard_rails: dict[str, dict[str, float]]
    """For each guard-rail, the least mean that was asked for, and the mean of the items of all pages so far."""
    policy: str
    """Version of everything that chose the slate: model, weights, re-ranking."""
    warnings: list[str]
    """What in the request had no effect: filter values that do not occur, items and users that are not known."""
    experiments: dict[str, str]
    """Experiment → arm of this user."""
    items: list[ItemAnswer]
    first_position: int
    """Position of the first item over all pages of the request, from 0."""
    cursor: str | None
    """Send it with the same request for the next page; null where no page can follow."""
    timing: dict[str, float] | None = None
    """With `?debug=timing`: stage → milliseconds."""


class RankAnswer(BaseModel):
    """A given list in order, best first."""

    slate_id: str
    """Send it with the impressions and events that come from this list."""
    model_version: str
    user_known: bool
    unknown_items: list[Id]
    """Items of the history and of the list that the catalogue does not have. Those of the list are ranked by their fields."""
    policy: str
    warnings: list[str]
    experiments: dict[str, str]
    """Experiment → arm of this user."""
    items: list[ItemAnswer]
    """All items of the list."""
    timing: dict[str, float] | None = None
    """With `?debug=timing`: stage → milliseconds."""


class RowAnswer(BaseModel):
    """One row of a page."""

    slate_id: str
    """Send it with the events that come from this row."""
    kind: str
    title: str
    about: Id | None
    """The item or attribute value that the row is about."""
    items: list[ItemAnswer]


class PageAnswer(BaseModel):
    """A page of rows."""

    page_id: str
    model_version: str
    user_known: bool
    rows: list[RowAnswer]
    """From top to bottom; no item is on the page twice."""
    warnings: list[str]
    """What in the request had no effect, as in a slate."""


class EventsBody(Body):
    """A batch of events; stored whole or not at all."""

    events: list[EventBody] = Field(min_length=1, max_length=1000)
    user_token: UserToken = None
    """What your server signed for the user of the events: needed where the public key takes signed users only."""


class EventsAnswer(BaseModel):
    """How many events were new."""

    accepted: int
    repeated: int


class SimilarAnswer(BaseModel):
    """Items similar to one."""

    item: Id
    items: list[ItemAnswer]


class ItemsBody(Body):
    """Changes of many items."""

    items: list[NamedItemBody] = Field(min_length=1, max_length=1000)


class UsersBody(Body):
    """Changes of many users."""

    users: list[NamedUserBody] = Field(min_length=1, max_length=1000)


class AudienceBody(Body):
    """Which audiences are wanted: for items, or for what filters permit."""

    items: list[Id] | None = Field(None, min_length=1, max_length=1000)
    """Item ids: the best users for each of them."""
    filters: Filters = None
    """Without items: what is wanted; a user counts by the best item that the filters permit."""
    n: int = Field(100, ge=1, le=10_000)
    """Users of each audience."""
    cap: int | None = Field(None, ge=1)
    """Audiences that one user may be in; null: any number."""
    users: list[Id] | None = Field(None, max_length=200_000)
    """The users to choose among; null: everybody with a history."""
    context: dict[str, Any] | None = None
    weights: dict[str, Any] | None = None


class VersionBody(Body):
    """A model."""

    version: str = Field(max_length=200)


class CanaryBody(VersionBody):
    """A model and the share of the users it answers."""

    share: float = Field(ge=0, le=1)


class ShadowBody(Body):
    """A model, or null."""

    version: str | None = Field(None, max_length=200)


class WhyBody(RecommendFields):
    """A request, and the item that is asked about."""

    item: Id


class StepAnswer(BaseModel):
    """One stage that an item went through."""

    stage: str
    passed: bool
    sentence: str


class WhyAnswer(BaseModel):
    """Where an item came to in a request."""

    item: Id
    title: str
    shown: bool
    stage: str
    """The stage that decided."""
    sentence: str
    steps: list[StepAnswer]


class MemberAnswer(BaseModel):
    """One user of an audience."""

    item: Id
    user: Id
    score: float
    predictions: dict[str, float]


class AudienceAnswer(BaseModel):
    """Users for items; those of one item are adjacent, best first."""

    model_version: str
    considered: int
    """Number of users that were considered."""
    members: list[MemberAnswer]
    warnings: list[str]


class SimilarUserAnswer(BaseModel):
    """A user who took similar items."""

    user: Id
    score: float
    """Cosine of the two histories, from 0 to 1."""
    shared: list[Id]
    """Items in common that contribute most."""


class SimilarUsersAnswer(BaseModel):
    """Users similar to one, best first."""

    user: Id
    user_known: bool
    """Whether the user has a history; without one, nobody is similar."""
    users: list[SimilarUserAnswer]
    warnings: list[str]
    """Why there are no users."""


class ErrorAnswer(BaseModel):
    """What was wrong, and with which field."""

    error: str
    field: str | None = None

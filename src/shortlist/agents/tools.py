"""The tools that agents can call: what each takes, what it answers, and how.

Inputs are the models of the HTTP interface, so both have the same fields, descriptions and errors. No tool writes: events,
items, keys and settings can be changed over HTTP and by the command line only, and slates that a tool answers are not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from shortlist.cascade.stage_times import StageTimes
from shortlist.config.changes import changed_project
from shortlist.data.json_text import as_json
from shortlist.data.slates import Slate
from shortlist.errors import RequestError, ShortlistError, field_fault, first_fault, suggestion
from shortlist.recommender import Recommender
from shortlist.serve.body_fields import fields_at
from shortlist.serve.schema import Body, Id, RankFields, RecommendFields, WhyBody
from shortlist.serve.slates import ServedSlate

Answer = dict[str, Any]


class SimilarBody(Body):
    """A request for similar items."""

    item: Id
    """Id of the item."""
    n: int = Field(10, ge=1, le=200)
    """Number of items."""
    by: str | None = None
    """The source to ask, such as together for what is bought with the item (default: the first that finds any)."""


class TrialBody(Body):
    """A change of settings that is to be tried."""

    rerank: dict[str, Any] = Field(default_factory=dict)
    """Settings of [rerank] that differ from the present ones, such as {"diversity": 0.3} or {"rules": [{"name": "sale", "when": "price <
    20", "action": "boost"}]}. Rules replace the present rules."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Objective → weight, for objectives whose weight differs from the present one."""
    placements: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Placement → all of its settings, for placements whose settings differ from the present ones."""
    placement: str | None = None
    """The placement whose slates are compared (default: requests without one)."""
    people: int = Field(200, ge=1, le=2_000)
    """Number of users whose slates are compared."""
    n: int = Field(10, ge=1, le=200)
    """Number of items in a slate."""


@dataclass(frozen=True)
class AgentTool:
    """One tool: the model of its input, and the function that answers."""

    name: str
    description: str
    body: type[BaseModel]
    answer: Callable[[Recommender, Any], Answer]

    def __call__(self, recommender: Recommender, arguments: Mapping[str, Any]) -> Answer:
        """Answer a call. Raises `ShortlistError` naming the field."""
        try:
            body = self.body.model_validate(arguments)
        except ValidationError as error:
            first = first_fault([dict(one) for one in error.errors()])
            sentence, field = field_fault(first, fields_at(self.body, first["loc"]))
            raise RequestError(sentence, field=field or None) from None
        return dict(orjson.loads(as_json(self.answer(recommender, body))))


def _slate(slate: Slate) -> Answer:
    return ServedSlate(slate, {}, StageTimes()).content()


def _recommend(recommender: Recommender, body: RecommendFields) -> Answer:
    return _slate(recommender.recommend(body.to_request()))


def _rank(recommender: Recommender, body: RankFields) -> Answer:
    return _slate(recommender.rank(body.to_request(), body.items))


def _similar(recommender: Recommender, body: SimilarBody) -> Answer:
    return {"item": body.item, "items": recommender.similar(body.item, body.n, body.by)}


def _why(recommender: Recommender, body: WhyBody) -> Answer:
    return recommender.why(body.to_request(), body.item)


def _preview(recommender: Recommender, body: TrialBody) -> Answer:
    changed = changed_project(recommender.project, body.rerank, body.weights, body.placements)
    users = recommender.some_users(body.people)
    return recommender.preview(changed, users, body.n, body.placement).to_json()


TOOLS = {
    tool.name: tool
    for tool in (
        AgentTool(
            "recommend",
            "Choose the best items of the catalogue for a user, or for a history of items. Each item comes with the predictions of every "
            "objective, the retrievers that proposed it, and a reason in words. `cursor` gives the next page.",
            RecommendFields,
            _recommend,
        ),
        AgentTool(
            "rank",
            "Order a given list of up to 2,000 items for a user. Every item comes back, best first.",
            RankFields,
            _rank,
        ),
        AgentTool("similar", "List the items that are most similar to one item.", SimilarBody, _similar),
        AgentTool(
            "why",
            "Explain why an item is or is not in the slate of a request: the stage that kept it off, a sentence, and all steps.",
            WhyBody,
            _why,
        ),
        AgentTool(
            "preview",
            "Try other re-ranking settings or rules on the slates of some users, without serving them: how many slates would change, the "
            "cost in predicted utility with its 95 % interval, the change of each objective, and which items would be shown more or less often.",
            TrialBody,
            _preview,
        ),
    )
}
"""Name → tool."""


def find_tool(name: str) -> AgentTool:
    """Return a tool by its name. Raises `ShortlistError` where there is none."""
    if name not in TOOLS:
        raise ShortlistError(
            f"there is no tool {name!r}{suggestion(name, TOOLS)}; there are: {', '.join(TOOLS)}", field="name"
        )
    return TOOLS[name]

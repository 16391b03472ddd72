"""Resources that agents can read about a recommender before they call a tool: its objectives, its attributes, its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shortlist.agents.followed import FollowedRecommender
from shortlist.config.base import IMPRESSION
from shortlist.data.attributes import CategoryAttribute

VALUES = 50
"""Values of an attribute that are listed at most."""


@dataclass(frozen=True)
class AgentResource:
    """One resource: its address, what it is about, and the function that reads it."""

    uri: str
    name: str
    description: str
    read: Callable[[FollowedRecommender], dict[str, Any]]


def _objectives(followed: FollowedRecommender) -> dict[str, Any]:
    project = followed.current().project
    return {
        "objectives": {
            name: {"kind": o.kind, "weight": o.weight, "events": list(o.events)}
            for name, o in project.objectives.items()
        },
        "combine": project.utility.combine,
        "at_least": dict(project.utility.at_least or {}),
    }


def _attributes(followed: FollowedRecommender) -> dict[str, Any]:
    recommender = followed.current()
    data = recommender.dataset
    return {
        "items": _described(recommender.state.catalogue.items.attributes),
        "users": _described(data.users.attributes),
        "context": _described(data.log.context),
        "events": [kind for kind in data.log.kinds if kind != IMPRESSION],
    }


def _health(followed: FollowedRecommender) -> dict[str, Any]:
    recommender = followed.current()
    return {
        "name": recommender.project.name,
        "model_version": recommender.version,
        "items": len(recommender.state.catalogue.items),
        "users": len(recommender.dataset.users),
        "events_in_training": len(recommender.dataset.log),
        "events_since": recommender.state.observed,
        "follows_a_store": followed.store is not None,
        "settings": followed.approved.history.serving,
        "settings_fault": followed.approved.fault,
        **followed.loaded.not_taken,
    }


def _described(attributes: Any) -> dict[str, Any]:
    """Name → kind, and the values of categories while there are few."""
    found: dict[str, Any] = {}
    for name, attribute in attributes.items():
        found[name] = {"kind": attribute.kind}
        if isinstance(attribute, CategoryAttribute):
            found[name] |= {
                "values": list(attribute.vocabulary[:VALUES]),
                "distinct": len(attribute.vocabulary),
            }
    return found


RESOURCES = {
    one.uri: one
    for one in (
        AgentResource(
            "shortlist://objectives",
            "objectives",
            "What the recommender predicts for each item, with the weights of the utility.",
            _objectives,
        ),
        AgentResource(
            "shortlist://attributes",
            "attributes",
            "Attributes of items and users and the context, as filters and boosts name them.",
            _attributes,
        ),
        AgentResource(
            "shortlist://health", "health", "Version and size of the model, and what it has read.", _health
        ),
    )
}
"""Address → resource."""

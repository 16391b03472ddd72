"""Placements of a product with a start page, a row of short films and a shelf for children."""

from __future__ import annotations

from typing import Any

from shortlist.config.project import parse_project
from shortlist.recommender import Recommender

PLACEMENTS: dict[str, Any] = {
    "home": {
        "n": 6,
        "weights": {"seconds": 3.0},
        "diversity": 0.4,
        "rows": [{"kind": "trending", "title": "Hot"}, {"kind": "picks", "filters": "minutes < 110", "title": "Short"}],
        "experiments": ["variety"],
    },
    "short": {
        "filters": "minutes < 110",
        "rules": [{"name": "comedy first", "when": 'genres contains "Comedy"', "action": "pin", "slot": 0}],
    },
    "children": {"rules": [{"name": "no horror", "when": 'genres contains "Horror"', "action": "hide"}]},
}  # fmt: skip


def with_placements(recommender: Recommender, **more: Any) -> Recommender:
    """Return the recommender with `PLACEMENTS`, an experiment at home and one everywhere, and further sections of the project."""
    arms = {"now": {}, "varied": {"diversity": 0.9}}
    settings = {
        **recommender.project.model_dump(exclude_none=True),
        "placements": PLACEMENTS,
        "experiments": {
            "variety": {"metric": "play", "arms": arms},
            "watching": {"metric": "seconds", "arms": {"now": {}, "long": {"weights": {"seconds": 5.0}}}},
        },
        **more,
    }
    return recommender.with_project(parse_project(settings))

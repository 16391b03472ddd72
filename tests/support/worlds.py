"""Simulated worlds that tests share."""

from __future__ import annotations

from dataclasses import replace

from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World


def deterministic(world: World) -> World:
    """Reduce a world's project to a plain cascade without exploration and cold start.

    The same request then has the same answer: the ranker learns from candidates, the re-ranker sorts by utility, and the
    page shows one slate.
    """
    rerank = {name: value for name, value in world.settings["rerank"].items() if name != "new_items"}
    settings = {
        **world.settings,
        "rank": {},
        "rerank": {**rerank, "diversity": 0.0},
        "view": "slate",
    }
    return replace(world, settings=settings)


def small_world() -> World:
    """Make a deterministic world of movies with 600 users, 300 items and 4,000 sessions."""
    return deterministic(make_movies(users=600, items=300, sessions=4_000, days=60, seed=3))

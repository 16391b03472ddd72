"""Simulated worlds that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from shortlist.simulate.movies import make_movies
from shortlist.simulate.registry import WORLDS
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


def quick(world: World, trees: int = 20, heads: str = "joint") -> World:
    """Reduce the ranker of a world's project to few trees that predict all objectives together, for tests of what surrounds it."""
    rank = {**world.settings["rank"], "trees": trees, "heads": heads}
    return replace(world, settings={**world.settings, "rank": rank})


@contextmanager
def quick_worlds() -> Iterator[None]:
    """Make the worlds of `shortlist demo` and `simulate` quick to train, for tests of the commands."""

    def quickly(make: Callable[..., World]) -> Callable[..., World]:
        return lambda **sizes: quick(make(**sizes), trees=10)

    with patch.dict(WORLDS, {name: quickly(make) for name, make in WORLDS.items()}):
        yield


def tiny_world() -> World:
    """Make a deterministic world of movies with 200 users, 120 items and 1,500 sessions, whose ranker is quick to train."""
    return quick(deterministic(make_movies(users=200, items=120, sessions=1_500, days=60, seed=3)))


def small_world() -> World:
    """Make a deterministic world of movies with 600 users, 300 items and 4,000 sessions."""
    return deterministic(make_movies(users=600, items=300, sessions=4_000, days=60, seed=3))

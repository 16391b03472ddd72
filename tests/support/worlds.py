"""Simulated worlds that tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from unittest.mock import patch

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.simulate.movies import make_movies
from shortlist.simulate.world import World
from support.sizes import FULL


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
def few_trees(trees: int = 10) -> Iterator[None]:
    """Let the boosted trees that this process fits be few and predict all objectives together, for tests of what surrounds them."""
    construct = GBDTRanker.__init__

    def with_few(
        self: GBDTRanker, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0
    ) -> None:
        few = {"trees": min(settings.trees, trees), "heads": "joint"}
        construct(self, settings.model_copy(update=few), objectives, seed)

    with patch.object(GBDTRanker, "__init__", with_few):
        yield


def quick_training() -> AbstractContextManager[None]:
    """Let what this process trains have few trees, except in the long form of the tests."""
    return nullcontext() if FULL else few_trees()


def tiny_world() -> World:
    """Make a deterministic world of movies with 200 users, 120 items and 1,500 sessions, whose ranker is quick to train."""
    return quick(deterministic(make_movies(users=200, items=120, sessions=1_500, days=60, seed=3)))


def small_world() -> World:
    """Make a deterministic world of movies with 600 users, 300 items and 4,000 sessions."""
    return deterministic(make_movies(users=600, items=300, sessions=4_000, days=60, seed=3))

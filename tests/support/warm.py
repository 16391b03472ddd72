"""Train the recommender that most tests use, and compile Numba's kernels once, before several workers start.

Each kernel is compiled by the first process that needs it and read from the cache by later ones; workers that begin at the same time would
compile the same kernels side by side. The checks of the source, which run beside this, leave a core free.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pyarrow as pa

import shortlist
from shortlist.recommender import Recommender
from shortlist.retrieve import RETRIEVERS
from shortlist.simulate.world import World
from support.cache import cached_folder
from support.interactions import make_requests
from support.retrievers import SMALL, small_dataset
from support.worlds import few_trees, small_world, tiny_world


def train_bundle(world: World, folder: Path) -> Path:
    """Train on a world and save the bundle into a folder that does not exist yet."""
    return Recommender(world.project()).fit(world.dataset()).save(folder)


def compile_kernels() -> None:
    """Evaluate a recommender and a table, and fit each model but the networks."""
    world = tiny_world()
    with few_trees():
        shortlist.evaluate(world.project(), world.dataset(), truth=world.truth)
    test = pa.table({"user_id": ["a", "b"], "item_id": ["x", "y"]})
    lists = pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    shortlist.evaluate({"lists": lists}, test=test, k=2)
    for name in RETRIEVERS:
        if name not in SMALL:
            RETRIEVERS[name]().fit(small_dataset()).retrieve(make_requests([0, 1]), 3)


if __name__ == "__main__":
    bundle = cached_folder("bundle", lambda folder: train_bundle(small_world(), folder))
    Recommender.load(bundle).recommend(user="u00001", n=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile_kernels()

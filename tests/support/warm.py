"""Train the recommender that most tests use, so that Numba's compiled kernels are cached before two workers start."""

from __future__ import annotations

from pathlib import Path

from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from support.cache import cached_folder
from support.worlds import small_world


def train_bundle(world: World, folder: Path) -> Path:
    """Train on a world and save the bundle into a folder that does not exist yet."""
    return Recommender(world.project()).fit(world.dataset()).save(folder)


if __name__ == "__main__":
    bundle = cached_folder("bundle", lambda folder: train_bundle(small_world(), folder))
    Recommender.load(bundle).recommend(user="u00001", n=5)

"""Copies, pickles and clones of a whole recommender."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.base import clone

from shortlist.errors import NotFittedError
from shortlist.recommender import Recommender
from shortlist.simulate.world import World

Copy = Callable[[Recommender], Recommender]
COPIES: dict[str, Copy] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda original: pickle.loads(pickle.dumps(original)),
}


def items_of(recommender: Recommender, user: str = "u00005") -> list[str]:
    return [r.item for r in recommender.recommend(user=user, n=8)]


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_carries_the_live_state_and_is_independent_of_the_original(how: str, bundle: Path) -> None:
    original = Recommender.load(bundle)
    first = items_of(original)[0]
    original.observe("u00005", first, "play", value=5_000.0)
    original.change_item("m00001", {"retired": True})
    twin = COPIES[how](original)
    expected = items_of(original)
    assert first not in expected
    assert items_of(twin) == expected
    assert "m00001" in twin.state.catalogue.items.ids.ids(twin.state.catalogue.retired.nonzero()[0])
    for item in expected[:3]:
        twin.observe("u00005", item, "play", value=5_000.0)
    assert not set(items_of(twin)) & set(expected[:3])
    assert items_of(original) == expected
    assert twin.state.observed == original.state.observed + 3
    assert repr(twin) == repr(original)


def test_a_deep_copy_shares_the_immutable_model(recommender: Recommender) -> None:
    twin = copy.deepcopy(recommender)
    assert twin.model is recommender.model
    assert twin.state is not recommender.state


@pytest.mark.parametrize("how", COPIES)
def test_an_unfitted_recommender_can_be_copied(how: str, world: World) -> None:
    twin = COPIES[how](Recommender(world.project()))
    assert twin.project == world.project()
    with pytest.raises(NotFittedError, match="call fit"):
        twin.recommend(user="u00005")


def test_a_clone_has_the_project_and_nothing_learned(recommender: Recommender) -> None:
    fresh = clone(recommender)
    assert fresh.project is recommender.project
    with pytest.raises(NotFittedError, match="call fit"):
        fresh.recommend(user="u00005")


def test_a_saved_copy_is_the_saved_original(recommender: Recommender, tmp_path: Path) -> None:
    twin = pickle.loads(pickle.dumps(recommender))
    twin.save(tmp_path / "bundle")
    assert items_of(Recommender.load(tmp_path / "bundle")) == items_of(recommender)

"""Columns and vectors of items that are added or changed while serving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.entities import EntityChange
from shortlist.data.histories import Histories
from shortlist.errors import DataError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.item_features import ItemFeatures
from support.feature_cases import feature_set, make

NEW: dict[str, Any] = {
    "tags": ["y", "unheard"],
    "shop": "t",
    "price": 7.5,
    "words": "red shoe",
    "vector": [0.6, 0.8],
    "made": 86_400_000,
}


@pytest.fixture
def dataset() -> Dataset:
    return make([("u", "a", 1.0, "play", 1.0), ("v", "b", 2.0, "show", 1.0)])


@pytest.fixture
def features(dataset: Dataset) -> FeatureSet:
    return feature_set(dataset).fit(dataset)


def columns(features: FeatureSet, items: ItemFeatures, row: int) -> dict[str, float]:
    names = features.names([])[: features.layout.fixed_width]
    return dict(zip(names, items.columns[row].tolist(), strict=True))


def similarity(items: ItemFeatures, by: str, history: list[int], item: list[int]) -> list[float]:
    """The cosine of each item and one history of items."""
    n = len(history)
    past = Histories(
        np.array([0, n]),
        np.array(history, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int16),
        np.zeros(n, np.float32),
    )
    column = np.empty(len(item), np.float32)
    request = np.zeros(len(item), np.int64)
    items.vectors[by].fill_similarity(column, past, request, np.array(item, np.int32), True)
    return [round(float(value), 6) if value == value else -2.0 for value in column]  # -2: unknown


def test_a_new_item_has_its_own_columns_and_unknown_components(
    dataset: Dataset, features: FeatureSet
) -> None:
    items = features.item_features(dataset.items)
    before = items.columns.copy()
    catalogue = dataset.items.with_changes([EntityChange("d", None, NEW)])
    items.update([3], catalogue)
    assert len(items) == 4
    new = columns(features, items, 3)
    assert (new["price"], new["shop"]) == (7.5, 1)
    assert (new["tag=x"], new["tag=y"]) == (0, 1)
    for name in ("text~1", "text~2", "vector~1", "vector~2"):
        assert np.isnan(new[name])
    np.testing.assert_array_equal(items.columns[:3], before)


def test_a_category_that_training_has_not_seen_is_unknown(dataset: Dataset, features: FeatureSet) -> None:
    items = features.item_features(dataset.items)
    items.update([0], dataset.items.with_changes([EntityChange("a", None, {"shop": "unheard"})]))
    assert np.isnan(columns(features, items, 0)["shop"])


def test_a_changed_item_keeps_the_components_of_training(dataset: Dataset, features: FeatureSet) -> None:
    items = features.item_features(dataset.items)
    before = columns(features, items, 0)
    changes = {"price": 9.0, "words": "blue sock", "vector": [0.0, 1.0]}
    items.update([0], dataset.items.with_changes([EntityChange("a", None, changes)]))
    after = columns(features, items, 0)
    assert after.pop("price") == 9.0
    assert before.pop("price") == 1.5
    assert after == before


@pytest.mark.parametrize("by", ["words", "vector", "tags", "shop"])
def test_a_new_item_is_similar_by_its_vector(dataset: Dataset, features: FeatureSet, by: str) -> None:
    """A copy of item a is as similar to every history as item a, and the vectors of others do not change."""
    items = features.item_features(dataset.items)
    if by not in items.vectors:
        pytest.skip("no feature compares items by it")
    before = similarity(items, by, [0, 1], [0, 1, 2])
    copy = {name: dataset.items.attributes[name].show(0) for name in NEW}
    changes = [EntityChange("d", None, copy), EntityChange("e", None, NEW)]
    items.update([3, 4], dataset.items.with_changes(changes))
    assert similarity(items, by, [0, 1], [0, 1, 2]) == before
    assert similarity(items, by, [0, 1], [3]) == before[:1]
    assert similarity(items, by, [3, 1], [0, 1, 2]) == before


def test_vectors_outgrow_their_room(dataset: Dataset, features: FeatureSet) -> None:
    """Many changes and long texts: each item has the vector of its latest text."""
    items = features.item_features(dataset.items, room=4)
    catalogue = dataset.items
    text = " ".join(f"word{n}" for n in range(900))
    for number in range(6):
        words = f"{text} {number}" if number % 2 else "red shoe"
        catalogue = catalogue.with_changes([EntityChange("d", None, {"words": words})])
        items.update([3], catalogue)
        fresh = features.item_features(dataset.items)
        fresh.update([3], catalogue)
        assert similarity(items, "words", [0], [3]) == similarity(fresh, "words", [0], [3])
    assert similarity(items, "words", [3], [3]) == pytest.approx([1.0], abs=1e-3)


def test_without_room_nothing_is_changed(dataset: Dataset, features: FeatureSet) -> None:
    items = features.item_features(dataset.items, room=0)
    before = items.columns.copy()
    with pytest.raises(DataError, match="no room for 1 more items"):
        items.update([3], dataset.items.with_changes([EntityChange("d", None, NEW)]))
    assert len(items) == 3
    np.testing.assert_array_equal(items.columns, before)


def test_an_update_makes_no_new_column_array(dataset: Dataset, features: FeatureSet) -> None:
    """The cost of an update is that of its rows: the arrays of the catalogue are not copied."""
    items = features.item_features(dataset.items)
    memory = items.columns.base
    items.update([3], dataset.items.with_changes([EntityChange("d", None, NEW)]))
    assert items.columns.base is memory

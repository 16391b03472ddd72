"""Predictions of the compiled kernel equal those of XGBoost to the bit, for every kind of tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
import xgboost as xgb

from shortlist.rank.gbdt.infer import Forest


def trained(
    targets: int, categories: int, depth: int, rounds: int, seed: int, **extra: Any
) -> tuple[xgb.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(3_000, 9)).astype(np.float32)
    matrix[:, 3] = rng.integers(0, 5, 3_000)  # ties and thresholds that are met exactly
    if categories:
        matrix[:, 8] = rng.integers(0, categories, 3_000)
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    label = (
        np.nan_to_num(matrix[:, :targets])
        + (np.nan_to_num(matrix[:, 8:9]) % 3)
        + rng.normal(size=(3_000, targets))
    )
    types = ["q"] * 8 + ["c" if categories else "q"]
    data = xgb.DMatrix(
        matrix,
        label=label if targets > 1 else label[:, 0],
        feature_types=types,
        enable_categorical=bool(categories),
    )
    strategy = {"multi_strategy": "multi_output_tree"} if targets > 1 else {}
    return xgb.train(
        {"max_depth": depth, "eta": 0.2, "tree_method": "hist", **strategy, **extra}, data, rounds
    ), matrix


@pytest.mark.parametrize(
    ("targets", "categories", "depth", "rounds"),
    [
        (1, 0, 1, 1),
        (1, 0, 4, 30),
        (1, 0, 6, 40),
        (3, 0, 5, 30),
        (1, 4, 4, 20),
        (1, 90, 6, 30),
        (2, 0, 9, 10),
    ],
)
def test_a_forest_predicts_exactly_what_the_booster_predicts(
    targets: int, categories: int, depth: int, rounds: int
) -> None:
    booster, matrix = trained(targets, categories, depth, rounds, seed=depth)
    forest = Forest.of(booster)
    assert forest is not None
    queried = matrix.copy()
    if categories:  # categories that training did not have, and impossible ones
        queried[:50, 8] = [categories + 3, -1, 1e9, 2.5, 0.0] * 10
        queried[queried[:, 8] < 0, 8] = categories + 40
    small = depth <= 5 and not categories
    assert (forest._masks is not None) == small  # trees of more leaves are walked
    for rows in (queried, queried[:1], queried[:33], queried[:50], queried[:64], queried[:130], queried[:0]):
        expected = (
            booster.inplace_predict(rows, predict_type="margin").reshape(len(rows), -1)
            if len(rows)
            else np.empty((0, targets))
        )
        np.testing.assert_array_equal(forest.margins(rows), expected)


def test_a_base_score_and_fewer_trees_are_kept() -> None:
    booster, matrix = trained(1, 0, 4, 25, seed=3, base_score=0.7)
    part = booster[:7]
    forest = Forest.of(part)
    assert forest is not None
    np.testing.assert_array_equal(
        forest.margins(matrix)[:, 0], part.inplace_predict(matrix, predict_type="margin")
    )


class Altered:
    """A booster whose file differs from its predictions, as that of another version may."""

    def __init__(self, booster: xgb.Booster, change: Any) -> None:
        self.booster, self.change = booster, change

    def save_raw(self, _kind: str) -> bytearray:
        model = orjson.loads(bytes(self.booster.save_raw("json")))
        self.change(model)
        return bytearray(orjson.dumps(model))

    def inplace_predict(self, *a: Any, **k: Any) -> Any:
        return self.booster.inplace_predict(*a, **k)


def test_the_booster_predicts_where_the_forest_would_differ() -> None:
    booster, _ = trained(1, 0, 4, 10, seed=1)

    def tree(model: dict[str, Any]) -> dict[str, Any]:
        first: dict[str, Any] = model["learner"]["gradient_booster"]["model"]["trees"][0]
        return first

    def turned(model: dict[str, Any]) -> None:
        tree(model)["default_left"] = [1 - int(d) for d in tree(model)["default_left"]]

    def moved(model: dict[str, Any]) -> None:
        tree(model)["split_conditions"][0] += 0.3

    def lost(model: dict[str, Any]) -> None:
        del tree(model)["split_indices"]

    assert Forest.of(Altered(booster, lambda model: None)) is not None  # type: ignore[arg-type]
    for change in (turned, moved, lost):
        assert Forest.of(Altered(booster, change)) is None  # type: ignore[arg-type]

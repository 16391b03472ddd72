"""Malformed tree models are refused."""

from __future__ import annotations

import itertools
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.rank.gbdt.infer import Forest


def stays_within(forest: Forest) -> None:
    """Assert that every place a forest refers to exists."""
    assert (forest.column < 2 * forest.features).all()
    assert (forest.left < len(forest.column)).all()
    inner = forest.left != np.arange(len(forest.left))
    assert (forest.left[inner] + 1 < len(forest.column)).all()
    assert (forest.leaf < len(forest.values)).all()


def test_every_child_has_one_parent() -> None:
    """For every change of one child: a node with two parents is refused, so that children stay side by side."""
    import xgboost as xgb

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    booster = xgb.train({"max_depth": 3}, xgb.DMatrix(x, label=x[:, 0] + x[:, 1] ** 2), 1)
    saved = bytes(booster.save_raw("json"))
    Forest.read(saved)
    nodes = len(json.loads(saved)["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"])
    refused: list[str] = []
    for name, node, child in itertools.product(
        ("left_children", "right_children"), range(nodes), range(1, nodes)
    ):
        model = json.loads(saved)
        tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
        is_leaf = tree["left_children"][node] < 0
        if is_leaf or tree[name][node] == child:
            continue
        tree[name][node] = child
        try:
            forest = Forest.read(json.dumps(model).encode())
        except ValueError as error:
            refused.append(str(error))
            continue
        stays_within(forest)  # the child's other parent is not reached any more
    assert set(refused) == {"a node of a tree has two parents"}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_malformed_trees_are_refused(seed: int) -> None:
    """A model's JSON with any number in it changed is read as a forest that stays within itself, or is refused."""
    import xgboost as xgb

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    booster = xgb.train({"max_depth": 3}, xgb.DMatrix(x, label=x[:, 0] + x[:, 1] ** 2), 3)
    model = json.loads(bytes(booster.save_raw("json")))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][int(rng.integers(3))]
    name = ("left_children", "right_children", "split_indices")[int(rng.integers(3))]
    tree[name][int(rng.integers(len(tree[name])))] = int(rng.choice([-5, 0, 1, 3, 14, 200, 2**31 - 1]))
    try:
        forest = Forest.read(json.dumps(model).encode())
    except (KeyError, ValueError, IndexError, TypeError, OverflowError):
        return
    stays_within(forest)
    assert np.isfinite(forest.margins(x)).all()

"""Malformed tree models are refused."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.rank.gbdt.infer import Forest


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
    assert (forest.column < 2 * forest.features).all()
    assert (forest.left < len(forest.column)).all()
    inner = forest.left != np.arange(len(forest.left))
    assert (forest.left[inner] + 1 < len(forest.column)).all()
    assert (forest.leaf < len(forest.values)).all()
    assert np.isfinite(forest.margins(x)).all()

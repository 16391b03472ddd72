"""The profile of features: leaks and drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.rank.profile import profile_of, stability
from support.examples import examples_of


def make_data(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Three features, of which the first one predicts the label."""
    x = rng.normal(size=(n, 3))
    yes = rng.random(n) < expit(1.5 * x[:, 0] - 1)
    return x, yes


def test_a_feature_that_contains_the_label_is_suspected() -> None:
    rng = np.random.default_rng(11)
    x, yes = make_data(rng, 8_000)
    honest = profile_of(examples_of(x, {"yes": yes}))
    assert honest.suspects() == []
    assert 0.7 < honest.auc["yes"]["f0"] < 0.9
    assert honest.auc["yes"]["f1"] == pytest.approx(0.5, abs=0.05)
    leaks: dict[str, Callable[[], NDArray[Any]]] = {
        "copy": lambda: yes + rng.normal(0, 0.05, len(yes)),
        "missing": lambda: np.where(yes, 1.0, np.nan),  # present for positives only
        "rare": lambda: np.where(yes, 7.0, rng.integers(0, 6, len(yes))),
    }
    for name, leak in leaks.items():
        x[:, 2] = leak()
        found = profile_of(examples_of(x, {"yes": yes})).suspects()
        assert [(f, o) for f, o, _ in found] == [("f2", "yes")], name


def test_drift_is_measured() -> None:
    rng = np.random.default_rng(12)
    x, yes = make_data(rng, 8_000)
    profile = profile_of(examples_of(x, {"yes": yes}))
    same = profile.drift(rng.normal(size=(4_000, 3)).astype(np.float32), ["f0", "f1", "f2"])
    assert max(same.values()) < 0.02
    moved = rng.normal(size=(4_000, 3)).astype(np.float32)
    moved[:, 1] += 1
    moved[rng.random(4_000) < 0.4, 2] = np.nan
    drift = profile.drift(moved, ["f0", "f1", "f2"])
    assert drift["f0"] < 0.02
    assert drift["f1"] > 0.25
    assert drift["f2"] > 0.25
    assert stability(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert stability(np.array([0.5, 0.5]), np.array([0.75, 0.25])) == pytest.approx(0.25 * np.log(3))

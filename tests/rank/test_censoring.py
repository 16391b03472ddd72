"""Outcomes that come late or are not observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.rank.censoring import observation_weights, share_arrived
from support.examples import examples_of, ranker_of


def test_the_distribution_of_delays_is_estimated_from_truncated_ones() -> None:
    """Exponential delays of mean 1, observed for 0.2 to 3: the naive share is too high, Lynden-Bell's estimate is right."""
    rng = np.random.default_rng(2)
    delay, waited = rng.exponential(1000, 60_000), rng.uniform(200, 3000, 60_000)
    came = delay <= waited
    found = share_arrived(
        delay[came].astype(np.int64), waited[came].astype(np.int64), np.array([500, 1000, 2000, 3000])
    )
    truth = (1 - np.exp(-np.array([0.5, 1, 2, 3]))) / (1 - np.exp(-3))
    np.testing.assert_allclose(found, truth, atol=0.03)
    naive = (delay[came] <= 500).mean()
    assert naive - truth[0] > 0.08
    assert share_arrived(np.array([1]), np.array([2]), np.array([1])).tolist() == [
        1
    ]  # too few for an estimate


def test_late_outcomes_do_not_bias_the_prediction() -> None:
    rng = np.random.default_rng(3)
    n = 30_000
    x = rng.normal(size=(n, 2))
    chance = expit(x[:, 0] - 1)
    outcome = rng.random(n) < chance
    arrived = rng.choice([0.2, 0.6, 1.0], n)  # the share of the window that has passed
    seen = outcome & (rng.random(n) < arrived)
    test = slice(24_000, None)

    def trained(weighted: bool) -> NDArray[Any]:
        parts = [
            examples_of(x[p], {"a": seen[p]}, {"a": arrived[p] if weighted else np.ones(len(x[p]))})
            for p in (slice(0, 18_000), slice(18_000, 24_000))
        ]
        return ranker_of({"a": {}}).fit(parts[0], parts[1]).predict(x[test].astype(np.float32))[:, 0]

    assert trained(True).mean() == pytest.approx(chance[test].mean(), rel=0.05)
    assert trained(False).mean() < 0.75 * chance[test].mean()


@given(st.floats(0.1, 1), st.floats(0.01, 0.9))
def test_weights_are_unbiased(seen: float, p: float) -> None:
    """Of N rows with probability p, weighted positives sum to N·p and weighted negatives to N·(1 − p)."""
    yes, no = observation_weights(np.array([1.0, 0.0]), np.array([seen, seen]), p)
    assert p * seen * yes == pytest.approx(p)
    assert (1 - p * seen) * no == pytest.approx(1 - p)

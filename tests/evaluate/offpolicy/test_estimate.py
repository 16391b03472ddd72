"""The interval of a ratio: its formula one resample at a time, what it holds of skewed logs, and logs without spread."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.evaluate.offpolicy.estimate import cluster_bootstrap
from shortlist.metrics.significance import Resamples


def test_interval_equals_the_formula_one_resample_at_a_time() -> None:
    rng = np.random.default_rng(0)
    owners = rng.integers(0, 30, 80)
    owners[:30] = np.arange(30)
    a, b = rng.exponential(size=80), rng.uniform(0.5, 2, 80)
    found, error = cluster_bootstrap(a, b, owners, 200, 7)
    x, y = np.bincount(owners, a), np.bincount(owners, b)
    counts = Resamples(30, 200, 7).means(np.eye(30)) * 30  # how often each user is in each resample

    def ratio_and_error(users: np.ndarray) -> tuple[float, float]:
        r = x[users].sum() / y[users].sum()
        e = x[users] - r * y[users]
        return r, float(np.sqrt(np.mean(e**2) / len(users)) / y[users].mean())

    value, own = ratio_and_error(np.arange(30))
    drawn = [ratio_and_error(np.repeat(np.arange(30), np.round(row).astype(int))) for row in counts]
    t = sorted((r - value) / s for r, s in drawn)
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(
        value - t[194] * own
    )  # the 195th of 200 is the first with 97.5 % at or below it
    assert found.high == pytest.approx(value - t[4] * own)
    assert error == pytest.approx(np.std([r for r, _ in drawn], ddof=1))


def test_intervals_of_rare_rewards_with_large_weights_hold_the_truth() -> None:
    # a reward in 4 % of the rows; where the new policy differs most, the weight is 6
    weights, shares, rates = np.array([0.5, 2.0, 6.0]), np.array([0.75, 0.2, 0.05]), 0.04
    truth = rates * float(weights @ shares)
    held = plain = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        weight = rng.choice(weights, 1_500, p=shares)
        rows = weight * (rng.random(1_500) < rates)
        found, _ = cluster_bootstrap(rows, np.ones(1_500), np.arange(1_500), 150, seed)
        held += found.low <= truth <= found.high
        drawn = Resamples(1_500, 150, seed).means(rows)[:, 0]
        low, high = np.quantile(drawn, [0.025, 0.975])
        plain += bool(low <= truth <= high)
    assert held >= 0.93 * 400
    assert held > plain, (held, plain)


@pytest.mark.parametrize("rows", [np.full(50, 0.3), np.zeros(50)])
def test_rows_without_spread_have_an_interval_of_one_number(rows: np.ndarray) -> None:
    found, error = cluster_bootstrap(rows, np.ones(50), np.arange(50), 100, 0)
    assert (found.low, found.high) == pytest.approx((rows[0], rows[0]))
    assert error == pytest.approx(0)


def test_a_log_with_one_reward_has_a_finite_interval() -> None:
    rows = np.zeros(200)
    rows[7] = 5.0
    found, _ = cluster_bootstrap(rows, np.ones(200), np.arange(200), 300, 0)
    assert -np.inf < found.low <= found.value < found.high < np.inf


def test_no_weight_at_all_is_no_estimate() -> None:
    found, error = cluster_bootstrap(np.zeros(5), np.zeros(5), np.arange(5), 50, 0)
    assert np.isnan(found.value)
    assert error == np.inf

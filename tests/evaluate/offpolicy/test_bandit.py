"""Estimators for logs of single choices: against values by hand and known policies, and when they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LinearRegression

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy import (
    BanditLog,
    SlateLog,
    estimate_bandit,
    estimate_mips,
    fit_reward_model,
    measure_overlap,
)
from shortlist.evaluate.offpolicy.weight_limits import choose_limit, clip_weights


def test_by_hand() -> None:
    log = BanditLog.of(np.array([0, 1, 0, 1] * 30), np.array([1.0, 0, 0, 1] * 30), np.full(120, 0.5))
    chance = np.array([0.8, 0.2, 0.8, 0.2] * 30)
    found = estimate_bandit(log, chance, resamples=50)
    assert found["ips"].point == pytest.approx((1.6 * 1 + 0.4 * 1) / 4)
    assert found["snips"].point == pytest.approx((1.6 + 0.4) / (1.6 + 0.4 + 1.6 + 0.4))
    q = np.tile([0.5, 0.25], (120, 1))
    policy = np.tile([0.8, 0.2], (120, 1))
    found = estimate_bandit(log, chance, q, policy, resamples=50)
    assert found["dm"].point == pytest.approx(0.8 * 0.5 + 0.2 * 0.25)
    left = (1.6 * 0.5 + 0.4 * -0.25 + 1.6 * -0.5 + 0.4 * 0.75) / 4
    assert found["dr"].point == pytest.approx(0.45 + left)
    plain = {"ips", "snips", "cv-ips", "clipped-ips", "shrunk-ips"}
    assert set(found) == plain | {"dm", "dr", "sndr", "cv-dr", "switch-dr", "shrunk-dr"}


class Bandit:
    """Contexts in 4 groups, 6 actions, known rates; a logging policy and a new one, both soft."""

    def __init__(self, sharp: float = 1.5) -> None:
        rng = np.random.default_rng(0)
        self.rate = rng.uniform(0.05, 0.6, (4, 6))
        logits = rng.normal(0, 0.7, (4, 6))
        self.logging = softmax(logits, axis=1)
        self.new = softmax(sharp * rng.normal(0, 1, (4, 6)), axis=1)
        self.truth = float((self.new * self.rate).sum(1).mean())

    def log(self, n: int, seed: int) -> tuple[BanditLog, np.ndarray]:
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 4, n)
        action = (np.cumsum(self.logging[group], 1) < rng.random((n, 1))).sum(1).clip(0, 5)
        reward = (rng.random(n) < self.rate[group, action]).astype(float)
        return BanditLog.of(action, reward, self.logging[group, action]), group


def test_every_estimator_is_near_the_truth_and_its_interval_holds_it() -> None:
    bandit = Bandit()
    inside: dict[str, int] = {}
    errors: dict[str, list[float]] = {}
    for seed in range(40):
        log, group = bandit.log(1500, seed)
        # a model of the outcome that is wrong by a quarter everywhere: dm is off, the doubly robust ones are not
        model = 0.75 * bandit.rate[group]
        chance = bandit.new[group, log.action]
        found = estimate_bandit(log, chance, model, bandit.new[group], resamples=200, seed=seed)
        for name, e in found.items():
            assert e.value is not None
            inside[name] = inside.get(name, 0) + (e.value.low <= bandit.truth <= e.value.high)
            errors.setdefault(name, []).append(e.point / bandit.truth - 1)
    for name in ("ips", "snips", "dr", "sndr", "cv-ips", "cv-dr"):
        assert abs(np.mean(errors[name])) < 0.02, name
        assert inside[name] >= 33, name  # 95 % of 40 is 38
    assert np.mean(errors["dm"]) == pytest.approx(-0.25, abs=0.01)
    assert inside["dm"] == 0  # an interval knows nothing of a model's bias
    assert np.std(errors["dr"]) < np.std(errors["ips"])
    assert np.std(errors["cv-dr"]) < 1.02 * np.std(errors["dr"])
    assert np.std(errors["cv-ips"]) < np.std(errors["ips"])


def test_control_variates_are_the_intercept_of_a_regression() -> None:
    bandit = Bandit()
    log, group = bandit.log(400, 3)
    rng = np.random.default_rng(0)
    q, policy = rng.random((400, 6)), bandit.new[group]
    found = estimate_bandit(log, policy[np.arange(400), log.action], q, policy, resamples=20)
    w = policy[np.arange(400), log.action] / log.propensity
    z = np.column_stack([w - 1, w * q[np.arange(400), log.action] - (policy * q).sum(1)])
    for name, columns in (("cv-ips", z[:, :1]), ("cv-dr", z)):
        reference = LinearRegression().fit(columns, w * log.reward)
        assert found[name].point == pytest.approx(reference.intercept_), name
    # where everybody brings the same, weights are no noise; and of one person's rows only the sum counts
    same = BanditLog.of(log.action, np.full(400, 0.7), log.propensity)
    assert estimate_bandit(same, w * log.propensity, resamples=20)["cv-ips"].point == pytest.approx(0.7)
    pairs = np.repeat(np.arange(200), 2)
    sums = (w * log.reward).reshape(200, 2).sum(1), (w - 1).reshape(200, 2).sum(1)[:, None]
    own = BanditLog.of(log.action, log.reward, log.propensity, pairs)
    assert estimate_bandit(own, w * log.propensity, resamples=20)["cv-ips"].point == pytest.approx(
        LinearRegression().fit(sums[1], sums[0]).intercept_ / 2
    )


def test_the_same_policy_has_the_logs_own_value() -> None:
    bandit = Bandit()
    log, _ = bandit.log(500, 1)
    found = estimate_bandit(log, log.propensity, resamples=50)
    for name, e in found.items():
        assert e.point == pytest.approx(log.reward.mean()), name
        assert e.overlap.effective_sample_size == pytest.approx(500)


@given(st.integers(0, 10_000))
def test_clipping_is_between_nothing_and_everything(seed: int) -> None:
    bandit = Bandit(3.0)
    log, group = bandit.log(200, seed)
    weight = bandit.new[group, log.action] / log.propensity
    limit = choose_limit(weight, log.cluster, lambda w: w * log.reward, clip_weights)
    assert limit > 0
    assert (clip_weights(weight, limit) <= weight).all()
    found = estimate_bandit(log, bandit.new[group, log.action], resamples=20)
    assert found["clipped-ips"].point <= found["ips"].point + 1e-12


def test_a_model_is_learnt_from_other_people() -> None:
    """Where everybody's outcome is a coin of their own, a model that had seen it would know; cross-fitting does not."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(200), 3)
    reward = np.repeat(rng.integers(0, 2, 200), 3).astype(float)
    context = np.repeat(rng.random((200, 3)), 3, axis=0)  # tells people apart
    action = rng.integers(0, 2, 600)
    q = fit_reward_model(BanditLog.of(action, reward, np.full(600, 0.5), people), context, np.eye(2))
    own = q[np.arange(600), action]
    assert abs(np.corrcoef(own, reward)[0, 1]) < 0.15
    some = np.zeros((600, 2), bool)
    some[::2, 1] = True
    part = fit_reward_model(BanditLog.of(action, reward, np.full(600, 0.5), people), context, np.eye(2), some)
    np.testing.assert_allclose(part[some], q[some], rtol=1e-5)
    assert (part[~some] == 0).all()


def test_marginal_weights_use_item_categories() -> None:
    """1,000 items of 5 categories, where only the category matters: mips knows, ips drowns."""
    rng = np.random.default_rng(1)
    a, n = 1000, 3000
    category = rng.integers(0, 5, a)
    rate = np.array([0.05, 0.1, 0.2, 0.3, 0.5])[category]
    own = np.tile(softmax(rng.normal(0, 1, (1, a)), axis=1), (n, 1))
    new = np.tile(softmax((rate * 8)[None] + rng.normal(0, 2, (1, a)), axis=1), (n, 1))
    truth = float(new[0] @ rate)
    errors: dict[str, list[float]] = {"mips": [], "ips": [], "snmips": []}
    for seed in range(10):
        drawn = np.random.default_rng(seed)
        action = drawn.choice(a, n, p=own[0])
        reward = (drawn.random(n) < rate[action]).astype(float)
        log = BanditLog.of(action, reward, own[0, action])
        found = estimate_mips(log, new, own, category, resamples=50)
        found["ips"] = estimate_bandit(log, new[0, action], resamples=50)["ips"]
        for name, values in errors.items():
            values.append(abs(found[name].point / truth - 1))
    assert np.median(errors["mips"]) < 0.05
    assert np.median(errors["snmips"]) < 0.05
    assert np.median(errors["ips"]) > 2 * np.median(errors["mips"])


def test_too_thin_an_overlap_is_refused_with_the_way_out() -> None:
    n = 4000
    rng = np.random.default_rng(0)
    action = rng.integers(0, 2000, n)
    log = BanditLog.of(action, (rng.random(n) < 0.3).astype(float), np.full(n, 1 / 2000))
    only = estimate_bandit(log, (action == 7).astype(float), resamples=100)["snips"]
    assert only.value is None
    assert "Log more exploration" in str(only.refused)
    assert "no estimate" in only.sentence()
    assert only.to_json()["value"] is None


def test_items_outside_the_log_are_refused() -> None:
    rng = np.random.default_rng(0)
    log = BanditLog.of(rng.integers(0, 2, 2000), rng.integers(0, 2, 2000).astype(float), np.full(2000, 0.5))
    # the new policy does a third thing in seven cases of ten
    found = estimate_bandit(log, np.full(2000, 0.15), resamples=100)["ips"]
    assert found.value is None
    assert "the log covers only 30% of this policy" in str(found.refused)


def test_one_persons_rows_and_too_few_outcomes_are_refused() -> None:
    rng = np.random.default_rng(0)
    reward = (rng.random(1000) < 0.5).astype(float)
    people = np.where(np.arange(1000) < 400, 0, np.arange(1000))
    said = estimate_bandit(
        BanditLog.of(np.zeros(1000), reward, np.full(1000, 0.5), people), np.full(1000, 0.5), resamples=50
    )
    assert "the rows of one user carry 40% of the weight" in str(said["ips"].refused)
    rare = np.zeros(1000)
    rare[:4] = 1
    said = estimate_bandit(
        BanditLog.of(np.zeros(1000), rare, np.full(1000, 0.5)), np.full(1000, 0.5), resamples=50
    )
    assert "only 4 rewards" in str(said["ips"].refused)


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.2, float("nan")])
def test_a_propensity_that_is_none_is_named(bad: float) -> None:
    with pytest.raises(DataError, match="row 3: the propensity is"):
        BanditLog.of(np.zeros(4), np.ones(4), np.array([0.5, 0.5, bad, 0.5]))
    with pytest.raises(DataError, match="slate 2, slot 1"):
        SlateLog(np.zeros((2, 2)), np.ones((2, 2)), np.array([[0.5, 0.5], [bad, 0.5]]), np.arange(2))


def test_a_reward_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="row 2: the reward is nan"):
        BanditLog.of(np.zeros(3), np.array([1.0, np.nan, 0]), np.full(3, 0.5))


def test_overlap_by_hand_and_its_plot() -> None:
    found = measure_overlap(np.array([0.0, 2.0, 1.0, 1.0]), np.array([1.0, 1, 0, 1]), np.arange(4))
    assert found.effective_sample_size == pytest.approx(16 / 6)
    assert found.largest_cluster == pytest.approx(0.5)
    assert found.rewards == 2
    assert sum(found.histogram) == pytest.approx(1)
    assert found.histogram[0] == 0.25
    figure = found.figure("a policy")
    assert figure.title == "a policy"
    assert figure.chart.count("<rect") == len(found.histogram)

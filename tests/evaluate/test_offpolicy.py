"""Off-policy estimators: by hand, against the truth of policies that are known, and refusals where the log cannot say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy import (
    BanditLog,
    SlateLog,
    cascade_dr,
    estimate_bandit,
    estimate_mips,
    estimate_pbm,
    estimate_slates,
    fit_reward_model,
    measure_overlap,
    pairwise_marginals,
    pseudo_inverse,
)
from shortlist.evaluate.offpolicy.open_bandit import thompson_from_random
from shortlist.evaluate.offpolicy.weight_limits import choose_limit, clip_weights
from shortlist.rerank.exploration import ExplorationPolicy, explore, plackett_luce_propensities
from support.paths import ROOT

OPEN_BANDIT = ROOT.parent / "shared" / "data" / "open-bandit"


# ---------------------------------------------------------------- single choices


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
        self.logging = _soft(logits)
        self.new = _soft(sharp * rng.normal(0, 1, (4, 6)))
        self.truth = float((self.new * self.rate).sum(1).mean())

    def log(self, n: int, seed: int) -> tuple[BanditLog, np.ndarray]:
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 4, n)
        action = (np.cumsum(self.logging[group], 1) < rng.random((n, 1))).sum(1).clip(0, 5)
        reward = (rng.random(n) < self.rate[group, action]).astype(float)
        return BanditLog.of(action, reward, self.logging[group, action]), group


def _soft(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits)
    return np.asarray(weight / weight.sum(1, keepdims=True))


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
    own = np.tile(_soft(rng.normal(0, 1, (1, a))), (n, 1))
    new = np.tile(_soft((rate * 8)[None] + rng.normal(0, 2, (1, a))), (n, 1))
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


# ---------------------------------------------------------------- refusals


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


# ---------------------------------------------------------------- slates


class Page:
    """8 items, slates of 3, drawn by Plackett–Luce; a click needs a look, and looks fall from slot to slot."""

    slots, items = 3, 8

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self.logging = _soft(rng.normal(0, 0.5, (1, self.items)))[0]
        self.new = _soft(rng.normal(0, 0.8, (1, self.items)))[0]
        self.wanted = rng.uniform(0.1, 0.7, self.items)
        self.examined = np.array([1.0, 0.6, 0.4])

    def draw(self, weight: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        keys = np.log(weight) + rng.gumbel(size=(n, self.items))
        return np.argsort(-keys, axis=1)[:, : self.slots]

    def given(self, weight: np.ndarray, slates: np.ndarray) -> np.ndarray:
        above = np.cumsum(weight[slates], axis=1) - weight[slates]
        return np.asarray(weight[slates] / (1 - above))

    def at(self, weight: np.ndarray) -> np.ndarray:
        """The chance of each item in each slot, exactly."""
        gamma = pairwise_marginals(weight, self.slots)
        return np.diag(gamma).reshape(self.slots, self.items)

    @property
    def truth(self) -> float:
        return float((self.at(self.new) * self.wanted * self.examined[:, None]).sum())

    def log(self, n: int, seed: int) -> SlateLog:
        rng = np.random.default_rng(seed)
        slates = self.draw(self.logging, n, rng)
        reward = (rng.random(slates.shape) < self.wanted[slates] * self.examined).astype(float)
        own = self.at(self.logging)[np.arange(self.slots), slates]
        return SlateLog(slates, reward, self.given(self.logging, slates), np.arange(n), own)


def test_chances_of_places_sum_up() -> None:
    page = Page()
    at = page.at(page.new)
    np.testing.assert_allclose(at.sum(1), 1)
    assert (at.sum(0) <= 1 + 1e-12).all()
    drawn = page.draw(page.new, 40_000, np.random.default_rng(0))
    seen = np.stack([np.bincount(column, minlength=8) for column in drawn.T]) / 40_000
    np.testing.assert_allclose(at, seen, atol=0.01)
    sampled = pairwise_marginals(np.ones(60), 4)  # too many slates to go through: from draws
    np.testing.assert_allclose(np.diag(sampled), 1 / 60, atol=0.006)


def test_slate_estimators_are_near_the_truth() -> None:
    page = Page()
    runs: dict[str, list[float]] = {}
    for seed in range(8):
        log = page.log(4000, seed)
        n = len(log)
        chance = page.given(page.new, log.action)
        marginal = page.at(page.new)[np.arange(3), log.action]
        found = estimate_slates(log, chance, marginal, resamples=50)
        found["pseudo-inverse"] = pseudo_inverse(
            log,
            np.zeros(n, np.int64),
            pairwise_marginals(page.logging, 3)[None],
            np.tile(page.at(page.new), (n, 1, 1)),
            resamples=50,
        )
        if seed < 3:
            policy = np.empty((n, 3, 8))
            left = np.tile(page.new, (n, 1))
            for slot in range(3):
                policy[:, slot] = left / left.sum(1, keepdims=True)
                left[np.arange(n), log.action[:, slot]] = 0
            found["cascade-dr"] = cascade_dr(log, chance, policy, np.ones((n, 1)), np.eye(8), resamples=50)
        for name, e in found.items():
            runs.setdefault(name, []).append(e.point / page.truth - 1)
    for name, errors in runs.items():
        assert abs(np.mean(errors)) < 0.05, name
    assert np.std(runs["position"]) < np.std(runs["cascade"]) < np.std(runs["ips"])


def test_the_examined_estimator_uses_every_slot() -> None:
    page = Page()
    fixed = np.argsort(-page.wanted)[:3]
    truth = float((page.wanted[fixed] * page.examined).sum())
    every, same, robust = [], [], []
    for seed in range(30):
        log = page.log(1500, seed)
        made = np.tile(fixed, (len(log), 1))
        model = np.full(made.shape, 0.3)  # wrong, and corrected
        found = estimate_pbm(log, made, page.examined, model, resamples=20)
        every.append(found["sn-pbm"].point / truth - 1)
        robust.append(found["pbm-dr"].point / truth - 1)
        alike = (made == log.action).astype(float)
        same.append(estimate_slates(log, alike, alike, resamples=20)["sn-position"].point / truth - 1)
    assert abs(np.mean(every)) < 0.03
    assert abs(np.mean(robust)) < 0.03
    assert np.std(every) < 0.8 * np.std(same)


# ---------------------------------------------------------------- exploration that is logged


@given(st.integers(2, 30), st.integers(1, 12), st.floats(0.05, 3), st.integers(0, 2**32))
def test_exploration_chooses_without_repeats_and_can_be_made_again(
    ranked: int, n: int, strength: float, seed: int
) -> None:
    rows, chance = explore(ranked, n, ExplorationPolicy(strength), seed)
    assert len(rows) == len(set(rows.tolist())) == min(ranked, n)
    assert ((rows >= 0) & (rows < ranked)).all()
    assert ((chance > 0) & (chance <= 1)).all()
    again, same = explore(ranked, n, ExplorationPolicy(strength), seed)
    np.testing.assert_array_equal(rows, again)
    np.testing.assert_array_equal(chance, same)
    still, sure = explore(ranked, n, ExplorationPolicy(0.0), seed)
    np.testing.assert_array_equal(still, np.arange(min(ranked, n)))
    assert (sure == 1).all()


def test_logged_chances_are_the_real_ones() -> None:
    """How often each pair is drawn, against the product of the chances that were logged with it."""
    strength, counts, said = 0.7, {}, {}
    for seed in range(20_000):
        rows, chance = explore(5, 2, ExplorationPolicy(strength), seed)
        pair = tuple(rows.tolist())
        counts[pair] = counts.get(pair, 0) + 1
        said[pair] = float(chance.prod())
    assert len(said) == 20
    assert sum(said.values()) == pytest.approx(1)
    for pair, count in counts.items():
        assert count / 20_000 == pytest.approx(said[pair], abs=4 * np.sqrt(said[pair] / 20_000))
    score = -np.log(np.arange(1, 6)) / strength
    np.testing.assert_allclose(plackett_luce_propensities(score, np.arange(5))[-1], 1.0)


# ---------------------------------------------------------------- Open Bandit


@pytest.mark.parametrize("campaign", ["men", "women"])
def test_open_bandit_conclusion(campaign: str) -> None:
    if not OPEN_BANDIT.exists():
        pytest.skip("Open Bandit is not there")
    found = thompson_from_random(
        OPEN_BANDIT / f"random_{campaign}.parquet", OPEN_BANDIT / f"bts_{campaign}.parquet", resamples=300
    )
    snips = found.estimates["snips"]
    assert snips.value is not None
    assert snips.value.low <= found.thompson.high
    assert found.thompson.low <= snips.value.high
    assert snips.overlap.effective_sample_size < snips.overlap.rows
    sentence = found.sentence(campaign)
    assert "agrees with Thompson sampling's own log" in sentence
    assert "cannot say whether" in sentence


def test_open_bandit_names_a_missing_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": [1], "position": [0], "click": [0]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="no column propensity_score"):
        thompson_from_random(tmp_path / "log.parquet", tmp_path / "log.parquet")

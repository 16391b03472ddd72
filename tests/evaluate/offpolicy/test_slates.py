"""Estimators for logs of slates, and the propensities that exploration logs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from shortlist.evaluate.offpolicy import (
    SlateLog,
    cascade_dr,
    estimate_pbm,
    estimate_slates,
    pairwise_marginals,
    pseudo_inverse,
)
from shortlist.rerank.exploration import ExplorationPolicy, explore, plackett_luce_propensities


class Page:
    """8 items, slates of 3, drawn by Plackett–Luce; a click needs a look, and looks fall from slot to slot."""

    slots, items = 3, 8

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self.logging = softmax(rng.normal(0, 0.5, (1, self.items)), axis=1)[0]
        self.new = softmax(rng.normal(0, 0.8, (1, self.items)), axis=1)[0]
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
    strength = 0.7
    counts: dict[tuple[int, ...], int] = {}
    said: dict[tuple[int, ...], float] = {}
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

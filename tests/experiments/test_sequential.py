"""Intervals that stay valid when an experiment is read every day, variance reduction, and sample ratio mismatch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shortlist.experiments.analyse import MISMATCH, ExposedPeople, analyse
from shortlist.experiments.sequential import always_valid, cuped, difference
from support.peeking import DAYS, USERS_PER_DAY, daily_looks
from support.sizes import size

DAY = 86_400_000


def test_a_a_tests_read_every_day_are_wrong_at_most_one_in_twenty() -> None:
    rng = np.random.default_rng(0)
    always = plain = mismatch = 0
    tests = size(400, 1000)
    for _ in range(tests):
        looks = list(daily_looks(rng, 0.0))
        found = [analyse("aa", people, "play", [], tight_at=DAYS * USERS_PER_DAY) for people in looks]
        always += any(o.effects[0].verdict != "can't tell" for o in found)
        mismatch += any(o.broken for o in found)
        for people in looks:
            gap, variance = difference(*(people.outcome["play"][people.arm == a] for a in (0, 1)))
            if abs(gap) > 1.96 * np.sqrt(variance):
                plain += 1
                break
    assert plain > 0.12 * tests  # who peeks at ordinary intervals is wrong this often
    assert always <= 0.05 * tests, always
    assert mismatch <= 0.01 * tests


def test_power_is_shown_and_the_past_adds_to_it() -> None:
    """A fifth more, 1,680 people: found by day 14, and far more often with what people did before."""
    rng = np.random.default_rng(1)
    with_past = without = 0
    for _ in range(60):
        last = list(daily_looks(rng, 0.2))[-1]
        own = analyse("ab", last, "play", [], tight_at=DAYS * USERS_PER_DAY).effects[0]
        raw = analyse("ab", last, "play", [], tight_at=DAYS * USERS_PER_DAY, use_past=False).effects[0]
        with_past += own.verdict == "better"
        without += raw.verdict == "better"
        assert own.explained > 0.2
        assert raw.explained == 0
    assert with_past >= 40
    assert with_past > without + 10


def test_the_interval_tightens_and_is_wider_than_a_single_looks() -> None:
    widths = [always_valid(0.0, 4.0 / n, n, 1000).high for n in (10, 100, 1000, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert 1.3 < widths[2] / (1.96 * np.sqrt(4.0 / 1000)) < 1.9
    never = always_valid(0.5, float("inf"), 1)
    assert (never.low, never.high) == (float("-inf"), float("inf"))


def test_cuped_keeps_the_mean_and_takes_the_share_that_is_known() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(3, 1, 5000)
    outcome = 2 * before + rng.normal(0, 1, 5000)
    adjusted, explained = cuped(outcome, before)
    assert adjusted.mean() == pytest.approx(outcome.mean())
    assert explained == pytest.approx(0.8, abs=0.02)
    assert cuped(outcome, np.ones(5000))[1] == 0


def test_a_sample_ratio_mismatch_is_no_result() -> None:
    n = np.array([10_000, 9_400])
    arm = np.repeat([0, 1], n)
    rng = np.random.default_rng(3)
    values = {"play": rng.random(n.sum()) + arm}
    people = ExposedPeople(["a", "b"], [1, 1], arm, values, {"play": np.zeros(n.sum())}, np.zeros(n.sum()))
    found = analyse("x", people, "play", [])
    assert found.broken
    assert found.mismatch < MISMATCH
    assert found.verdict().startswith("No result")
    assert "10,000 in a, 9,400 in b" in found.verdict()
    fair = analyse("x", replace(people, shares=[10_000, 9_400]), "play", [])
    assert not fair.broken
    assert fair.effects[0].verdict == "better"

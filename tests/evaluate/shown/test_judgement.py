"""Recommenders compared by slates that were shown, where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shortlist.config.objectives import Objective
from shortlist.evaluate.shown import LoggedSlates, ModelAnswers, ShownResult, judge_shown
from shortlist.rank.list_members import ListMembers

USERS, ITEMS, SLOTS, SLATES = 400, 60, 5, 4_000
EXAMINED = np.array([1.0, 0.8, 0.6, 0.5, 0.4])
CLICK = Objective(kind="probability", events=["click"])


def logged_by(
    predictions: np.ndarray, truth: np.ndarray, explored: bool, rng: np.random.Generator
) -> LoggedSlates:
    """Slates of the best items by some predictions, drawn at random if explored, and their clicks."""
    users = np.sort(rng.integers(0, USERS, SLATES))
    best = np.argsort(-predictions[users], axis=1)[:, :20]
    log_weight = -np.log(np.arange(20) + 1.0)
    noise = rng.gumbel(size=best.shape) * explored
    place = np.argsort(-(log_weight + noise), axis=1)[:, :SLOTS]
    weight = np.exp(log_weight)[place]
    chance = weight / (np.exp(log_weight).sum() - np.cumsum(weight, axis=1) + weight)
    items = np.take_along_axis(best, place, 1)
    clicks = rng.random(items.shape) < np.take_along_axis(truth[users], items, 1) * EXAMINED
    return LoggedSlates(
        users,
        np.arange(SLATES),
        [{}] * SLATES,
        items,
        chance if explored else np.full(items.shape, np.nan),
        {"click": clicks.astype(np.float64)},
        EXAMINED,
        ListMembers.none(SLATES),
    )


def answers_of(models: dict[str, np.ndarray], logged: LoggedSlates) -> dict[str, ModelAnswers]:
    targets = {name: np.argsort(-p, axis=1)[:, :SLOTS][logged.users] for name, p in models.items()}
    lists = {"shown": logged.items, **targets}
    return {
        name: ModelAnswers(
            targets[name],
            {of: {"click": np.take_along_axis(p[logged.users], at, 1)} for of, at in lists.items()},
        )
        for name, p in models.items()
    }


def judged(seed: int, error: float, explored: bool = True) -> ShownResult:
    """A new model with some error against one with error 0.5 that wrote the log; most of the error is common."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.0, 4.0, (USERS, ITEMS))
    common = rng.standard_normal(truth.shape)

    def model(size: float) -> np.ndarray:
        noise = 0.45 * common + np.sqrt(max(size**2 - 0.45**2, 0)) * rng.standard_normal(truth.shape)
        return np.asarray(np.clip(truth * np.exp(noise), 1e-4, 0.95))

    present, new = model(0.5), model(error)
    logged = logged_by(present, truth, explored, rng)
    found = judge_shown(
        logged,
        answers_of({"new": new, "present": present}, logged),
        {"click": CLICK},
        {"click": 1.0},
        draws=200,
    )
    assert found is not None
    return found


def verdicts(error: float, trials: int = 12) -> list[str]:
    found = [judged(seed, error) for seed in range(trials)]
    assert all(one.decides("present")[0].way == "chance" for one in found if one.chance)
    return [one.chance.comparisons[0].verdict for one in found if one.chance]


def test_chances_tell_a_worse_model_from_an_equal_one() -> None:
    worse, equal = verdicts(0.9), verdicts(0.5)
    assert worse.count("worse") >= 10
    assert equal.count("worse") <= 2
    assert len(equal) == 12  # the log covers a model that resembles the present one


def test_without_chances_the_order_of_what_was_shown_is_judged() -> None:
    found = judged(0, 3.0, explored=False)
    judgement, comparison = found.decides("present")
    assert (found.chance, judgement.way, comparison.verdict) == (None, "order", "worse")
    said = found.sentence("present")
    assert "new is worse than present" in said
    assert "cannot be told without exploration" in said
    assert found.errors["click"]["new"].log_loss > found.errors["click"]["present"].log_loss
    assert found.losses[0].verdict == "worse"
    assert "Log loss of click for what was shown: new" in found.predictions()


def test_too_little_overlap_is_refused_with_its_reason() -> None:
    rng = np.random.default_rng(3)
    truth = rng.beta(1.0, 4.0, (USERS, ITEMS))
    logged = logged_by(truth, truth, True, rng)
    reversed_ = 1e-3 + 0.1 * (1 - truth)
    found = judge_shown(
        logged,
        answers_of({"new": reversed_, "present": truth}, logged),
        {"click": CLICK},
        {"click": 1.0},
        200,
    )
    assert found is not None
    assert found.chance is None
    assert "the log covers only" in found.refused["new"]
    assert "do not decide: new: the log covers only" in found.sentence("present")
    assert found.to_json()["decided_by"] == {"present": "order"}


def test_few_slates_say_nothing() -> None:
    rng = np.random.default_rng(3)
    truth = rng.beta(1.0, 4.0, (USERS, ITEMS))
    logged = logged_by(truth, truth, True, rng)
    few = replace(
        logged,
        users=logged.users[:100],
        items=logged.items[:100],
        chances=logged.chances[:100],
        outcomes={"click": logged.outcomes["click"][:100]},
    )
    answers = answers_of({"new": truth, "present": truth}, few)
    assert judge_shown(few, answers, {"click": CLICK}, {"click": 1.0}) is None
    unweighed = {"click": CLICK.model_copy(update={"weight": 0.0})}
    assert (
        judge_shown(logged, answers_of({"a": truth, "b": truth}, logged), unweighed, {"click": 1.0}) is None
    )


def test_a_slate_of_equal_models_is_worth_the_same() -> None:
    rng = np.random.default_rng(4)
    truth = rng.beta(1.0, 4.0, (USERS, ITEMS))
    logged = logged_by(truth, truth, True, rng)
    found = judge_shown(
        logged, answers_of({"a": truth, "b": truth}, logged), {"click": CLICK}, {"click": 1.0}, 200
    )
    assert found is not None
    assert found.chance is not None
    assert found.chance.comparisons[0].difference.value == 0
    expected = (
        (np.sort(truth, axis=1)[:, : -SLOTS - 1 : -1] * EXAMINED).sum(1)[np.unique(logged.users)].mean()
    )
    assert found.chance.values["a"] == pytest.approx(expected, rel=0.05)

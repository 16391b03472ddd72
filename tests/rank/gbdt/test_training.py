"""Training of boosted trees: chains of objectives, joint heads, listwise loss, warm start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from shortlist.errors import DataError
from shortlist.metrics.prediction import expected_calibration_error
from shortlist.rank.gbdt import ranker as ranker_module
from shortlist.rank.gbdt.ranker import GBDTRanker
from support.examples import auc, examples_of, ranker_of


def test_a_chain_is_calibrated_over_all_shown_items() -> None:
    """Clicked items are a biased sample. The chain is calibrated over all shown items; a model of clicked items is not."""
    rng = np.random.default_rng(1)
    n = 60_000
    x = rng.normal(size=(n, 3))
    hidden = rng.normal(size=n)  # visible to users but not a feature; it influences both steps
    click = rng.random(n) < expit(1.5 * x[:, 0] + 1.5 * hidden - 2)
    buy = click & (rng.random(n) < expit(1.0 * x[:, 1] + 1.5 * hidden - 1.5))
    cut = 28_000
    parts = [
        examples_of(x[p], {"click": click[p], "buy": buy[p]})
        for p in (slice(0, cut), slice(cut, cut + 6_000))
    ]
    chain = ranker_of({"click": {}, "buy": {"given": "click"}}, calibration="platt").fit(parts[0], parts[1])
    test = slice(cut + 6_000, None)
    predicted = chain.predict(x[test].astype(np.float32))
    one = np.ones(len(predicted))
    assert (predicted[:, 1] <= predicted[:, 0]).all()
    assert expected_calibration_error(predicted[:, 1], buy[test].astype(float), one) < 0.012
    # the naive model is fitted on clicked items and predicts for all
    only = [
        examples_of(x[p][click[p]], {"buy": buy[p][click[p]]})
        for p in (slice(0, cut), slice(cut, cut + 6_000))
    ]
    naive = ranker_of({"buy": {}}).fit(only[0], only[1]).predict(x[test].astype(np.float32))[:, 0]
    assert naive.mean() > 2.5 * buy[test].mean()
    for heads in ("joint", "separate"):
        both = ranker_of({"click": {}, "buy": {"given": "click"}}, heads=heads).fit(parts[0], parts[1])
        found = auc(both.predict(x[test].astype(np.float32))[:, 1], buy[test])
        assert found > 0.7, heads


def test_an_objective_without_any_positive_is_named() -> None:
    x = np.zeros((40, 2))
    nothing = examples_of(x, {"a": np.zeros(40)})
    with pytest.raises(DataError, match=r"objectives\.a: no example"):
        ranker_of({"a": {}}).fit(nothing, nothing)


def test_joint_heads_are_as_good_and_save_and_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    n = 16_000
    x = rng.normal(size=(n, 5))
    x[:, 4] = rng.integers(0, 30, n)
    effect = rng.normal(size=30)[x[:, 4].astype(int)]
    chance = expit(x[:, 0] + effect - 1)
    yes = rng.random(n) < chance
    stars = np.where(yes, 3 + x[:, 1] + effect + rng.normal(size=n), np.nan)
    parts = [
        examples_of(x[p], {"yes": yes[p], "stars": stars[p]}, types=["q"] * 4 + ["c"])
        for p in (slice(0, 10_000), slice(10_000, 13_000))
    ]
    test = x[13_000:].astype(np.float32)
    found, trained = {}, {}
    for heads in ("joint", "separate"):
        ranker = ranker_of({"yes": {}, "stars": {"kind": "grade"}}, heads=heads).fit(parts[0], parts[1])
        predicted = trained[heads] = ranker.predict(test)
        found[heads] = auc(predicted[:, 0], yes[13_000:])
        assert np.corrcoef(predicted[:, 1], (3 + x[:, 1] + effect)[13_000:])[0, 1] > 0.9, heads
        ranker.save(tmp_path / heads)
        again = GBDTRanker.load(tmp_path / heads, ranker.settings, ranker.objectives)
        np.testing.assert_array_equal(predicted, again.predict(test))
        unseen = test.copy()
        unseen[:, 4] = 99  # a category that training did not have
        assert np.isfinite(ranker.predict(unseen)).all()
    assert abs(found["joint"] - found["separate"]) < 0.02
    auto = ranker_of({"yes": {}, "stars": {"kind": "grade"}}).fit(parts[0], parts[1])
    assert set(auto.explained_) == {"joint", "separate"}
    assert all(0.05 < share < 1 for shares in auto.explained_.values() for share in shares.values())
    auto.save(tmp_path / "auto")
    again = GBDTRanker.load(tmp_path / "auto", auto.settings, auto.objectives)
    assert again.heads_ == auto.heads_ in {"joint", "separate"}
    np.testing.assert_array_equal(auto.predict(test), again.predict(test))
    # compared on a sample, then trained on all rows
    monkeypatch.setattr(ranker_module, "COMPARED_ROWS", 4_000)
    sampled = ranker_of({"yes": {}, "stars": {"kind": "grade"}}).fit(parts[0], parts[1])
    assert sampled.explained_ != auto.explained_
    np.testing.assert_array_equal(sampled.predict(test), trained[sampled.heads_])


def test_listwise_orders_and_is_calibrated() -> None:
    rng = np.random.default_rng(9)
    n = 12_000
    x = rng.normal(size=(n, 3))
    chance = expit(1.5 * x[:, 0] - 1)
    yes = rng.random(n) < chance
    parts = [examples_of(x[p], {"yes": yes[p]}) for p in (slice(0, 8_000), slice(8_000, 10_000))]
    predicted = (
        ranker_of({"yes": {"loss": "listwise"}})
        .fit(parts[0], parts[1])
        .predict(x[10_000:].astype(np.float32))[:, 0]
    )
    assert auc(predicted, yes[10_000:]) > 0.78
    assert expected_calibration_error(predicted, yes[10_000:].astype(float), np.ones(2_000)) < 0.05


def test_training_continues_from_an_earlier_ranker() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(6_000, 3))
    yes = rng.random(6_000) < expit(x[:, 0])
    parts = [examples_of(x[p], {"yes": yes[p]}) for p in (slice(0, 4_000), slice(4_000, 6_000))]
    first = ranker_of({"yes": {}}, trees=30).fit(parts[0], parts[1])
    second = ranker_of({"yes": {}}, trees=30).fit(parts[0], parts[1], earlier=first)
    forests = [ranker.ensemble_.models[0].forest for ranker in (first, second)]
    assert forests[0] is not None
    assert forests[1] is not None
    assert len(forests[1].roots) >= len(forests[0].roots)
    assert (
        np.corrcoef(first.predict(parts[1].matrix)[:, 0], second.predict(parts[1].matrix)[:, 0])[0, 1] > 0.98
    )
    other = ranker_of({"no": {}}, trees=30)  # other objectives: training starts anew
    renamed = [
        replace(part, labels={"no": part.labels["yes"]}, arrived={"no": part.arrived["yes"]})
        for part in parts
    ]
    assert other.fit(renamed[0], renamed[1]).ensemble_.models

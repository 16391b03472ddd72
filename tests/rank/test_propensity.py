"""Position bias: examination estimated from logs, and rankers that correct for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from shortlist.config.objectives import Objective
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.rank.propensity import estimate_examination
from shortlist.simulate.video import EXAMINATION, make_video
from shortlist.simulate.world import World
from support.examples import examples_of, ranker_of

CLICK = Objective(events=["click"], window="30s")


@pytest.fixture(scope="module")
def video() -> World:
    return make_video(users=3_000, items=800, sessions=70_000, days=20, seed=5)


def test_examination_is_recovered_within_ten_percent(video: World) -> None:
    found = estimate_examination(video.dataset(), video.project().objectives["click"])
    assert found.method == "swaps"
    assert len(found.share) == len(EXAMINATION)
    np.testing.assert_allclose(found.share, EXAMINATION, rtol=0.1)
    assert ((found.low <= EXAMINATION * 1.02) & (found.high >= EXAMINATION * 0.98)).mean() >= 0.75


def test_examination_is_recovered_without_propensities() -> None:
    """Several systems order the same items differently, and the log has no propensities."""
    rng = np.random.default_rng(6)
    n, items, slots = 60_000, 12, 6
    quality = np.linspace(0.05, 0.5, items)
    orders = [np.argsort(-quality + rng.normal(0, 0.25, items))[:slots] for _ in range(8)]
    which = rng.integers(0, 8, n)
    shown = np.array(orders)[which]
    truth = 1 / (1 + 0.5 * np.arange(slots))
    click = rng.random((n, slots)) < quality[shown] * truth
    dataset = make_log(shown, click)
    found = estimate_examination(dataset, CLICK)
    assert found.method == "harvest"
    np.testing.assert_allclose(found.share, truth, rtol=0.1)
    # the naive curve attributes the quality of items to their slots
    naive = click.mean(0) / click.mean(0)[0]
    assert np.abs(naive / truth - 1).max() > 0.15


def test_deterministic_slates_are_not_used_as_experiments() -> None:
    """Half of the log is drawn at random, half is sorted by quality; the sorted half would bias lower slots downwards."""
    rng = np.random.default_rng(8)
    n, items, slots = 30_000, 12, 6
    quality = np.linspace(0.05, 0.5, items)
    truth = 1 / (1 + 0.3 * np.arange(slots))
    drawn = np.argsort(-(np.log(quality) + rng.gumbel(size=(n, items))), axis=1)[:, :slots]
    left = 1 - np.cumsum(np.pad(quality[drawn] / quality.sum(), ((0, 0), (1, 0)))[:, :-1], axis=1)
    chance = quality[drawn] / quality.sum() / left
    certain = np.tile(np.argsort(-quality)[:slots], (n, 1))
    shown = np.concatenate([drawn, certain])
    click = rng.random(shown.shape) < quality[shown] * truth
    for propensity in (
        np.concatenate([chance, np.ones((n, slots))]),
        np.pad(chance, ((0, n), (0, 0)), constant_values=np.nan),
    ):
        dataset = make_log(shown, click, propensity)
        found = estimate_examination(dataset, CLICK)
        assert found.method == "swaps"
        np.testing.assert_allclose(found.share, truth, rtol=0.12)
    # without randomness, items that were shown in several slots are compared
    alone = make_log(certain, click[n:], np.ones((n, slots)))
    assert estimate_examination(alone, CLICK).method == "harvest"


def make_log(shown: NDArray[Any], click: NDArray[Any], propensity: NDArray[Any] | None = None) -> Dataset:
    n, slots = shown.shape
    row, slot = np.divmod(np.arange(n * slots), slots)
    at = np.flatnonzero(click.ravel())
    time = 1_700_000_000 + row * 60
    events = pa.table(
        {
            "user_id": np.concatenate([row, row[at]]),
            "item_id": np.concatenate([shown.ravel(), shown.ravel()[at]]),
            "timestamp": np.concatenate([time, time[at] + 5]),
            "kind": ["impression"] * (n * slots) + ["click"] * len(at),
            "position": np.concatenate([slot, np.full(len(at), -1)]),
        }
    )
    columns = {"timestamp": "timestamp", "kind": "kind", "position": "position"}
    if propensity is not None:
        none = np.full(len(at), np.nan)
        chance = np.concatenate([propensity.ravel(), none])
        events = events.append_column("slate", [np.concatenate([row, np.full(len(at), -1)])])
        events = events.append_column("propensity", pa.array(chance, from_pandas=True))
        columns |= {"slate": "slate", "propensity": "propensity"}
    project = parse_project({"data": {"columns": columns}, "objectives": {"click": CLICK.model_dump()}})
    return Dataset.from_frames(events, None, None, project)


def test_position_weights_improve_the_ranking() -> None:
    """The logging policy sorted by a feature without meaning. Without weights the ranker learns it as quality."""
    rng = np.random.default_rng(7)
    n, slots = 4_000, 10
    x = rng.normal(size=(n, slots, 3))
    x = np.take_along_axis(
        x, np.argsort(-x[:, :, 1] + rng.normal(0, 0.5, (n, slots)), axis=1)[:, :, None], axis=1
    )
    wanted = expit(1.2 * x[:, :, 0] - 1.5)
    share = 1 / (1 + np.arange(slots))
    click = rng.random((n, slots)) < wanted * share
    flat, examined = x.reshape(-1, 3), np.tile(share, n)
    cut = 3_000 * slots
    test = slice(3_500 * slots, None)
    scores = {}
    for weights in (False, True):
        parts = [
            examples_of(flat[p], {"click": click.ravel()[p]}, None, examined[p])
            for p in (slice(0, cut), slice(cut, 3_500 * slots))
        ]
        ranker = ranker_of(
            {"click": {}}, examples="impressions", position_bias="weights" if weights else "none"
        ).fit(parts[0], parts[1])
        predicted = ranker.predict(flat[test].astype(np.float32))[:, 0]
        scores[weights] = np.corrcoef(predicted, wanted.ravel()[test])[0, 1]
        if weights:  # and the prediction is that for the top slot
            assert predicted.mean() == pytest.approx(wanted.ravel()[test].mean(), rel=0.1)
    assert scores[True] > scores[False] + 0.1
    assert scores[True] > 0.9

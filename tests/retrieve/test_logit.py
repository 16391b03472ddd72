"""The logit of a fusion: a case by hand, recovery of known coefficients, its inputs."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.retrieve.fusion.blend import Blended
from shortlist.retrieve.fusion.judge import judged
from shortlist.retrieve.fusion.logit import learn_logit, logit_values
from shortlist.retrieve.fusion.shortlisted import Shortlisted
from support.interactions import make_requests


def test_the_odds_of_two_candidates_by_hand() -> None:
    """The candidate with x = 1 is taken 3,000 times, the one with x = 0 1,000 times: w = log 3."""
    inputs = np.tile(np.array([[1.0], [0.0]], np.float32), (4_000, 1, 1))
    labels = np.zeros((4_000, 2), bool)
    labels[:3_000, 0] = labels[3_000:, 1] = True
    assert learn_logit(inputs, labels) == pytest.approx([np.log(3)], abs=0.01)


def test_known_coefficients_are_found_beside_missing_candidates() -> None:
    rng, known = np.random.default_rng(0), np.array([1.0, -0.5, 0.0])
    inputs = rng.normal(0, (1, 3, 10), (6_000, 5, 3)).astype(np.float32)
    inputs[::2, 4] = np.nan
    noise = rng.gumbel(
        size=(6_000, 5)
    )  # the largest of value + noise is taken with the probabilities of the softmax
    taken = np.argmax(np.where(np.isnan(inputs[:, :, 0]), -np.inf, inputs @ known + noise), 1)
    labels = np.arange(5) == taken[:, None]
    found = learn_logit(inputs, labels)
    np.testing.assert_allclose(found, known, atol=0.06)
    values = logit_values(inputs, found)
    assert np.isneginf(values[::2, 4]).all()
    np.testing.assert_allclose(values[1], inputs[1] @ found, rtol=1e-4)


def test_without_a_hit_nothing_is_learned() -> None:
    assert not learn_logit(np.ones((3, 2, 4), np.float32), np.zeros((3, 2), bool)).any()


def test_a_model_is_judged_by_requests_that_it_has_not_learned_from() -> None:
    """A model that knows its own requests by heart, and nothing of others, gains nothing."""
    rng = np.random.default_rng(1)
    matrix = rng.random((300, 4, 1)).astype(np.float32)
    labels = np.arange(4) == rng.integers(0, 4, 300)[:, None]

    def learn(inputs: np.ndarray, wanted: np.ndarray) -> dict[float, np.ndarray]:
        return {float(one[0, 0]): hits.astype(np.float32) for one, hits in zip(inputs, wanted, strict=True)}

    def values(inputs: np.ndarray, known: dict[float, np.ndarray]) -> np.ndarray:
        given = -np.arange(4, dtype=np.float32)
        return np.stack([known.get(float(one[0, 0]), given) for one in inputs])

    def first(found: np.ndarray, hits: np.ndarray, among: np.ndarray) -> float:
        return float(np.take_along_axis(hits[among], found.argmax(1)[:, None], 1).mean())

    learned, gain = judged(matrix, labels, learn, values, first)
    assert len(learned) == 300
    assert gain == 0


def test_inputs_by_hand() -> None:
    """Two sources; the second one does not propose item 3 and has no score of it; there is no third candidate."""
    item = np.array([[3, 1, -1]], np.int32)
    ranks = np.array([[[0, np.nan], [4, 1], [np.nan, np.nan]]], np.float32)
    scores = np.array([[[2, np.nan], [-9, 0.5], [np.nan, np.nan]]], np.float32)
    blended = Blended(item, ranks, scores, ["a", "b"])
    requests, log_counts = make_requests([1, 1, 0]), np.log1p(np.array([1, 3, 0, 7], np.float32))
    fused = np.array([[2.0, 1.0, -np.inf]])
    best = Shortlisted.of(blended, np.array([[1, 0, 2]]), fused, requests.histories, log_counts)
    assert best.item.tolist() == [[1, 3, -1]]
    found = best.for_logit()[0]
    log = np.log
    expected = [[-3, 0.5, log(0.1), log(1.5), -log(5), -log(2), log(4)]]
    expected += [[2, -1, log(3), log(0.1), 0, -log(151), log(8)]]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-5)
    assert np.isnan(found[2]).all()
    tree = best.for_trees()[0]
    usual = (2 * log(4) + log(2)) / 3
    np.testing.assert_allclose(tree[1], [2, np.nan, 0, np.nan, 2, 1, log(8), 3, log(8) - usual], rtol=1e-5)
    assert np.isnan(tree[2]).all()

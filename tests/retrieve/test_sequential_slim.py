"""Sequential SLIM: its regression against a dense one, and the recency of item-item models."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.retrieve import Neighbours, Sequence, SequentialSLIM
from shortlist.retrieve.sequential_slim import steps_of
from support.interactions import make_requests, random_interactions


def histories(*lists: list[int]) -> Histories:
    return make_requests(*lists).histories


def test_steps_by_hand() -> None:
    """Of a, b, c: b follows a; c follows b and, at half the weight, a. An item that comes again does not predict itself."""
    steps = steps_of(histories([0, 1, 2], [2, 1, 2]), np.ones(6, np.float32), 3, 2, 0.5)
    inputs = np.array([[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0]])
    targets = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(steps.inputs.toarray(), inputs)
    np.testing.assert_allclose(steps.targets.toarray(), targets)
    alone = steps_of(histories([0, 1, 2]), np.ones(3, np.float32), 3, 1, 0.5)
    np.testing.assert_allclose(alone.inputs.toarray(), [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


def test_weights_are_those_of_a_dense_regression() -> None:
    """Prefixes as rows, written out in a loop; each target on the items that ever came before it."""
    rng = np.random.default_rng(4)
    lists = [rng.permutation(8)[: rng.integers(2, 7)].tolist() for _ in range(40)]
    h, n = histories(*lists), 8
    given, follows = [], []
    for history in lists:
        for at in range(1, len(history)):
            row = np.zeros(n)
            for back, item in enumerate(history[at - 1 :: -1][:3]):
                row[item] = 0.7**back
            given.append(row)
            follows.append(np.eye(n)[history[at]])
    A, Y = np.array(given), np.array(follows)
    size = A.sum(1)
    A, Y = A * size[:, None] ** -0.2, Y * size[:, None] ** -0.2
    expected = np.zeros((n, n))
    for j in range(n):
        before = np.flatnonzero((A.T @ Y)[:, j] > 0)
        before = before[before != j]
        G = A[:, before]
        expected[before, j] = np.linalg.solve(G.T @ G + 1.5 * np.eye(len(before)), G.T @ Y[:, j])
    model = SequentialSLIM(
        window=3, recency=0.7, spread=0.2, power=0.0, lift=0.0, regularisation=1.5, support=8
    )
    found = model.fit_histories(h, np.ones(len(h.item), np.float32), n).weights_.toarray()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_learns_what_comes_after() -> None:
    """a leads to b, never b to a; the latest of a and c counts most."""
    model = SequentialSLIM(recency=0.5, power=0.0, lift=0.0).fit_histories(
        histories(*[[0, 1]] * 10, *[[2, 3]] * 10), np.ones(40, np.float32), 4
    )
    W = model.weights_.toarray()
    assert W[0, 1] > 0.5
    assert W[1, 0] == 0
    after_a, after_c = model.score(make_requests([2, 0], [0, 2]))
    assert after_a[1] == pytest.approx(2 * after_a[3])
    assert after_c[3] == pytest.approx(2 * after_c[1])


def test_recency_of_a_model_that_has_no_order() -> None:
    """With recency r, the event before the latest counts r: the score is a weighted sum of those of the items alone."""
    X = random_interactions(2)
    model = Neighbours(recency=0.3, repeats=1.0).fit_matrix(X)
    scores = model.score(make_requests([4], [9], [4, 9]))
    early, late, both = np.where(np.isfinite(scores), scores, 0)  # −∞: no item of the history has a weight
    np.testing.assert_allclose(both, 0.3 * early + late, rtol=1e-5)
    shares = model.explain(make_requests([4, 9]), 0, np.arange(25))
    assert shares is not None
    np.testing.assert_allclose(shares.sum(1), both, rtol=1e-4, atol=1e-6)


def test_other_ways_to_read_a_history_need_no_fit(dataset: Dataset) -> None:
    model = Sequence().fit(dataset)
    read = model.reading_as(Sequence(recency=0.5).config)
    assert read is not None
    requests = make_requests([3, 1, 2])
    np.testing.assert_array_equal(read.score(requests), Sequence(recency=0.5).fit(dataset).score(requests))
    assert model.config.recency == 0.8
    assert model.reading_as(Sequence(recency=0.5, window=2).config) is None
    assert SequentialSLIM().fit(dataset).reading_as(SequentialSLIM(recency=0.5).config) is None

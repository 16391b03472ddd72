"""The two towers: by hand, blind to padding, and the same with and without PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.retrieve.deep.architecture import GAP_BUCKETS
from shortlist.retrieve.deep.losses import full_softmax, sampled_softmax
from shortlist.retrieve.deep.tower_network import TowerNetwork, VisitTensors
from shortlist.retrieve.deep.tower_shape import HOURS, TowerShape
from shortlist.retrieve.deep.towers import VisitInputs, gaps_before, hours_of, item_vectors, user_vectors
from support.deep import histories

SHAPE = TowerShape(width=8, hidden=12, pools=2, history=10, kinds=3)


def network(shape: TowerShape, flat: NDArray[np.float32]) -> TowerNetwork:
    made = TowerNetwork(shape, dropout=0.5)
    made.load_state_dict({name: torch.from_numpy(value) for name, value in shape.split(flat).items()})
    return made.eval()


def random_weights(shape: TowerShape, seed: int = 0) -> NDArray[np.float32]:
    return (0.5 * np.random.default_rng(seed).normal(size=shape.size)).astype(np.float32)


def random_visits(lengths: list[int], seed: int = 0) -> tuple[VisitInputs, NDArray[np.float32]]:
    """Return histories of these lengths, and the vectors of their items."""
    rng, n = np.random.default_rng(seed), sum(lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    back = np.concatenate([np.arange(k)[::-1] for k in lengths] or [np.empty(0, np.int64)]).astype(np.int64)
    visits = VisitInputs(
        indptr,
        back,
        rng.integers(0, SHAPE.kinds, n),
        rng.uniform(0.1, 2, n).astype(np.float32),
        rng.integers(0, GAP_BUCKETS, len(lengths)),
        rng.integers(0, HOURS, len(lengths)),
    )
    return visits, rng.normal(size=(n, SHAPE.width)).astype(np.float32)


def by_torch(
    made: TowerNetwork,
    vectors: NDArray[np.float32],
    attributes: NDArray[np.float32],
    visits: VisitInputs,
    moment: bool = True,
    padding: int = 0,
) -> NDArray[np.float32]:
    """Return the vectors of users. The padding has content, which must not matter."""
    lengths = np.diff(visits.indptr)
    place = np.arange(max(int(lengths.max(initial=0)), 1) + padding)
    there = place < lengths[:, None]
    at = np.where(there, visits.indptr[:-1, None] + place, 0)
    back, kind = torch.from_numpy(visits.back[at]), torch.from_numpy(visits.kind[at])
    weight = torch.from_numpy(np.where(there, visits.weight[at], 0).astype(np.float32))
    seen = torch.full((len(lengths),), float(moment))
    read = VisitTensors(back, kind, weight, torch.from_numpy(visits.gap), torch.from_numpy(visits.hour), seen)
    with torch.no_grad():
        return made.users(torch.from_numpy(vectors[at]), torch.from_numpy(attributes), read).numpy()


def test_a_user_by_hand() -> None:
    """Two means of the items (1, 0) and (0, 1), the latest one last: weights 1 : 1 and, with e^(−log 3) a step back, 1 : 3.

    Their mean is (½·½ + ½·¼, ½·½ + ½·¾) = (3/8, 5/8), of length √34 / 8; the attributes add (1/8, 0).
    """
    shape = TowerShape(width=2, hidden=1, pools=2, history=2, kinds=1)
    flat = np.zeros(shape.size, np.float32)
    w = shape.split(flat)  # views
    w["back"][1, 1] = -np.log(3)
    w["user_skip"][:] = np.concatenate([np.eye(2) / 2, np.eye(2) / 2, np.eye(2), np.eye(2)])
    none = np.zeros(2, np.int64)
    visits = VisitInputs(np.array([0, 2]), np.array([1, 0]), none, np.ones(2, np.float32), none[:1], none[:1])
    vectors, nobody = np.eye(2, dtype=np.float32), np.zeros((1, 2), np.float32)
    described = np.array([[1 / 8, 0]], np.float32)
    for attributes, expected in ((nobody, [3, 5]), (described, [4, 5])):
        length = np.sqrt(sum(x * x for x in expected))
        found = user_vectors(w, vectors, attributes, visits, moment=True)[0]
        np.testing.assert_allclose(found, np.array(expected) / length, rtol=1e-5)
        torched = by_torch(network(shape, flat), vectors, attributes, visits)[0]
        np.testing.assert_allclose(torched, np.array(expected) / length, rtol=1e-5)


def test_the_weight_of_an_event_counts() -> None:
    """Weights 1 and 3: the mean is (1/4, 3/4)."""
    shape = TowerShape(width=2, hidden=1, pools=1, history=2, kinds=1)
    w = shape.split(np.zeros(shape.size, np.float32))
    w["user_skip"][:2] = np.eye(2)
    none = np.zeros(2, np.int64)
    visits = VisitInputs(np.array([0, 2]), none, none, np.array([1, 3], np.float32), none[:1], none[:1])
    found = user_vectors(w, np.eye(2, dtype=np.float32), np.zeros((1, 2), np.float32), visits, moment=True)
    np.testing.assert_allclose(found[0], np.array([1, 3]) / np.sqrt(10), rtol=1e-5)


def test_an_item_by_hand() -> None:
    """e = (3, 4) has the root mean square 5/√2; the hidden layer adds silu(√2 · 7/5) to the second part. Nothing stays nothing."""
    shape = TowerShape(width=2, hidden=1, pools=1, history=1, kinds=1)
    flat = np.zeros(shape.size, np.float32)
    w = shape.split(flat)
    w["item_norm"][:], w["item_in"][:], w["item_out"][0, 1] = 1, 1, 1
    inner = np.sqrt(2) * 7 / 5
    added = inner / (1 + np.exp(-inner))
    expected = np.array([3, 4 + added]) / np.hypot(3, 4 + added)
    found = item_vectors(w, np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(found, [expected, [0, 0]], rtol=1e-5)


@given(
    st.lists(st.integers(0, 10), min_size=1, max_size=8), st.booleans(), st.integers(0, 1), st.integers(0, 99)
)
@settings(max_examples=25, deadline=None)
def test_numpy_equals_torch(lengths: list[int], moment: bool, contexts: int, seed: int) -> None:
    shape = replace(SHAPE, contexts=contexts)
    flat = random_weights(shape, seed)
    visits, vectors = random_visits(lengths, seed)
    described = (len(lengths), 8 * (1 + contexts))
    attributes = np.random.default_rng(seed).normal(size=described).astype(np.float32)
    made, w = network(shape, flat), shape.split(flat)
    if not len(vectors):
        vectors_padded = np.zeros((1, 8), np.float32)
        visits_padded = VisitInputs(*(np.append(a, 0) if len(a) == 0 else a for a in vars(visits).values()))
        expected = by_torch(made, vectors_padded, attributes, visits_padded, moment)
    else:
        expected = by_torch(made, vectors, attributes, visits, moment)
    found = user_vectors(w, vectors, attributes, visits, moment=moment)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with torch.no_grad():
        torched = made.items(torch.from_numpy(attributes[:, :8])).numpy()
    np.testing.assert_allclose(item_vectors(w, attributes[:, :8]), torched, atol=1e-4)


def test_padding_and_company_change_no_vector() -> None:
    flat = random_weights(SHAPE)
    visits, vectors = random_visits([3, 0, 8, 1])
    attributes = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    made = network(SHAPE, flat)
    plain = by_torch(made, vectors, attributes, visits)
    np.testing.assert_allclose(by_torch(made, vectors, attributes, visits, padding=5), plain, atol=1e-6)
    whole = user_vectors(SHAPE.split(flat), vectors, attributes, visits, moment=True)
    for row in range(4):
        low, high = visits.indptr[row : row + 2]
        one = VisitInputs(
            np.array([0, high - low]),
            visits.back[low:high],
            visits.kind[low:high],
            visits.weight[low:high],
            visits.gap[row : row + 1],
            visits.hour[row : row + 1],
        )
        alone = user_vectors(
            SHAPE.split(flat), vectors[low:high], attributes[row : row + 1], one, moment=True
        )
        np.testing.assert_allclose(alone[0], whole[row], atol=1e-5)


def test_gradients_are_numbers_without_history_too() -> None:
    visits, vectors = random_visits([2, 0])
    made = TowerNetwork(SHAPE, 0.0)
    lengths = np.diff(visits.indptr)
    there = np.arange(2) < lengths[:, None]
    weight = torch.from_numpy(there.astype(np.float32))
    zeros, row = torch.zeros((2, 2), dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    read = torch.from_numpy(vectors[[[0, 1], [0, 0]]]).requires_grad_()
    total: Any = made.users(
        read, torch.ones(2, 8), VisitTensors(zeros, zeros, weight, row, row, torch.ones(2))
    ).sum()
    total.backward()
    for weight_ in (*made.parameters(), read):
        assert weight_.grad is None or torch.isfinite(weight_.grad).all()


def test_moments_by_hand() -> None:
    """A minute after the last event: 1 + ⌊log₂ 61⌋ = 6; without events 0. 1970 began on a Thursday at hour 0 of this week."""
    h = histories([1, 2], [], [3])
    assert gaps_before(h, np.array([120_000, 5, 120_000])).tolist() == [6, 0, 1]
    assert gaps_before(histories([], []), np.array([1, 2])).tolist() == [0, 0]
    assert hours_of(np.array([0, 3_600_000, 168 * 3_600_000, -1])).tolist() == [0, 1, 0, 167]


def test_hard_negatives_stand_for_the_highest_items() -> None:
    """Highest items counted once each, and all other ones once: the whole softmax."""
    generator = torch.Generator().manual_seed(0)
    states, vectors = torch.randn(3, 4, generator=generator), torch.randn(9, 4, generator=generator)
    target, weights = torch.tensor([0, 5, 8]), torch.ones(3)
    scores = states @ vectors.T
    highest = scores.scatter(1, target[:, None], -torch.inf).topk(3).indices
    pool = torch.arange(9)
    left_out = (target[:, None] == pool) | (highest[:, :, None] == pool).any(1)
    found = sampled_softmax(
        states, vectors[target], vectors, torch.zeros(9), left_out, weights, scores.gather(1, highest)
    )
    assert found.item() == pytest.approx(full_softmax(states, vectors, target, weights).item(), rel=1e-5)

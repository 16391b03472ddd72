"""The multi-task network: by hand, against plain loops, and the same with and without PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.errors import BundleError
from shortlist.rank.multitask.infer import margins
from shortlist.rank.multitask.inputs import FeatureKnots
from shortlist.rank.multitask.network import MultitaskNetwork
from shortlist.rank.multitask.shape import MultitaskShape

MATRIX = np.array([[0, 2], [10, 0], [20, 0], [np.nan, 1]], np.float32)
KNOTS = FeatureKnots.of(MATRIX, ["q", "c"], 3)
SHAPE = MultitaskShape(8, 2, 3, 2, 2, 3, 5, 4, 2)


def random_weights(shape: MultitaskShape, seed: int = 0) -> NDArray[np.float32]:
    return (0.5 * np.random.default_rng(seed).normal(size=shape.size)).astype(np.float32)


def by_torch(
    shape: MultitaskShape, knots: FeatureKnots, flat: NDArray[np.float32], matrix: NDArray[np.float32]
) -> NDArray[np.float32]:
    made = MultitaskNetwork(shape, knots, dropout=0.5)
    made.load_state_dict({name: torch.from_numpy(value) for name, value in shape.split(flat).items()})
    row, share = knots.places(matrix)
    with torch.no_grad():
        found: torch.Tensor = made.eval()(torch.from_numpy(row), torch.from_numpy(share))
    return found.numpy()


def in_loops(flat: NDArray[np.float32], row: NDArray[np.int64], share: NDArray[np.float32]) -> list[float]:
    """Return the margins of one row: the formulas of the class, one number at a time."""
    w = {name: value.astype(np.float64) for name, value in SHAPE.split(flat).items()}

    def silu(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([c / (1 + math.exp(-c)) for c in x])

    def between(table: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        after = [min(r + 1, SHAPE.rows - 1) for r in row]
        return [(1 - s) * table[r] + s * table[a] for r, a, s in zip(row, after, share, strict=True)]

    inputs = x = np.concatenate(between(w["table"]))
    for layer in range(SHAPE.crosses):
        x = inputs * (x @ w["cross_down"][layer] @ w["cross_up"][layer] + w["cross_bias"][layer]) + x
    experts = []
    for k in range(SHAPE.experts):
        part = slice(k * SHAPE.hidden, (k + 1) * SHAPE.hidden)
        inner = silu(x @ w["expert_in"][:, part] + w["expert_in_bias"][part])
        experts.append(silu(inner @ w["expert_out"][k] + w["expert_out_bias"][k]))
    found = []
    for o in range(SHAPE.objectives):
        part = slice(o * SHAPE.experts, (o + 1) * SHAPE.experts)
        gate = np.exp(x @ w["gate"][:, part] + w["gate_bias"][part])
        mixed = sum(g * e for g, e in zip(gate / gate.sum(), experts, strict=True))
        wide = sum(v[o] for v in between(w["wide"]))
        found.append(float(mixed @ w["head"][o] + wide + w["start"][o]))
    return found


def test_places_by_hand() -> None:
    """Rows: 0 missing, 1 to 3 the knots 0, 10 and 20; 4 missing, 5 to 7 the categories 0 to 2."""
    assert KNOTS.begin.tolist() == [0, 4, 8]
    assert KNOTS.knots.tolist() == [0, 0, 10, 20, 0, 0, 0, 0]
    values = np.array([[0, 0], [5, 2], [12, 3], [20, -1], [-9, 1], [99, np.nan], [np.nan, 0]], np.float32)
    row, share = KNOTS.places(values)
    assert row.tolist() == [[1, 5], [1, 7], [2, 4], [3, 4], [1, 6], [3, 4], [0, 5]]
    np.testing.assert_allclose(share[:, 0], [0, 0.5, 0.2, 0, 0, 0, 0], atol=1e-6)
    assert not share[:, 1].any()


def test_a_feature_that_is_always_missing_or_constant_has_a_place() -> None:
    knots = FeatureKnots.of(np.array([[np.nan, 3, np.nan]] * 4, np.float32), ["q", "q", "c"], 5)
    assert knots.begin.tolist() == [0, 1, 3, 4]
    row, share = knots.places(np.array([[7, 3, 1], [np.nan, 9, 0]], np.float32))
    assert row.tolist() == [[0, 2, 3], [0, 2, 3]]
    assert not share.any()


def test_two_features_by_hand() -> None:
    """x = (½, 2), crossed with its sum: x (1 + 2½) = (7/4, 7); an expert of silu(silu(8¾)), the additive part 5 and the start −1."""
    shape = MultitaskShape(8, 2, 1, 1, 1, 1, 1, 1, 1)
    flat = np.zeros(shape.size, np.float32)
    w = shape.split(flat)
    w["table"][:, 0] = [0, 0, 1, 0, 0, 0, 0, 2]  # halfway between 0 and 10; the category 2
    w["wide"][7], w["start"][0] = 5, -1
    w["cross_down"][:] = w["cross_up"][:] = w["expert_in"][:] = w["expert_out"][:] = w["head"][:] = 1
    inner = 8.75
    for _ in range(2):
        inner = inner / (1 + math.exp(-inner))
    rows = np.array([[5, 2]], np.float32)
    assert margins(w, shape, KNOTS, rows)[0, 0] == pytest.approx(inner + 4, rel=1e-5)
    assert by_torch(shape, KNOTS, flat, rows)[0, 0] == pytest.approx(inner + 4, rel=1e-5)


@given(
    st.lists(
        st.tuples(st.floats(-30, 50, width=32) | st.just(math.nan), st.sampled_from([0, 1, 2, 7, math.nan])),
        min_size=1,
        max_size=9,
    ),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_numpy_equals_torch_and_the_formulas(values: list[tuple[float, float]], seed: int) -> None:
    flat, matrix = random_weights(SHAPE, seed), np.array(values, np.float32)
    found = margins(SHAPE.split(flat), SHAPE, KNOTS, matrix)
    np.testing.assert_allclose(found, by_torch(SHAPE, KNOTS, flat, matrix), atol=1e-4)
    row, share = KNOTS.places(matrix)
    np.testing.assert_allclose(found[0], in_loops(flat, row[0], share[0]), atol=1e-4)
    alone = margins(SHAPE.split(flat), SHAPE, KNOTS, matrix[:1])
    np.testing.assert_allclose(alone, found[:1], atol=1e-5)


def test_no_rows_have_no_margins() -> None:
    empty = np.empty((0, 2), np.float32)
    assert margins(SHAPE.split(random_weights(SHAPE)), SHAPE, KNOTS, empty).shape == (0, 2)


@pytest.mark.parametrize(
    "knots",
    [
        FeatureKnots(KNOTS.begin[:-1], KNOTS.category, KNOTS.knots),
        FeatureKnots(KNOTS.begin[::-1].copy(), KNOTS.category, KNOTS.knots),
        FeatureKnots(KNOTS.begin.astype(np.int32), KNOTS.category, KNOTS.knots),
        FeatureKnots(KNOTS.begin, KNOTS.category, KNOTS.knots[:-1]),
        FeatureKnots(KNOTS.begin + 1, KNOTS.category, KNOTS.knots),
    ],
)
def test_places_that_do_not_fit_are_refused(knots: FeatureKnots) -> None:
    with pytest.raises(BundleError):
        knots.check()

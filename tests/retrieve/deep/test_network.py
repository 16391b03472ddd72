"""The network: by hand, against plain loops, causal, blind to padding, and the same with and without PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.encode import encode
from shortlist.retrieve.deep.inputs import EventInputs
from shortlist.retrieve.deep.network import Events, HistoryNetwork
from support.deep import random_inputs, random_weights

SHAPE = Architecture(width=16, blocks=2, heads=2, history=20, kinds=3)


def network(shape: Architecture, flat: NDArray[np.float32]) -> HistoryNetwork:
    made = HistoryNetwork(shape, dropout=0.5)
    made.load_state_dict({name: torch.from_numpy(value) for name, value in shape.split(flat).items()})
    return made.eval()


def states(
    made: HistoryNetwork, vectors: NDArray[np.float32], inputs: EventInputs, padding: int = 0
) -> NDArray[np.float32]:
    """Return the state after each event, packed as the inputs are. The padding has content, which must not matter."""
    lengths = np.diff(inputs.indptr)
    place = np.arange(int(lengths.max()) + padding)
    there = place < lengths[:, None]
    at = np.where(there, inputs.indptr[:-1, None] + place, 0)
    events = (
        torch.from_numpy(one[at])
        for one in (inputs.item.astype(np.int64), inputs.gap, inputs.kind, inputs.value)
    )
    with torch.no_grad():
        found: torch.Tensor = made(torch.from_numpy(vectors[inputs.item][at]), Events(*events))
    return found.numpy()[there]


def in_loops(
    shape: Architecture, flat: NDArray[np.float32], vectors: NDArray[np.float32], inputs: EventInputs
) -> NDArray[np.float64]:
    """Return the state after the last event of one history: the formulas of the class, one number at a time."""
    w = {name: value.astype(np.float64) for name, value in shape.split(flat).items()}
    size = shape.width // shape.heads

    def norm(x: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return x / math.sqrt(sum(c * c for c in x) / len(x) + 1e-6) * weight

    def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([1 / (1 + math.exp(-c)) for c in x])

    xs = [
        vectors[inputs.item[t]].astype(np.float64) * math.sqrt(shape.width)
        + w["gap"][inputs.gap[t]]
        + w["kind"][inputs.kind[t]]
        + inputs.value[t] * w["value"]
        for t in range(len(inputs.item))
    ]
    for b in range(shape.blocks):
        qkv = [norm(x, w["attention_norm"][b]) @ w["qkv"][b] for x in xs]
        after = []
        for t, before in enumerate(xs):
            mixed = np.zeros(shape.width)
            for h in range(shape.heads):
                part = slice(h * size, (h + 1) * size)
                scores = [
                    qkv[t][: shape.width][part]
                    @ qkv[j][shape.width : 2 * shape.width][part]
                    / math.sqrt(size)
                    + w["distance"][b, h, t - j]
                    for j in range(t + 1)
                ]
                total = sum(math.exp(s) for s in scores)
                for j, s in enumerate(scores):
                    mixed[part] += math.exp(s) / total * qkv[j][2 * shape.width :][part]
            opened = sigmoid(before @ w["attention_gate"][b] + w["attention_gate_bias"][b])
            x = before + opened * (mixed @ w["attention_out"][b])
            inner = norm(x, w["feed_norm"][b]) @ w["feed_in"][b]
            value, gate = inner[: shape.hidden], inner[shape.hidden :]
            fed = (gate * sigmoid(gate) * value) @ w["feed_out"][b]
            after.append(x + sigmoid(x @ w["feed_gate"][b] + w["feed_gate_bias"][b]) * fed)
        xs = after
    return norm(xs[-1], w["last_norm"])


def test_two_events_by_hand() -> None:
    """One head that looks at both events alike, values as they are, a gate of ½, and nothing fed forward.

    Items (3, 4) and (4, 3) times √2; normed, their mean is 0.7 √2 (1, 1). The state is √2 (4 + 0.35, 3 + 0.35), normed.
    """
    shape = Architecture(width=2, blocks=1, heads=1, history=2, kinds=1)
    flat = np.zeros(shape.size, np.float32)
    w = shape.split(flat)  # views
    for name in ("attention_norm", "feed_norm", "last_norm"):
        w[name][:] = 1
    w["qkv"][0, :, 4:] = w["attention_out"][0] = np.eye(2)
    none = np.zeros(2, np.int64)
    inputs = EventInputs(
        np.array([0, 2]),
        np.array([0, 1], np.int32),
        none,
        none,
        np.zeros(2, np.float32),
        np.ones(2, np.float32),
    )
    vectors = np.array([[3, 4], [4, 3]], np.float32)
    expected = math.sqrt(2) * np.array([4.35, 3.35]) / math.sqrt(4.35**2 + 3.35**2)
    np.testing.assert_allclose(encode(w, shape, vectors, inputs)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(states(network(shape, flat), vectors, inputs)[-1], expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_encoder_and_network_are_the_formulas(seed: int) -> None:
    flat = random_weights(SHAPE, seed)
    inputs, vectors = random_inputs([5 + seed], 9, SHAPE, seed)
    expected = in_loops(SHAPE, flat, vectors, inputs)
    np.testing.assert_allclose(
        encode(SHAPE.split(flat), SHAPE, vectors[inputs.item], inputs)[0], expected, atol=1e-4
    )
    np.testing.assert_allclose(states(network(SHAPE, flat), vectors, inputs)[-1], expected, atol=1e-4)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_encoder_equals_the_network(lengths: list[int], blocks: int, seed: int) -> None:
    shape = Architecture(width=16, blocks=blocks, heads=2, history=20, kinds=3)
    flat = random_weights(shape, seed)
    inputs, vectors = random_inputs(lengths, 9, shape, seed)
    found = encode(shape.split(flat), shape, vectors[inputs.item], inputs)
    filled = np.diff(inputs.indptr) > 0
    assert not found[~filled].any()
    if filled.any():
        expected = states(network(shape, flat), vectors, inputs)[inputs.indptr[1:][filled] - 1]
        np.testing.assert_allclose(found[filled], expected, atol=1e-4)


def test_a_changed_future_changes_no_state() -> None:
    made = network(SHAPE, random_weights(SHAPE))
    inputs, vectors = random_inputs([12], 9, SHAPE)
    before = states(made, vectors, inputs)
    other, _ = random_inputs([12], 9, SHAPE, seed=1)
    for name in ("item", "gap", "kind", "value"):
        getattr(inputs, name)[7:] = getattr(other, name)[7:]
    after = states(made, vectors, inputs)
    np.testing.assert_array_equal(before[:7], after[:7])
    assert (np.abs(before[7:] - after[7:]).max(1) > 1e-3).all()


def test_padding_changes_no_state() -> None:
    made = network(SHAPE, random_weights(SHAPE))
    inputs, vectors = random_inputs([3, 8, 1], 9, SHAPE)
    np.testing.assert_allclose(
        states(made, vectors, inputs), states(made, vectors, inputs, padding=9), rtol=1e-4, atol=1e-6
    )


def test_company_in_a_batch_changes_no_vector() -> None:
    flat = random_weights(SHAPE)
    inputs, vectors = random_inputs([3, 0, 8, 1], 9, SHAPE)
    together = encode(SHAPE.split(flat), SHAPE, vectors[inputs.item], inputs)
    for row in range(4):
        low, high = inputs.indptr[row : row + 2]
        one = EventInputs(
            np.array([0, high - low]),
            *(getattr(inputs, n)[low:high] for n in ("item", "gap", "kind", "value", "weight")),
        )
        alone = encode(SHAPE.split(flat), SHAPE, vectors[one.item], one)[0]
        np.testing.assert_allclose(alone, together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gap", "kind", "value"])
def test_every_input_matters(name: str) -> None:
    flat = random_weights(SHAPE)
    inputs, vectors = random_inputs([5], 9, SHAPE)
    before = encode(SHAPE.split(flat), SHAPE, vectors[inputs.item], inputs)
    changed = getattr(inputs, name)
    changed[2] = (changed[2] + 1) % 3
    assert np.abs(encode(SHAPE.split(flat), SHAPE, vectors[inputs.item], inputs) - before).max() > 1e-4

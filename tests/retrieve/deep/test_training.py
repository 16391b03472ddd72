"""Training: it learns, repeats, goes on after an interruption, stops early, and says beforehand what it takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from shortlist.deep.device import multiplies_bfloat16
from shortlist.errors import BundleError, DataError, ProjectError
from shortlist.retrieve import EventWeighting, Transformer
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.cost import transformer_cost
from shortlist.retrieve.deep.tables import ItemTable
from support.deep import TINY, Interrupted, coloured, cycles, interrupted_in
from support.interactions import make_requests

NAMES = ("item_vectors_", "network_", "token_vectors_")


def fitted(progress: Any = None, **settings: Any) -> Transformer:
    model = Transformer(**{**TINY, **settings})
    return model.fit(cycles(), *([progress] if progress else []))


def assert_equal(a: Transformer, b: Transformer) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("negatives", [0, 6])
def test_it_learns_what_follows(negatives: int) -> None:
    """The next item of a circle of 12 is that after the last one; most histories were not seen in training."""
    model = fitted(epochs=10, dropout=0.0, learning_rate=0.03, batch=64, negatives=negatives)
    found = model.retrieve(make_requests(*[[i, (i + 1) % 12] for i in range(12)]), 1).item[:, 0]
    assert (found == [(i + 2) % 12 for i in range(12)]).all()
    assert model.curves_[-1]["loss"] < 0.25 * model.curves_[0]["loss"]


def test_order_matters() -> None:
    model = fitted(epochs=10, dropout=0.0, learning_rate=0.03, batch=64)
    forward, backward = model.retrieve(make_requests([3, 4], [4, 3]), 1).item[:, 0]
    assert (forward, backward) == (5, 4)


def test_a_seed_repeats_and_leaves_the_generators_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fitted(seed=1, negatives=6)
    assert torch.rand(1) == expected
    assert_equal(fitted(seed=1, negatives=6), first)
    assert np.abs(fitted(seed=2).network_ - first.network_).max() > 1e-3


@pytest.mark.parametrize("validation", [0.0, 0.5])
def test_an_interrupted_training_ends_with_the_same_numbers(tmp_path: Path, validation: float) -> None:
    interrupt = interrupted_in("epoch 3 of 4")
    attributes: list[str] | None = (
        [] if validation else None
    )  # without attributes there are no vectors of tokens
    settings = {"epochs": 4, "validation": validation, "attributes": attributes, "checkpoints": str(tmp_path)}
    whole = fitted(**{**settings, "checkpoints": None})
    with pytest.raises(Interrupted):
        fitted(interrupt, **settings)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    steps: list[str] = []
    rest = fitted(lambda step, _: steps.append(step), **settings)
    assert any("going on after epoch 2" in step for step in steps)
    assert not any("epoch 2 of 4" in step for step in steps)
    assert_equal(rest, whole)
    assert rest.curves_ == whole.curves_
    assert not list(tmp_path.iterdir())  # a finished training needs none


def test_an_interruption_in_a_later_network_keeps_the_earlier_ones(tmp_path: Path) -> None:
    """Two members, and the network that `trend` is learned with where the log has more than a day."""
    settings = {"epochs": 4, "members": 2, "validation": 0.5, "checkpoints": str(tmp_path)}
    whole = fitted(**{**settings, "checkpoints": None})
    seen: list[str] = []

    def interrupt(step: str, share: float) -> None:
        seen.append(step)
        if any("network 2 of 2" in one for one in seen) and "epoch 3 of 4" in step and share > 0:
            raise Interrupted

    with pytest.raises(Interrupted):
        fitted(interrupt, **settings)
    networks = len(list(tmp_path.glob("*.npz")))
    steps: list[str] = []
    rest = fitted(lambda step, _: steps.append(step), **settings)
    assert networks >= 2
    assert sum("going on after epoch" in step for step in steps) == networks
    assert not any("epoch 1 of" in step for step in steps)  # no network begins anew
    assert_equal(rest, whole)
    assert rest.curves_ == whole.curves_
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_settings_is_not_used_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    interrupt = interrupted_in("epoch 2 of 2")
    settings = {"checkpoints": str(tmp_path)}
    with pytest.raises(Interrupted):
        fitted(interrupt, **settings)
    (file,) = tmp_path.iterdir()
    assert_equal(fitted(seed=3, **settings), fitted(seed=3))
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(BundleError, match="delete it to train from the start"):
        fitted(**settings)


def test_parts_of_a_step_have_the_gradients_of_the_whole() -> None:
    same = {"dropout": 0.0, "hidden_items": 0.0, "batch": 64, "precision": "float32"}
    whole, parts = fitted(**same), fitted(**same, accumulate=4)
    np.testing.assert_allclose(parts.network_, whole.network_, atol=2e-3)
    np.testing.assert_allclose(
        [one["loss"] for one in parts.curves_], [one["loss"] for one in whole.curves_], rtol=1e-3
    )


def test_it_stops_early_and_keeps_the_best() -> None:
    """A step size that is far too large: the held-out events get no better."""
    model = fitted(epochs=30, patience=3, validation=0.5, learning_rate=0.3)
    assert len(model.curves_) < 30
    best = int(np.argmax([one["ndcg@10"] for one in model.curves_]))
    assert len(model.curves_) - 1 - best == 3
    shorter = fitted(epochs=30, patience=3, validation=0.5, learning_rate=0.3)
    assert_equal(shorter, model)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(DataError, match=r"480 events are too few.*`als` will serve you better") as error:
        Transformer().fit(cycles())
    assert error.value.field == "min_events"


def test_events_of_weight_0_are_no_events() -> None:
    dataset = cycles()
    weighting = EventWeighting({dataset.log.kinds[0]: 0.0})
    with pytest.raises(DataError, match="0 events are too few"):
        Transformer(event_weighting=weighting).fit(dataset)


def test_a_training_that_diverges_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the loss of epoch \d is .*; lower learning_rate"):
        fitted(learning_rate=3e37, epochs=9)


def test_settings_are_checked() -> None:
    with pytest.raises(ProjectError, match=r"width \(16\) must be a multiple of heads \(3\)"):
        Transformer(width=16, heads=3)
    if not torch.cuda.is_available():
        with pytest.raises(ProjectError, match='use "auto"'):
            fitted(device="cuda")


def test_half_precision_is_close() -> None:
    exact, half = (fitted(dropout=0.0, precision=one) for one in ("float32", "bfloat16"))
    assert half.network_.dtype == np.float32
    assert half.curves_[-1]["loss"] == pytest.approx(exact.curves_[-1]["loss"], rel=0.02)
    assert half.curves_ != exact.curves_


def test_half_precision_is_the_default_where_the_device_multiplies_it() -> None:
    device = torch.device("cpu")
    wanted = "bfloat16" if multiplies_bfloat16(device) else "float32"
    assert_equal(fitted(), fitted(precision=wanted))


def test_item_vectors_have_length_1_and_unknown_items_none() -> None:
    dataset = cycles()
    vectors = Transformer(**TINY).fit(dataset).item_vectors_
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    model = Transformer(**TINY, attributes=[]).fit(coloured())
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors_, axis=1), [1] * 30 + [0] * 10, rtol=1e-5)


def test_progress_states_memory_and_losses() -> None:
    steps: list[str] = []
    fitted(lambda step, _: steps.append(step), validation=0.5, trend=False)
    assert "GB of memory on the CPU" in steps[0]
    assert "each against the whole catalogue" in steps[0]
    assert any(step.startswith("transformer: loss") and "ndcg@10" in step for step in steps)


def test_after_a_minute_the_rest_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """61 s after a quarter of the steps: three times as long is left."""
    clock = iter([1000.0, 1010.0, 1061.0, 1090.0, 1120.0, 1150.0, 1180.0, 1210.0, 1240.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    steps: list[str] = []
    fitted(lambda step, _: steps.append(step), batch=210)
    told = [step for step in steps if "left on the CPU; a GPU would take about" in step]
    assert len(told) == 1
    assert "at most 3 min left" in told[0]
    assert "not measured" in told[0]


def test_the_cost_by_hand() -> None:
    """d = 6, hidden = 16: an event takes 6·36 + 3·6·16 + 6·10 = 564 products, and 100 items 600; six operations each."""
    shape = Architecture(6, 1, 1, 10, 1)
    cost = transformer_cost(shape, (1000, 10), 100, targets=50, batch=10)
    assert cost.operations == 6 * 50 * (564 + 600)
    assert cost.weights == 1010 * 6 + shape.size
    assert cost.memory > 4 * 5 * cost.weights
    assert cost.gpu_seconds(2) == pytest.approx(2 * (cost.operations / 5e12 + 5 * 0.01))


def test_item_vectors_are_sums_of_their_parts() -> None:
    tokens = sp.csr_matrix(np.array([[1, 0.5], [0, 0], [0, 2]], np.float32))
    table = ItemTable(tokens, 4)
    own, token = table.own.detach().numpy(), table.described.token.detach().numpy()
    expected = own + np.stack([token[0] + 0.5 * token[1], np.zeros(4), 2 * token[1]])
    with torch.no_grad():
        np.testing.assert_allclose(table().numpy(), expected, rtol=1e-5)
        np.testing.assert_allclose(table(torch.tensor([2, 0])).numpy(), expected[[2, 0]], rtol=1e-5)
        hidden = table(None, hidden=1.0).numpy()
    np.testing.assert_allclose(hidden, expected - own, atol=1e-6)

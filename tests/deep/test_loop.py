"""The loop, with a network of one weight: steps by hand, early stopping in both directions, layouts of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shortlist.data.progress import silent
from shortlist.deep.cost import TrainingCost
from shortlist.deep.device import limited_threads, seeded
from shortlist.deep.layout import Shapes, WeightLayout, check_sizes
from shortlist.deep.loop import TrainingLoop
from shortlist.deep.settings import TrainingSettings
from shortlist.deep.task import TrainingTask
from shortlist.threads import set_threads

CPU = torch.device("cpu")


class Mean(TrainingTask[NDArray[np.int64]]):
    """Learn the mean of some numbers by least squares; `held` is what each epoch is said to be worth."""

    name: ClassVar[str] = "mean"
    watched: ClassVar[str] = "held"

    def __init__(self, numbers: list[float], held: list[float] | None = None) -> None:
        self.numbers, self.held = np.array(numbers, np.float32), iter(held or [])
        self.few = held is None
        module = nn.Module()
        module.register_parameter("at", nn.Parameter(torch.zeros(1)))
        super().__init__(nn.ModuleDict({"mean": module}), CPU, TrainingCost(1, 8, 2.0, 1, "numbers"))

    def batches(self, epoch: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        order = rng.permutation(len(self.numbers))
        return [order[at : at + size] for at in range(0, len(order), size)]

    def parts(self, batch: NDArray[np.int64], number: int) -> list[NDArray[np.int64]]:
        self.size = len(batch)
        return [part for part in np.array_split(batch, number) if len(part)]

    def loss(self, part: NDArray[np.int64]) -> Tensor:
        at: Any = self.modules["mean"].at
        loss: Tensor = (at - self.tensor(self.numbers[part])).square().sum() / self.size
        return loss

    def evaluate(self) -> dict[str, float]:
        return {} if self.few else {"held": next(self.held)}

    def data(self) -> list[NDArray[Any]]:
        return [self.numbers]


class Falling(Mean):
    rising: ClassVar[bool] = False


SETTINGS = TrainingSettings(epochs=60, batch=4, learning_rate=0.2)


def test_it_finds_the_minimum() -> None:
    state, curves = TrainingLoop(Mean([1, 2, 3, 6]), SETTINGS, silent).run()
    assert state["mean.at"][0] == pytest.approx(3, abs=0.15)  # the mean
    assert curves[-1]["loss"] == pytest.approx(3.5, abs=0.05)  # the variance: (4 + 1 + 0 + 9) / 4
    assert curves[0]["loss"] == pytest.approx(12.5)  # at 0: (1 + 4 + 9 + 36) / 4


def test_the_first_step_by_hand() -> None:
    """Adam's first step is the step size, whatever the gradient: 0.2 × warm-up 1 × ½ (1 + cos ½π) = 0.1."""
    settings = SETTINGS.model_copy(update={"epochs": 1})
    state, _ = TrainingLoop(Mean([1, 2, 3, 6]), settings, silent).run()
    assert state["mean.at"][0] == pytest.approx(0.1, rel=1e-4)


def test_parts_add_up() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 5})
    whole, _ = TrainingLoop(Mean([1, 2, 3, 6]), settings, silent).run()
    apart, _ = TrainingLoop(Mean([1, 2, 3, 6]), settings.model_copy(update={"accumulate": 3}), silent).run()
    np.testing.assert_allclose(apart["mean.at"], whole["mean.at"], rtol=1e-5)


@pytest.mark.parametrize(("kind", "sign"), [(Mean, 1.0), (Falling, -1.0)])
def test_the_best_epoch_is_kept_and_patience_ends_the_training(kind: type[Mean], sign: float) -> None:
    held = [sign * value for value in (0.1, 0.4, 0.2, 0.3, 0.9)]
    settings = SETTINGS.model_copy(update={"patience": 2})
    state, curves = TrainingLoop(kind([1, 2, 3, 6], held), settings, silent).run()
    assert len(curves) == 4  # the fifth, which would be the best, is not reached
    at: list[float] = []

    class Watched(kind):  # type: ignore[misc, valid-type]
        def evaluate(self) -> dict[str, float]:
            at.append(float(self.modules["mean"].at))
            found: dict[str, float] = super().evaluate()
            return found

    TrainingLoop(Watched([1, 2, 3, 6], held), settings, silent).run()
    assert state["mean.at"][0] == pytest.approx(at[1])


@pytest.mark.parametrize(
    ("kind", "held"), [(Mean, (0.1, 0.5, 0.3, 0.46, 0.44)), (Falling, (0.9, 0.5, 0.7, 0.54, 0.56))]
)
def test_a_later_epoch_that_is_as_good_but_for_the_slack_is_kept(
    kind: type[Mean], held: tuple[float, ...]
) -> None:
    """Within a tenth of the best, 0.5, is the fourth epoch, and not the fifth."""
    at: list[float] = []

    class Slack(kind):  # type: ignore[misc, valid-type]
        slack: ClassVar[float] = 0.1

        def evaluate(self) -> dict[str, float]:
            at.append(float(self.modules["mean"].at))
            found: dict[str, float] = super().evaluate()
            return found

    settings = SETTINGS.model_copy(update={"epochs": 5, "patience": 5})
    state, _ = TrainingLoop(Slack([1, 2, 3, 6], list(held)), settings, silent).run()
    assert state["mean.at"][0] == pytest.approx(at[3])


def test_averaged_weights_are_evaluated_and_kept() -> None:
    """After steps 0, 1, 2 … the average moves by 1, 4/5, 4/6 … 0.5 of the way to the weight; the weight itself goes on as without."""
    weights: list[float] = []
    evaluated: list[float] = []

    class Watched(Mean):
        @property
        def at(self) -> float:
            weight: Any = self.modules["mean"].at
            return float(weight.detach())

        def loss(self, part: NDArray[np.int64]) -> Tensor:
            weights.append(self.at)
            return super().loss(part)

        def evaluate(self) -> dict[str, float]:
            evaluated.append(self.at)
            return {}

    settings = SETTINGS.model_copy(update={"epochs": 3, "batch": 2})
    plain, _ = TrainingLoop(Watched([1, 2, 3, 6]), settings, silent).run()
    before = weights.copy()
    weights.clear()
    evaluated.clear()
    averaging = settings.model_copy(update={"averaging": 0.5})
    state, _ = TrainingLoop(Watched([1, 2, 3, 6]), averaging, silent).run()
    assert weights == before
    average, of_epochs = 0.0, []
    for step, weight in enumerate([*before[1:], float(plain["mean.at"][0])]):
        average += max(0.5, 4 / (4 + step)) * (weight - average)
        of_epochs.append(average)
    assert evaluated == pytest.approx(of_epochs[1::2], rel=1e-5)
    assert state["mean.at"][0] == pytest.approx(average, rel=1e-5)


def test_seeds_and_threads_are_put_back() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with seeded(0, 1, CPU):
        first = torch.rand(1)
    assert torch.rand(1) == expected
    with seeded(0, 1, CPU):
        assert torch.rand(1) == first
    with seeded(0, 2, CPU):
        assert torch.rand(1) != first
    before = torch.get_num_threads()
    set_threads(1)
    try:
        with limited_threads():
            assert torch.get_num_threads() == 1
    finally:
        set_threads(None)
    assert torch.get_num_threads() == before


@dataclass(frozen=True)
class Two(WeightLayout):
    n: int

    @property
    def shapes(self) -> Shapes:
        return {"a": (self.n, 2), "b": (1,)}


def test_weights_are_joined_and_split() -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([9], np.float32)
    flat = Two(3).joined({"net.b": b, "net.a": a, "other": a}, "net.")
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, 9]
    assert Two(3).size == 7
    parts = Two(3).split(flat)
    np.testing.assert_array_equal(parts["a"], a)
    np.testing.assert_array_equal(parts["b"], b)
    assert np.shares_memory(parts["a"], flat)


@pytest.mark.parametrize("size", [0, -1, 1.0, "1", None, True])
def test_sizes_are_whole_numbers(size: Any) -> None:
    with pytest.raises(ValueError, match="n must be a whole number from 1"):
        check_sizes({"n": size})

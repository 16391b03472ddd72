"""The interface between a network and the training loop. Only training imports it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shortlist.deep.cost import TrainingCost

Part = TypeVar("Part")


class TrainingTask(ABC, Generic[Part]):
    """A network with the data that it learns from: batches of examples, a loss, and how good the weights are.

    `TrainingLoop` does everything else. An epoch's numbers may follow from the weights before it, the epoch and the seeded
    generators only, so that a training that goes on from a checkpoint ends as one that was not interrupted.

    Parameters
    ----------
    modules
        What is trained. It is on `device`.
    device
        Where training runs.
    cost
        What it takes.

    Attributes
    ----------
    name
        The model in `shortlist.toml`, for messages.
    watched
        The curve that early stopping follows.
    rising
        Whether higher values of that curve are better.
    slack
        Share by which a later epoch may be worse than the best one and is kept all the same: differences that small are chance
        where few examples are held out, and the weights of later epochs, whose steps are smaller, are closer to an average.
    """

    name: ClassVar[str]
    watched: ClassVar[str]
    rising: ClassVar[bool] = True
    slack: ClassVar[float] = 0.0

    def __init__(self, modules: nn.ModuleDict, device: torch.device, cost: TrainingCost) -> None:
        self.modules, self.device, self.cost = modules, device, cost

    @abstractmethod
    def batches(self, epoch: int, size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        """Return the examples of an epoch in batches of about `size`; none where there is nothing to learn from."""

    @abstractmethod
    def parts(self, batch: NDArray[np.int64], number: int) -> list[Part]:
        """Return a batch in at most `number` parts, whose losses add up to that of the batch."""

    @abstractmethod
    def loss(self, part: Part) -> Tensor:
        """Return the share of a part in the mean loss of its batch."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Return how good the weights are on held-out examples, by name of the curve; nothing where none are held out."""

    @abstractmethod
    def data(self) -> list[NDArray[Any]]:
        """Return the arrays that are learned from: a checkpoint belongs to them."""

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """Return an array on the device."""
        return torch.from_numpy(array).to(self.device)

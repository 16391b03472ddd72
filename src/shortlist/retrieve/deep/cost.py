"""What a training will take: memory, operations, and the time of a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.data.progress import format_seconds
from shortlist.retrieve.deep.architecture import Architecture

GPU_OPERATIONS = 5e12
"""Operations a second assumed of a GPU: a tenth or less of what one reaches on large products, because these are small."""
GPU_STEP_SECONDS = 0.01
"""Seconds of a step assumed for starting some hundred kernels of a GPU."""


@dataclass(frozen=True)
class TrainingCost:
    """The size of a training.

    Attributes
    ----------
    shape
        The network.
    items, tokens
        Number of vectors of items and of tokens.
    compared
        Number of items that each target is compared with.
    targets
        Number of targets of an epoch.
    batch
        Number of targets that are computed at once.
    """

    shape: Architecture
    items: int
    tokens: int
    compared: int
    targets: int
    batch: int

    @property
    def weights(self) -> int:
        """Number of learned weights."""
        return (self.items + self.tokens) * self.shape.width + self.shape.size

    @property
    def memory(self) -> int:
        """Peak memory in bytes: weights, their gradients, two moments and the best so far; states, attention and scores of a batch."""
        shape, length = self.shape, min(self.shape.history, self.batch)
        states = shape.blocks * (14 * shape.width + 6 * shape.hidden + 3 * shape.heads * length)
        scores = 4 * self.compared + 2 * shape.width
        return 4 * (5 * self.weights + self.batch * (states + scores))

    @property
    def operations(self) -> float:
        """Floating-point operations of an epoch: forward, and twice that backward."""
        shape, d = self.shape, self.shape.width
        block = 6 * d * d + 3 * d * shape.hidden + d * shape.history
        return 6.0 * self.targets * (shape.blocks * block + self.compared * d)

    def gpu_seconds(self, epochs: int) -> float:
        """Return the seconds that a GPU is estimated to take."""
        steps = max(1, self.targets // self.batch)
        return epochs * (self.operations / GPU_OPERATIONS + steps * GPU_STEP_SECONDS)

    def before(self, device: str) -> str:
        """Return a line that states the size of the training before it begins."""
        softmax = "the whole catalogue" if self.compared == self.items else f"{self.compared:,} sampled items"
        return (
            f"{self.weights:,} weights, about {self.memory / 1e9:.2g} GB of memory on the {device.upper()}; "
            f"{self.targets:,} targets an epoch, each against {softmax}"
        )

    def after_a_minute(self, left: float, epochs: int) -> str:
        """Return a line about the seconds that are left on a CPU, and what a GPU would take for all epochs."""
        gpu = format_seconds(self.gpu_seconds(epochs))
        return (
            f"at most {format_seconds(left)} left on the CPU; a GPU would take about {gpu} for all epochs (estimated from "
            f"{self.operations * epochs:.1e} operations, not measured)"
        )

"""Estimates of the cost of a training: memory, operations, and the time of a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.data.progress import format_seconds

GPU_OPERATIONS = 5e12
"""Operations a second assumed of a GPU: a tenth or less of what one reaches on large products, because these are small."""
GPU_STEP_SECONDS = 0.01
"""Seconds of a step assumed for starting some hundred kernels of a GPU."""


RUNTIME_BYTES = 100_000_000
"""Memory that PyTorch takes for itself in a training, however small (measured, version 2.13 on a CPU)."""


@dataclass(frozen=True)
class TrainingCost:
    """The size of a training.

    Attributes
    ----------
    weights
        Number of learned weights.
    memory
        Peak memory in bytes, without that of PyTorch itself.
    operations
        Floating-point operations of an epoch.
    steps
        Steps of an epoch.
    work
        What an epoch reads, for people.
    """

    weights: int
    memory: int
    operations: float
    steps: int
    work: str

    def gpu_seconds(self, epochs: int) -> float:
        """Return the seconds that a GPU is estimated to take."""
        return epochs * (self.operations / GPU_OPERATIONS + max(1, self.steps) * GPU_STEP_SECONDS)

    def before(self, device: str) -> str:
        """Return a line that states the size of the training before it begins."""
        memory = (self.memory + RUNTIME_BYTES) / 1e9
        return (
            f"{self.weights:,} weights, about {memory:.2g} GB of memory on the {device.upper()}; {self.work}"
        )

    def after_a_minute(self, left: float, epochs: int) -> str:
        """Return a line about the seconds that are left on a CPU, and what a GPU would take for all epochs."""
        gpu = format_seconds(self.gpu_seconds(epochs))
        return (
            f"at most {format_seconds(left)} left on the CPU; a GPU would take about {gpu} for all epochs (estimated from "
            f"{self.operations * epochs:.1e} operations, not measured)"
        )


def state_bytes(weights: int) -> int:
    """Return the bytes of weights in training: each with its gradient, two moments, and the best so far."""
    return 4 * 5 * weights

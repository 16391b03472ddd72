"""Settings that all trainings have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shortlist.config.base import Settings


class TrainingSettings(Settings):
    """Settings of the training of a network; each network has its own defaults."""

    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the components that are zeroed while training, from 0 to below 1."""
    epochs: int = Field(24, ge=1)
    """Largest number of passes over the data, 1 or more."""
    patience: int = Field(4, ge=1)
    """Number of evaluations without improvement after which training stops, 1 or more."""
    batch: int = Field(2048, ge=1)
    """Number of examples of a step, 1 or more: target events of a retriever, rows of a ranker."""
    accumulate: int = Field(1, ge=1)
    """Number of parts that a step is computed in, 1 or more: more parts need less memory. The gradients are the same sums, but for
    negatives that are taken from the same part."""
    learning_rate: float = Field(0.002, gt=0)
    """Largest step size of AdamW, above 0; it rises in the first steps and then falls to 0 along a cosine."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of AdamW, 0 or more."""
    averaging: float = Field(0.0, ge=0, lt=1)
    """Share of the averaged weights that stays in each step, from 0 to below 1: at 0.998 they are an average over some 500 steps, and over
    a quarter of the steps where that is less. The averaged weights are evaluated and kept. 0: the weights themselves are."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where training runs: a GPU where there is one, else the CPU."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products in training. auto: bfloat16 on a GPU or CPU that has instructions for it, else float32. Weights,
    sums and losses are float32 in either case."""
    compile: bool = False
    """Whether training compiles the network (`torch.compile`), which pays off for long trainings on a GPU."""
    checkpoints: str | None = None
    """Folder in which training writes a checkpoint after each epoch, to go on from after an interruption. None: no checkpoints."""
    seed: int = Field(0, ge=0)
    """Seed of initial weights, batches, negatives and dropout, 0 or more."""

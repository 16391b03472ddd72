"""Settings of the transformer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shortlist.config.base import Settings

FULL_SOFTMAX_ITEMS = 5_000
"""Up to this many items, training computes the softmax over the whole catalogue."""
USUAL_NEGATIVES = 512
"""Number of sampled negatives beyond."""


class TransformerConfig(Settings):
    """Settings of `Transformer`."""

    width: int = Field(64, ge=8, le=1024)
    """d, the length of item vectors and states, from 8 to 1024; a multiple of `heads`."""
    blocks: int = Field(2, ge=1, le=16)
    """Number of transformer blocks, from 1 to 16."""
    heads: int = Field(2, ge=1, le=64)
    """Number of attention heads, from 1 to 64."""
    history: int = Field(50, ge=1, le=1024)
    """Number of latest events of a history that are read, from 1 to 1024."""
    attributes: list[str] | None = None
    """Item attributes to use. None: all."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the components that are zeroed while training, from 0 to below 1."""
    hidden_items: float = Field(0.1, ge=0, lt=1)
    """Share of the items whose own vectors are hidden in a step of training, from 0 to below 1, so that the vectors of their
    attributes learn to stand for new items."""
    negatives: int | None = Field(None, ge=0)
    """Number of sampled items that each target competes with; 0: the whole catalogue. None: the whole catalogue up to 5,000 items,
    else 512."""
    epochs: int = Field(24, ge=1)
    """Largest number of passes over the events, 1 or more."""
    patience: int = Field(4, ge=1)
    """Number of evaluations without improvement after which training stops, 1 or more."""
    validation: float = Field(0.05, ge=0, lt=1)
    """Share of the users whose last event is held out for early stopping, from 0 to below 1; at most 2,000 users."""
    batch: int = Field(2048, ge=1)
    """Number of target events of a step, 1 or more."""
    accumulate: int = Field(1, ge=1)
    """Number of parts that a step is computed in, 1 or more: more parts need less memory, and the gradients are the same sums."""
    learning_rate: float = Field(0.002, gt=0)
    """Largest step size of AdamW, above 0; it rises in the first steps and then falls to 0 along a cosine."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of AdamW, 0 or more."""
    min_events: int = Field(10_000, ge=0)
    """Training refuses fewer events, 0 or more: other models serve better on little data."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where training runs: a GPU where there is one, else the CPU."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products in training: bfloat16 on a GPU that has it, else float32. Weights are float32 in either case."""
    compile: bool = False
    """Whether training compiles the network (`torch.compile`), which pays off for long trainings on a GPU."""
    checkpoints: str | None = None
    """Folder in which training writes a checkpoint after each epoch, to go on from after an interruption. None: no checkpoints."""
    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly; beyond, an index is built (extra `index`)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top 100 that the index must find, above 0 to 1; training stops with an error below."""
    seed: int = 0
    """Seed of initial weights, batches, negatives and dropout."""

    @model_validator(mode="after")
    def _check_heads(self) -> TransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self

    def negatives_of(self, n_items: int) -> int:
        """Return the number of negatives for a catalogue; 0: the whole catalogue."""
        if self.negatives is None:
            return 0 if n_items <= FULL_SOFTMAX_ITEMS else USUAL_NEGATIVES
        return 0 if self.negatives >= n_items else self.negatives

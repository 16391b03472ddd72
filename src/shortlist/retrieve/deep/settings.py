"""Settings of retrievers that are networks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shortlist.deep.settings import TrainingSettings

FULL_SOFTMAX_ITEMS = 5_000
"""Up to this many items, training computes the softmax over the whole catalogue."""
USUAL_NEGATIVES = 512
"""Number of sampled negatives beyond."""


class DeepRetrieverSettings(TrainingSettings):
    """Settings that all retrievers with a network have."""

    history: int = Field(50, ge=1, le=1024)
    """Number of latest events of a history that are read, from 1 to 1024."""
    attributes: list[str] | None = None
    """Item attributes to use. None: all."""
    hidden_items: float = Field(0.1, ge=0, lt=1)
    """Share of the items whose own vectors are hidden in a step of training, from 0 to below 1, so that the vectors of their
    attributes learn to stand for new items."""
    validation: float = Field(0.05, ge=0, lt=1)
    """Share of the users whose last event is held out for early stopping, from 0 to below 1; above 0, at least 1,000
    users or a half of them, and at most 2,000. With 0, `trend` is not learned either."""
    trend: bool = True
    """Whether the popularity of the last day, week and month is added to the scores, as far as the events of the last days are ranked
    better by it. That is learned with a second network, of the events before these days and a quarter of the epochs. It is read by requests
    from the newest event of the training on, for 30 days."""
    min_events: int = Field(10_000, ge=0)
    """Training refuses fewer events, 0 or more: other models serve better on little data."""
    vectors: Literal["float32", "int8"] = "float32"
    """How the fitted model keeps the vectors of items: as floats, or in a byte a component, which takes a quarter of the memory."""
    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly; beyond, an index is built (extra `index`)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top 100 that the index must find, above 0 to 1; training stops with an error below."""


class TransformerConfig(DeepRetrieverSettings):
    """Settings of `Transformer`."""

    width: int = Field(64, ge=8, le=1024)
    """d, the length of item vectors and states, from 8 to 1024; a multiple of `heads`."""
    blocks: int = Field(2, ge=1, le=16)
    """Number of transformer blocks, from 1 to 16."""
    heads: int = Field(2, ge=1, le=64)
    """Number of attention heads, from 1 to 64."""
    members: int = Field(1, ge=1, le=8)
    """Number of networks whose scores are averaged, from 1 to 8: they differ by their seeds, `seed`, `seed` + 1 and so on. Each takes its
    share of the time of training and serving, and of the memory."""
    negatives: int | None = Field(None, ge=0)
    """Number of sampled items that each target competes with, beside the other targets of its batch; 0: the whole catalogue. None:
    the whole catalogue up to 5,000 items, else 512."""

    epochs: int = Field(16, ge=1)
    """Largest number of passes over the events, 1 or more."""
    patience: int = Field(6, ge=1)
    """Number of evaluations without improvement after which training stops, 1 or more. The last passes, whose steps are small, improve
    what the others learned, so that little patience costs quality."""
    batch: int = Field(1024, ge=1)
    """Number of target events of a step, 1 or more; on large catalogues they are negatives of each other."""
    averaging: float = Field(0.998, ge=0, lt=1)
    """Share of the averaged weights that stays in each step, from 0 to below 1; see `TrainingSettings`."""

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


class TwoTowerConfig(DeepRetrieverSettings):
    """Settings of `TwoTower`."""

    width: int = Field(64, ge=8, le=1024)
    """d, the length of the vectors of items and users, from 8 to 1024."""
    hidden: int = Field(128, ge=8, le=4096)
    """Width of the hidden layer of each tower, from 8 to 4096."""
    pools: int = Field(2, ge=1, le=8)
    """Number of weighted means that a history is read by, from 1 to 8: at first the first one weighs all events alike, and each
    further one late events more."""
    user_attributes: list[str] | None = None
    """User attributes to use. None: all."""
    context: list[str] | None = None
    """Columns of `[data.context]` to use. None: all."""
    moment: bool = True
    """Whether the time since the latest event and the hour of the week (UTC) are read."""
    hidden_histories: float = Field(0.1, ge=0, lt=1)
    """Share of the examples whose history is hidden in training where something else is known, from 0 to below 1, so that
    attributes and context learn to stand for new users; and share of those whose context, or whose moment, is hidden."""
    negatives: int = Field(512, ge=0)
    """Number of items, sampled evenly, that each target competes with beside the other targets of its batch; 0 or more."""
    hard_negatives: int = Field(0, ge=0, le=100)
    """Number of further items that each target competes with: sampled from the 100 that the model of the epoch before
    ranked highest for the user, without those that the user has taken; from 0 to 100."""
    temperature: float = Field(0.1, gt=0, le=10)
    """Scores are cosines divided by it, above 0 to 10. A lower one tells near items apart more sharply."""
    batch: int = Field(1024, ge=1)
    """Number of target events of a step, 1 or more; they are negatives of each other."""

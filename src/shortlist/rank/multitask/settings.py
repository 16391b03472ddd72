"""Settings of the multi-task ranker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shortlist.deep.settings import TrainingSettings


class MultitaskConfig(TrainingSettings):
    """Settings of `MultitaskRanker` (`[rank.options]`)."""

    embedding: int = Field(8, ge=1, le=64)
    """Length of the vector that each feature becomes, from 1 to 64."""
    knots: int = Field(32, ge=2, le=256)
    """Number of quantiles of a number between which its vector is interpolated, from 2 to 256."""
    crosses: int = Field(2, ge=1, le=6)
    """Number of cross layers, from 1 to 6: products of up to one feature more than that."""
    rank: int = Field(32, ge=1, le=512)
    """Rank of the matrices of the cross layers, from 1 to 512."""
    experts: int = Field(4, ge=1, le=32)
    """Number of experts that the objectives share, from 1 to 32."""
    hidden: int = Field(64, ge=1, le=1024)
    """Width of the hidden layer of an expert, from 1 to 1024."""
    output: int = Field(32, ge=1, le=512)
    """Width of the output of an expert, from 1 to 512."""
    min_rows: int = Field(5_000, ge=0)
    """Training refuses fewer examples, 0 or more: trees are better on little data."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the components that are zeroed while training, from 0 to below 1."""
    epochs: int = Field(12, ge=1)
    """Largest number of passes over the examples, 1 or more."""
    patience: int = Field(2, ge=1)
    """Number of epochs without a smaller validation loss after which training stops, 1 or more."""
    batch: int = Field(1024, ge=1)
    """Number of examples of a step, 1 or more; the rows of a request stay together."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Precision of matrix products in training: float32; the network is small, and its calibrated outputs need exact sums. auto:
    bfloat16 on a GPU or CPU that has instructions for it."""
    weight_decay: float = Field(0.01, ge=0)
    """Weight decay of AdamW, 0 or more."""

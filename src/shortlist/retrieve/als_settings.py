"""Settings of ALS, and what they are where a project does not name them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from shortlist.config.base import Settings


class ALSConfig(Settings):
    """Settings of `ALS`."""

    factors: int | None = Field(None, ge=1, le=2048)
    """d, the number of factors, from 1 to 2048. None: the square root of the catalogue in steps of 64, from 64 to 256."""
    iterations: int = Field(8, ge=1)
    """Number of passes over users and items, 1 or more."""
    unobserved: float | None = Field(None, gt=0)
    """α₀, the weight of an item that a user did not take against one that he took once; above 0. None: 5 / √items, because the
    larger the catalogue, the less it says that a user did not take an item."""
    regularisation: float = Field(4.0, gt=0)
    """λ of an average row, above 0. Other rows have λ · (weight of the row / average weight)^scaling, where the weight of a
    row is that of its events plus α₀ · the size of the other side."""
    scaling: float = Field(1.0, ge=0, le=1)
    """ν, from 0 to 1: 1 regularises a row in proportion to its weight, 0 all rows alike."""
    exact_items: int = Field(100_000, ge=0)
    """The largest catalogue that is searched exactly; beyond, an index is built (extra `index`)."""
    recall: float = Field(0.98, gt=0, le=1)
    """The least share of the exact top 100 that the index must find, above 0 to 1; training stops with an error below."""
    steps: int = Field(3, ge=1)
    """Steps of conjugate gradients for each row and iteration, 1 or more; each starts where the iteration before ended."""
    seed: int = 0
    """Seed of the initial factors."""


def usual_factors(n_items: int) -> int:
    """Return the number of factors for a catalogue, where the settings name none."""
    return int(np.clip(64 * round(np.sqrt(max(n_items, 1)) / 64), 64, 256))


def usual_unobserved(n_items: int) -> float:
    """Return α₀ for a catalogue, where the settings name none."""
    return float(min(1.0, 5 / np.sqrt(max(n_items, 1))))

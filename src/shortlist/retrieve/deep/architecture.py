"""The shape of the transformer, and its weights as one flat array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP_BUCKETS = 33
"""Buckets of the time between two events: 0 for none or unknown, then one for each doubling of a second."""

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Architecture:
    """The shape of the network that encodes a history.

    Attributes
    ----------
    width
        d, the length of every vector.
    blocks
        Number of blocks.
    heads
        Number of heads of the attention; divides `width`.
    history
        Number of latest events that are read.
    kinds
        Number of kinds of events.
    """

    width: int
    blocks: int
    heads: int
    history: int
    kinds: int

    def __post_init__(self) -> None:
        for name, size in vars(self).items():
            if type(size) is not int or size < 1:
                raise ValueError(f"{name} must be a whole number from 1 and is {size!r}")
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")

    @property
    def hidden(self) -> int:
        """Width inside of the feed-forward part: 8/3 d in steps of 8, so that SwiGLU has the weights of a plain one of 4 d."""
        return 8 * round(self.width / 3)

    @property
    def shapes(self) -> Shapes:
        """The name and shape of each weight, in the order in which they are stored. Matrices are (input, output)."""
        d, b, h = self.width, self.blocks, self.hidden
        return {
            "gap": (GAP_BUCKETS, d),
            "kind": (self.kinds, d),
            "value": (d,),
            "attention_norm": (b, d),
            "qkv": (b, d, 3 * d),
            "distance": (b, self.heads, self.history),
            "attention_out": (b, d, d),
            "attention_gate": (b, d, d),
            "attention_gate_bias": (b, d),
            "feed_norm": (b, d),
            "feed_in": (b, d, 2 * h),
            "feed_out": (b, h, d),
            "feed_gate": (b, d, d),
            "feed_gate_bias": (b, d),
            "last_norm": (d,),
        }

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def split(self, flat: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each weight by name, as a view of the flat array float32 (size,)."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            end = start + int(np.prod(shape))
            found[name] = flat[start:end].reshape(shape)
            start = end
        return found

"""The shape of the transformer."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from shortlist.deep.layout import Shapes, WeightLayout, check_sizes

GAP_BUCKETS = 33
"""Buckets of the time between two events: 0 for none or unknown, then one for each doubling of a second."""


@dataclass(frozen=True)
class Architecture(WeightLayout):
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
        check_sizes(vars(self))
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")

    @property
    def hidden(self) -> int:
        """Width inside of the feed-forward part: 8/3 d in steps of 8, so that SwiGLU has the weights of a plain one of 4 d."""
        return 8 * round(self.width / 3)

    @property
    @override
    def shapes(self) -> Shapes:
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

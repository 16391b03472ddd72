"""The shape of the two towers."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from shortlist.deep.layout import Shapes, WeightLayout, check_sizes
from shortlist.retrieve.deep.architecture import GAP_BUCKETS

HOURS = 168
"""Hours of a week."""


@dataclass(frozen=True)
class TowerShape(WeightLayout):
    """The shape of the network of two towers, without the vectors of items and of tokens.

    Attributes
    ----------
    width
        d, the length of every vector.
    hidden
        Width of the hidden layer of each tower.
    pools
        Number of weighted means that a history is read by.
    history
        Number of latest events that are read.
    kinds
        Number of kinds of events.
    """

    width: int
    hidden: int
    pools: int
    history: int
    kinds: int

    def __post_init__(self) -> None:
        check_sizes(vars(self))

    @property
    def inputs(self) -> int:
        """Length of what the user tower reads: the means of the history, the attributes and the moment."""
        return (self.pools + 2) * self.width

    @property
    @override
    def shapes(self) -> Shapes:
        d, h = self.width, self.hidden
        return {
            "item_norm": (d,),
            "item_in": (d, h),
            "item_in_bias": (h,),
            "item_out": (h, d),
            "query": (self.pools, d),
            "back": (self.pools, self.history),
            "kind": (self.pools, self.kinds),
            "gap": (GAP_BUCKETS, d),
            "hour": (HOURS, d),
            "user_in": (self.inputs, h),
            "user_in_bias": (h,),
            "user_out": (h, d),
            "user_skip": (self.inputs, d),
            "user_bias": (d,),
        }

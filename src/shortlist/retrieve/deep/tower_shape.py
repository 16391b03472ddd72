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
    contexts
        1 where the user tower reads the context of requests, else 0.
    """

    width: int
    hidden: int
    pools: int
    history: int
    kinds: int
    contexts: int = 0

    def __post_init__(self) -> None:
        sizes = dict(vars(self))
        contexts = sizes.pop("contexts")
        check_sizes(sizes)
        if contexts not in {0, 1} or type(contexts) is not int:
            raise ValueError(f"contexts must be 0 or 1 and is {contexts!r}")

    @property
    def inputs(self) -> int:
        """Length of what the user tower reads: the means of the history, the attributes, the context and the moment."""
        return (self.pools + 2 + self.contexts) * self.width

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

"""The shape of the multi-task network."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from shortlist.deep.layout import Shapes, WeightLayout, check_sizes


@dataclass(frozen=True)
class MultitaskShape(WeightLayout):
    """The shape of the network.

    Attributes
    ----------
    rows
        Rows of the table of vectors: those of all features together.
    features
        Number of features.
    embedding
        Length of the vector of a feature.
    crosses, rank
        Number of cross layers, and the rank of their matrices.
    experts, hidden, output
        Number of experts, and the widths of their two layers.
    objectives
        Number of objectives.
    """

    rows: int
    features: int
    embedding: int
    crosses: int
    rank: int
    experts: int
    hidden: int
    output: int
    objectives: int

    def __post_init__(self) -> None:
        check_sizes(vars(self))

    @property
    def inputs(self) -> int:
        """Length of the vectors of all features together."""
        return self.features * self.embedding

    @property
    @override
    def shapes(self) -> Shapes:
        d, k, n = self.inputs, self.experts, self.objectives
        return {
            "table": (self.rows, self.embedding),
            "wide": (self.rows, n),
            "cross_down": (self.crosses, d, self.rank),
            "cross_up": (self.crosses, self.rank, d),
            "cross_bias": (self.crosses, d),
            "expert_in": (d, k * self.hidden),
            "expert_in_bias": (k * self.hidden,),
            "expert_out": (k, self.hidden, self.output),
            "expert_out_bias": (k, self.output),
            "gate": (d, n * k),
            "gate_bias": (n * k,),
            "head": (n, self.output),
            "start": (n,),
        }

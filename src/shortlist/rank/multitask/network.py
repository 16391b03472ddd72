"""The multi-task network as a PyTorch module. Only training imports it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shortlist.rank.multitask.inputs import FeatureKnots
from shortlist.rank.multitask.shape import MultitaskShape

INITIAL = 0.3
"""Standard deviation of the vectors of features before training."""


class MultitaskNetwork(nn.Module):
    """Crosses of features and a mixture of experts, with one margin for each objective.

    For x₀ (B, d), the vectors of all features one after the other:

        x ← x₀ ⊙ ((x V) U + b) + x                          (crosses of DCN-v2, of low rank)
        e_k = silu(silu(x A_k + a_k) B_k + b_k)             (experts, shared by the objectives)
        m_o = Σ_k softmax(x G_o + g_o)_k e_k · h_o + w_o + s_o

    w_o is a sum of one number for each feature, interpolated like its vector: an additive model, which the rest of the network
    corrects. s_o is the margin at which the objective starts.

    Parameters
    ----------
    shape
        The shape of the network.
    knots
        The rows of the table of each feature.
    dropout
        Share of the components that are zeroed while training.

    References
    ----------
    Wang et al. 2021, "DCN V2: improved deep & cross network and practical lessons for web-scale learning to rank systems".
    Ma et al. 2018, "Modeling task relationships in multi-task learning with multi-gate mixture-of-experts" (MMoE).
    """

    table: Tensor
    wide: Tensor
    cross_down: Tensor
    cross_up: Tensor
    cross_bias: Tensor
    expert_in: Tensor
    expert_in_bias: Tensor
    expert_out: Tensor
    expert_out_bias: Tensor
    gate: Tensor
    gate_bias: Tensor
    head: Tensor
    start: Tensor

    def __init__(self, shape: MultitaskShape, knots: FeatureKnots, dropout: float) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        for name, size in shape.shapes.items():
            self.register_parameter(name, nn.Parameter(_initial(name, size)))
        with torch.no_grad():
            self.table.copy_(_curves(knots, shape.embedding))

    def forward(self, row: Tensor, share: Tensor) -> Tensor:
        """Return the margins, (B, objectives).

        Parameters
        ----------
        row
            int64 (B, features): rows of the table.
        share
            (B, features): the share of the row after it.
        """
        shape, n = self.shape, len(row)
        after = (row + 1).clamp(max=shape.rows - 1)
        share = share[..., None]
        first = torch.lerp(
            functional.embedding(row, self.table), functional.embedding(after, self.table), share
        )
        wide = torch.lerp(functional.embedding(row, self.wide), functional.embedding(after, self.wide), share)
        inputs = x = self._drop(first.flatten(1))
        for layer in range(shape.crosses):
            x = inputs * (x @ self.cross_down[layer] @ self.cross_up[layer] + self.cross_bias[layer]) + x
        inner = functional.silu(x @ self.expert_in + self.expert_in_bias).view(n, shape.experts, shape.hidden)
        inner = torch.einsum("bkh,kho->bko", self._drop(inner), self.expert_out) + self.expert_out_bias
        gates = (x @ self.gate + self.gate_bias).view(n, shape.objectives, shape.experts).softmax(-1)
        mixed = torch.einsum("bnk,bko->bno", gates, self._drop(functional.silu(inner)))
        return (mixed * self.head).sum(-1) + wide.sum(1) + self.start

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def _initial(name: str, size: tuple[int, ...]) -> Tensor:
    """Return initial weights: the additive part and biases 0, matrices normal with variance 1 / inputs."""
    if name in {"wide", "start"} or name.endswith("bias"):
        return torch.zeros(size)
    scale: float = (size[-1] if name == "head" else size[-2]) ** -0.5
    return torch.randn(size) * scale * (0.1 if name in {"head", "cross_up"} else 1.0)


def _curves(knots: FeatureKnots, width: int) -> Tensor:
    """Return initial vectors, (rows, width): of numbers lines along their knots, of categories random ones, of missing values 0."""
    sizes = np.diff(knots.begin)
    feature = torch.from_numpy(np.repeat(np.arange(len(knots)), sizes))
    place: NDArray[np.int64] = np.arange(knots.begin[-1]) - np.repeat(knots.begin[:-1], sizes) - 1
    along = 2 * place / np.maximum(np.repeat(sizes, sizes) - 2, 1) - 1
    offset, slope = (INITIAL * torch.randn(len(knots), width) for _ in range(2))
    lines = offset[feature] + slope[feature] * torch.from_numpy(along.astype(np.float32))[:, None]
    free = torch.from_numpy(np.repeat(knots.category, sizes))[:, None]
    vectors = torch.where(free, INITIAL * torch.randn(len(place), width), lines)
    return vectors * torch.from_numpy((place >= 0).astype(np.float32))[:, None]

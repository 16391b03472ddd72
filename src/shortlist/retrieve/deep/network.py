"""The transformer as a PyTorch module. Only training imports it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.retrieve.deep.architecture import Architecture

EPSILON = 1e-6
"""Added to the mean square before the root in RMSNorm."""


class Events(NamedTuple):
    """A batch of padded histories, shape (B, L) each; padding comes last."""

    item: Tensor
    gap: Tensor
    kind: Tensor
    value: Tensor


class HistoryNetwork(nn.Module):
    """Causal transformer over item vectors: pre-norm blocks of attention and SwiGLU, each on a gated residual.

    For x (B, L, d):

        x ← x + σ(x G₁ + c₁) ⊙ attention(norm(x)),    x ← x + σ(x G₂ + c₂) ⊙ swiglu(norm(x))

    Attention is causal, with a learned bias for each head and distance between two events in place of positions: the
    output for an event depends on the events before it and not on padding. RMSNorm has no bias.

    Parameters
    ----------
    shape
        The shape of the network.
    dropout
        Share of the components that are zeroed while training.

    References
    ----------
    Kang & McAuley 2018, "Self-attentive sequential recommendation" (SASRec).
    Borisyuk et al. 2024, "LiGR: large scale ranking at LinkedIn" (gated residuals).
    Shazeer 2020, "GLU variants improve transformer".
    """

    gap: Tensor
    kind: Tensor
    value: Tensor
    attention_norm: Tensor
    qkv: Tensor
    distance: Tensor
    attention_out: Tensor
    attention_gate: Tensor
    attention_gate_bias: Tensor
    feed_norm: Tensor
    feed_in: Tensor
    feed_out: Tensor
    feed_gate: Tensor
    feed_gate_bias: Tensor
    last_norm: Tensor

    def __init__(self, shape: Architecture, dropout: float) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        for name, size in shape.shapes.items():
            self.register_parameter(name, nn.Parameter(_initial(name, size)))

    def forward(self, vectors: Tensor, events: Events) -> Tensor:
        """Return the state after each event, (B, L, d).

        Parameters
        ----------
        vectors
            (B, L, d): the vectors of the items.
        events
            What else is known of the events.
        """
        x = vectors * self.shape.width**0.5 + self.gap[events.gap] + self.kind[events.kind]
        x = self._drop(x + events.value[..., None] * self.value)
        bias = self._bias(x.shape[1])
        for block in range(self.shape.blocks):
            gate = torch.sigmoid(x @ self.attention_gate[block] + self.attention_gate_bias[block])
            x = x + gate * self._attention(block, norm(x, self.attention_norm[block]), bias[block])
            gate = torch.sigmoid(x @ self.feed_gate[block] + self.feed_gate_bias[block])
            x = x + gate * self._feed(block, norm(x, self.feed_norm[block]))
        return norm(x, self.last_norm)

    def _bias(self, length: int) -> Tensor:
        """Return what is added to the attention of each pair, (blocks, heads, L, L); −inf for later events."""
        place = torch.arange(length, device=self.distance.device)
        distance = place[:, None] - place[None, :]
        bias = self.distance[:, :, distance.clamp(min=0)]
        return bias.masked_fill(distance < 0, float("-inf"))

    def _attention(self, block: int, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = (batch, length, 3, self.shape.heads, width // self.shape.heads)
        q, k, v = (x @ self.qkv[block]).view(split).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=bias.to(q.dtype), dropout_p=self.dropout if self.training else 0.0
        )
        return self._drop(mixed.transpose(1, 2).reshape(batch, length, width) @ self.attention_out[block])

    def _feed(self, block: int, x: Tensor) -> Tensor:
        inner, gate = (x @ self.feed_in[block]).chunk(2, dim=-1)
        return self._drop((functional.silu(gate) * inner) @ self.feed_out[block])

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def norm(x: Tensor, weight: Tensor) -> Tensor:
    """RMSNorm: x divided by its root mean square, times a weight for each component."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * weight


def _initial(name: str, size: tuple[int, ...]) -> Tensor:
    """Return initial weights: norms are 1, biases and tables of small effect 0, matrices normal with variance 1 / inputs."""
    if name.endswith("norm"):
        return torch.ones(size)
    if name.endswith("bias") or name in {"distance", "value"}:
        return torch.zeros(size)
    if name in {"gap", "kind"}:
        return torch.randn(size) * 0.02
    scale: float = size[-2] ** -0.5
    return torch.randn(size) * scale

"""The two towers as a PyTorch module. Only training imports it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.retrieve.deep.network import norm
from shortlist.retrieve.deep.tower_shape import TowerShape

FADING = 0.5
"""By how much the first weights of the second mean fall with each event back; of the third twice as much, and so on."""
NOTHING = -1e9
"""The score of padding."""


class VisitTensors(NamedTuple):
    """A batch of B requests; the events of a history are padded to L, and padding comes last."""

    back: Tensor
    """int64 (B, L): how many events follow each one."""
    kind: Tensor
    """int64 (B, L)."""
    weight: Tensor
    """float32 (B, L): how much each event counts; 0 for padding."""
    gap: Tensor
    """int64 (B,): bucket of the time since the latest event; 0 where there is none."""
    hour: Tensor
    """int64 (B,): hour of the week."""
    moment: Tensor
    """float32 (B,): 1 where gap and hour are read, else 0."""


class TowerNetwork(nn.Module):
    """Two towers: one turns a user's history, attributes, context and moment into a vector, the other one an item.

    The item tower, for e (n, d), the sum of the item's own vector and those of its attributes:

        v = unit(e + silu(norm(e) A + a) B)

    The user tower reads P weighted means of the vectors v of the history, the vector of the user's attributes, where there is
    one that of the request's context, and that of the moment, as x:

        x_p = Σ_t α_pt v_t,   α_pt ∝ w_t exp(q_p · v_t + back_p[t] + kind_p[k_t])
        u = unit(x S + silu(x C + c) D + b)

    w_t is the weight of an event. Both vectors have length 1, so that their product is a cosine.

    Parameters
    ----------
    shape
        The shape of the network.
    dropout
        Share of the components that are zeroed while training.

    References
    ----------
    Covington, Adams & Sargin 2016, "Deep neural networks for YouTube recommendations".
    Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item recommendations".
    """

    item_norm: Tensor
    item_in: Tensor
    item_in_bias: Tensor
    item_out: Tensor
    query: Tensor
    back: Tensor
    kind: Tensor
    gap: Tensor
    hour: Tensor
    user_in: Tensor
    user_in_bias: Tensor
    user_out: Tensor
    user_skip: Tensor
    user_bias: Tensor

    def __init__(self, shape: TowerShape, dropout: float) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        for name, size in shape.shapes.items():
            self.register_parameter(name, nn.Parameter(_initial(name, size, shape)))

    def items(self, sums: Tensor) -> Tensor:
        """Return the vectors of items, (n, d), from the sums of those of their parts, (n, d)."""
        inner = functional.silu(norm(sums, self.item_norm) @ self.item_in + self.item_in_bias)
        return functional.normalize(sums + self._drop(inner) @ self.item_out, dim=-1)

    def users(self, vectors: Tensor, attributes: Tensor, visits: VisitTensors) -> Tensor:
        """Return the vectors of users, (B, d).

        Parameters
        ----------
        vectors
            (B, L, d): the vectors of the items of the histories.
        attributes
            (B, (1 + contexts) d): the sums of the vectors of the users' attributes, and beside them of the requests' contexts.
        visits
            What else is known of the requests.
        """
        bias = self.back[:, visits.back] + self.kind[:, visits.kind]
        scores = torch.einsum("pd,bld->pbl", self.query, vectors) + bias
        scores = scores.masked_fill(visits.weight == 0, NOTHING)
        share = visits.weight * torch.exp(scores - scores.detach().amax(-1, keepdim=True))
        share = share / share.sum(-1, keepdim=True).clamp(min=1e-9)
        means = torch.einsum("pbl,bld->bpd", share, vectors).flatten(1)
        moment = (self.gap[visits.gap] + self.hour[visits.hour]) * visits.moment[:, None]
        x = self._drop(torch.cat([means, attributes, moment], dim=1))
        inner = functional.silu(x @ self.user_in + self.user_in_bias)
        return functional.normalize(x @ self.user_skip + self._drop(inner) @ self.user_out + self.user_bias)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def _initial(name: str, size: tuple[int, ...], shape: TowerShape) -> Tensor:
    """Return initial weights: a user begins as the mean of the means of the history, and the towers add little to it."""
    if name == "item_norm":
        return torch.ones(size)
    if name == "back":
        fading: Tensor = -FADING * torch.arange(size[0])[:, None] * torch.arange(size[1])[None, :]
        return fading
    if name == "user_skip":
        parts = torch.zeros(shape.inputs // shape.width, shape.width, shape.width)
        parts[: shape.pools] = torch.eye(shape.width) / shape.pools
        parts[shape.pools :] = torch.eye(shape.width)
        return parts.reshape(size)
    if name in {"item_in", "user_in"}:
        scale: float = size[0] ** -0.5
        return torch.randn(size) * scale
    if name in {"item_out", "user_out"}:
        small: float = 0.1 * size[0] ** -0.5
        return torch.randn(size) * small
    return torch.zeros(size)

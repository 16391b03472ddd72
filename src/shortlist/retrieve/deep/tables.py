"""Vectors of items and of attributes as PyTorch modules. Only training imports it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

INITIAL = 0.02
"""Standard deviation of the components of the vectors before training."""


class TokenSum(nn.Module):
    """Weighted sums of the vectors of tokens.

    Parameters
    ----------
    tokens
        Sparse float32 (rows, T): the weight of each token of each item or user.
    width
        d.
    """

    def __init__(self, tokens: sp.csr_matrix, width: int) -> None:
        super().__init__()
        self.rows, self.width = int(tokens.shape[0]), width
        self.token = nn.Parameter(torch.randn(tokens.shape[1], width) * INITIAL)
        self.begin: Tensor
        self.column: Tensor
        self.share: Tensor
        self.register_buffer("begin", torch.from_numpy(tokens.indptr.astype(np.int64)), persistent=False)
        self.register_buffer("column", torch.from_numpy(tokens.indices.astype(np.int64)), persistent=False)
        self.register_buffer("share", torch.from_numpy(tokens.data.astype(np.float32)), persistent=False)

    @property
    def empty(self) -> bool:
        """Whether no row has a token."""
        return not len(self.column)

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """Return the sums of some rows, int64 (m,), as (m, d); all for None."""
        if self.empty:
            return self.token.new_zeros(self.rows if rows is None else len(rows), self.width)
        if rows is None:
            begin, column, share = self.begin[:-1], self.column, self.share
        else:
            low, size = self.begin[rows], self.begin[rows + 1] - self.begin[rows]
            begin = torch.cumsum(size, 0) - size
            at = torch.arange(int(size.sum()), device=rows.device) + torch.repeat_interleave(
                low - begin, size
            )
            column, share = self.column[at], self.share[at]
        return functional.embedding_bag(column, self.token, begin, mode="sum", per_sample_weights=share)


class ItemTable(nn.Module):
    """The vectors of items: one of its own for each item, plus those of the tokens of its attributes.

    Parameters
    ----------
    tokens
        Sparse float32 (items, T): the weight of each token of each item.
    width
        d.
    """

    def __init__(self, tokens: sp.csr_matrix, width: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(tokens.shape[0], width) * INITIAL)
        self.described = TokenSum(tokens, width)

    def forward(self, items: Tensor | None = None, hidden: float = 0.0) -> Tensor:
        """Return the vectors of some items, (m, d); all for None.

        Parameters
        ----------
        items
            int64 (m,).
        hidden
            Share of the items whose own vectors are left out, so that those of the tokens learn to stand alone.
        """
        own = self.own if items is None else functional.embedding(items, self.own)
        if hidden and len(self.described.token):
            own = own * (torch.rand(len(own), 1, device=own.device) >= hidden)
        return own if self.described.empty else own + self.described(items)

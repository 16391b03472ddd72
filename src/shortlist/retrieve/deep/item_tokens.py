"""Item attributes as the network reads them: a weighted sum of learned vectors of tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.entities import Entities
from shortlist.retrieve.item_vectors import AttributeVectorizer, bin_edges, normalised

BITS = 18
"""Logarithm of the number of hashed tokens; few collide among those that are kept."""
SHARED_BY = 2
"""Items that have to share a token: one item's own token says nothing that its own vector does not."""
MOST_TOKENS = 65_536
"""At most this many tokens have vectors: the most frequent ones."""


@dataclass(frozen=True)
class ItemTokens:
    """Which tokens of item attributes have a vector, and how much each counts.

    A token is a word of a text, a value of a category or list, or the decile of a number or time. An item is the sum of
    the vectors of its tokens, weighted by TF-IDF to a sum of squares of 1.

    Attributes
    ----------
    attributes
        Names of the attributes in use; None for all.
    edges
        float64 (number and time attributes, 9): where their deciles meet.
    columns
        int64 (T,): the hash of each token, rising.
    idf
        float32 (T,): inverse document frequency of each token.
    """

    attributes: Collection[str] | None
    edges: NDArray[np.float64]
    columns: NDArray[np.int64]
    idf: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def of(cls, items: Entities, attributes: Collection[str] | None) -> ItemTokens:
        """Choose the tokens of a catalogue."""
        edges = bin_edges(items.attributes, attributes)
        counts = AttributeVectorizer(attributes, BITS, edges).counts(items.attributes, np.arange(len(items)))
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        order = np.argsort(-present, kind="stable")[:MOST_TOKENS]
        columns = np.sort(order[present[order] >= SHARED_BY])
        idf = (np.log((1 + len(items)) / (1 + present[columns])) + 1).astype(np.float32)
        return cls(attributes, edges, columns, idf)

    def matrix(self, items: Entities, start: int = 0) -> sp.csr_matrix:
        """Return the weights of the tokens of the items from `start` on, sparse float32 (items − start, T)."""
        if not len(self) or len(items) <= start:
            return sp.csr_matrix((len(items) - start, len(self)), dtype=np.float32)
        counts = AttributeVectorizer(self.attributes, BITS, self.edges).counts(
            items.attributes, np.arange(start, len(items))
        )
        return normalised(sp.csr_matrix(counts[:, self.columns]), self.idf)

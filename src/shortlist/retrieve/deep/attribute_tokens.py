"""Attributes of items and users as a network reads them: a weighted sum of learned vectors of tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import Attribute, EmbeddingAttribute
from shortlist.errors import BundleError, ProjectError, suggestion
from shortlist.retrieve.item_vectors import (
    AttributeVectorizer,
    bin_edges,
    chosen_attributes,
    normalised,
)

BITS = 18
"""Logarithm of the number of hashed tokens; few collide among those that are kept."""
SHARED_BY = 2
"""Items or users that have to share a token: one item's own token says nothing that its own vector does not."""
MOST_TOKENS = 65_536
"""At most this many tokens have vectors: the most frequent ones."""

Attributes = Mapping[str, Attribute]


@dataclass(frozen=True, repr=False)
class AttributeTokens(ShortRepr):
    """Which tokens of attributes have a vector, and how much each counts.

    A token is a word of a text, a value of a category or list, or the decile of a number or time. An item or user is the
    sum of the vectors of its tokens, weighted by TF-IDF to a sum of squares of 1. A component of an embedding is a token
    whose weight is its value, each embedding scaled to a sum of squares of 1, so that their sum is a linear map of it.

    Attributes
    ----------
    names
        Names of the attributes in use; None for all.
    edges
        float64 (number and time attributes, 9): where their deciles meet.
    columns
        int64 (T,): the hash of each token, rising.
    idf
        float32 (T,): inverse document frequency of each token.
    dimensions
        Number of components of all embeddings together; they come after the tokens.
    """

    names: Collection[str] | None
    edges: NDArray[np.float64]
    columns: NDArray[np.int64]
    idf: NDArray[np.float32]
    dimensions: int = 0

    def __len__(self) -> int:
        return len(self.columns) + self.dimensions

    @classmethod
    def of(cls, attributes: Attributes, rows: int, names: Collection[str] | None) -> AttributeTokens:
        """Choose the tokens of the attributes of so many items or users."""
        embeddings, others = _parted(attributes, names)
        edges = bin_edges(others, names)
        counts = AttributeVectorizer(names, BITS, edges).counts(others, np.arange(rows))
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        order = np.argsort(-present, kind="stable")[:MOST_TOKENS]
        columns = np.sort(order[present[order] >= SHARED_BY])
        idf = (np.log((1 + rows) / (1 + present[columns])) + 1).astype(np.float32)
        return cls(names, edges, columns, idf, sum(one.dimensions for one in embeddings))

    def matrix(self, attributes: Attributes, rows: NDArray[np.integer]) -> sp.csr_matrix:
        """Return the weights of the tokens of some rows of attributes, int (m,), as sparse float32 (m, T + dimensions)."""
        if not len(self) or not len(rows):
            return sp.csr_matrix((len(rows), len(self)), dtype=np.float32)
        embeddings, others = _parted(attributes, self.names)
        counts = AttributeVectorizer(self.names, BITS, self.edges).counts(others, rows)
        words = normalised(sp.csr_matrix(counts[:, self.columns]), self.idf)
        if not self.dimensions:
            return words
        parts = [normalised(sp.csr_matrix(np.nan_to_num(one.values[rows]))) for one in embeddings]
        return sp.csr_matrix(sp.hstack([words, *parts], format="csr", dtype=np.float32))


def _parted(
    attributes: Attributes, names: Collection[str] | None
) -> tuple[list[EmbeddingAttribute], dict[str, Attribute]]:
    """Return the embeddings among the chosen attributes, and all other attributes."""
    embeddings = [one for one in chosen_attributes(attributes, names) if isinstance(one, EmbeddingAttribute)]
    return embeddings, {n: one for n, one in attributes.items() if not isinstance(one, EmbeddingAttribute)}


def check_columns(name: str, columns: NDArray[np.int64]) -> None:
    """Raise `BundleError` where hashes of tokens do not rise from 0 to below 2^18."""
    if len(columns) and not (columns[0] >= 0 and columns[-1] < 2**BITS and (np.diff(columns) > 0).all()):
        raise BundleError(f"{name} must rise from 0 to below {2**BITS}")


def check_chosen(field: str, names: Iterable[str] | None, missing: str, known: Collection[str]) -> None:
    """Raise `ProjectError` where a setting names attributes or columns that there are not.

    Parameters
    ----------
    field
        The setting, after the name of the model.
    names
        Its value.
    missing
        What is said of a name, such as "items have no attribute".
    known
        The names that there are.
    """
    for name in names or ():
        if name not in known:
            there = ", ".join(known) or "none"
            raise ProjectError(
                f"{field}: {missing} {name!r}{suggestion(name, known)}; there are: {there}",
                field=field.rpartition(".")[2],
            )

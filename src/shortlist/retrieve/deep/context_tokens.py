"""The context of requests as a network reads it: a weighted sum of learned vectors of tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr
from shortlist.deep.layout import check_names
from shortlist.retrieve.deep.attribute_tokens import Attributes, AttributeTokens
from shortlist.retrieve.item_vectors import is_measured


@dataclass(frozen=True, repr=False)
class ContextTokens(ShortRepr):
    """Which tokens of contexts have a vector, and how much each counts; see `AttributeTokens`.

    Attributes of users are always all there. Of a context, a batch of requests may have some columns, or none; those that are
    missing have no tokens.

    Attributes
    ----------
    names
        Names of the columns in use.
    numbers
        Names of those that are numbers.
    edges
        float64 (numbers, 9): where the deciles of each of these meet.
    columns
        int64 (T,): the hash of each token, rising.
    idf
        float32 (T,): inverse document frequency of each token.
    """

    names: list[str]
    numbers: list[str]
    edges: NDArray[np.float64]
    columns: NDArray[np.int64]
    idf: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def of(
        cls, context: Attributes, events: NDArray[np.integer], names: Collection[str] | None
    ) -> ContextTokens:
        """Choose the tokens of the context of some events, int (E,). names: the columns to use; None for all."""
        used = {n: a.take(events) for n, a in context.items() if names is None or n in names}
        tokens = AttributeTokens.of(used, len(events), None)
        numbers = [name for name, attribute in used.items() if is_measured(attribute)]
        return cls(list(used), numbers, tokens.edges, tokens.columns, tokens.idf)

    def matrix(self, context: Attributes, rows: NDArray[np.integer]) -> sp.csr_matrix:
        """Return the weights of the tokens of some rows of a context, int (m,), as sparse float32 (m, T)."""
        numbers = self.numbers
        used = {n: a for n, a in context.items() if n in self.names and is_measured(a) == (n in numbers)}
        edges = self.edges[[numbers.index(n) for n in used if n in numbers]].reshape(-1, self.edges.shape[1])
        return AttributeTokens(None, edges, self.columns, self.idf).matrix(used, rows)

    def check(self) -> None:
        """Raise `ValueError` where names are no lists of texts: bundles may hold anything."""
        check_names(context_=self.names, context_numbers_=self.numbers)

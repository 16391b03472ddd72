"""Descriptions of items: a sparse vector of words and a dense one of embeddings, which together have length 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.retrieve.item_vectors import normalised


class Descriptions(NamedTuple):
    """Vectors of m items or histories. The product of two is that of their words plus that of their embeddings."""

    words: sp.csr_matrix
    """float32 (m, width)."""
    embeddings: NDArray[np.float32]
    """float32 (m, D); D is 0 where no embedding is read."""

    @classmethod
    def mixed(cls, words: sp.csr_matrix, embeddings: NDArray[np.float32], share: float) -> Descriptions:
        """Join vectors of length 1 so that the cosine of two items is (1 − share) · cosine of words + share · cosine of embeddings.

        An item of which only one of the two is known has that one at length 1: it can be found, and its cosine to items that have
        both is smaller.

        Parameters
        ----------
        words
            float32 (m, width): rows of length 1, or 0.
        embeddings
            float32 (m, D): rows of length 1, or 0.
        share
            From 0 to 1.
        """
        if not embeddings.shape[1]:
            return cls(words, embeddings)
        worded, embedded = np.diff(words.indptr) > 0, embeddings.any(axis=1)
        of_words = np.where(embedded, np.sqrt(1 - share), 1.0).astype(np.float32)
        of_embeddings = np.where(worded, np.sqrt(share), 1.0).astype(np.float32)
        scaled = words.copy()
        scaled.data *= np.repeat(of_words, np.diff(words.indptr))
        return cls(scaled, embeddings * of_embeddings[:, None])

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.words.shape[0])

    @property
    def described(self) -> NDArray[np.bool_]:
        """Whether anything is known of each row, bool (m,)."""
        return np.asarray((np.diff(self.words.indptr) > 0) | self.embeddings.any(axis=1))

    def summed(self, weights: sp.csr_matrix) -> Descriptions:
        """Return weighted sums of the rows: `weights`, sparse float32 (k, m), times these."""
        return Descriptions(
            sp.csr_matrix(weights @ self.words), np.asarray(weights @ self.embeddings, np.float32)
        )

    def plus(self, other: Descriptions) -> Descriptions:
        """Return the sums of rows of the same number."""
        return Descriptions(sp.csr_matrix(self.words + other.words), self.embeddings + other.embeddings)

    def followed_by(self, other: Descriptions) -> Descriptions:
        """Return these rows and then those of another."""
        words = sp.vstack([self.words, other.words], format="csr")
        return Descriptions(words, np.vstack([self.embeddings, other.embeddings]))

    def of_unit_length(self) -> Descriptions:
        """Return the rows at length 1; those of length 0 stay."""
        if not self.embeddings.shape[1]:
            return Descriptions(normalised(self.words), self.embeddings)
        squares = np.asarray(self.words.multiply(self.words).sum(axis=1)).ravel()
        length = np.sqrt(squares + np.square(self.embeddings).sum(axis=1))
        inverse = (1 / np.where(length > 0, length, 1.0)).astype(np.float32)
        return Descriptions(
            sp.csr_matrix(sp.diags_array(inverse) @ self.words), self.embeddings * inverse[:, None]
        )

    def products(self, others: Descriptions) -> NDArray[np.float32]:
        """Return the product of each row with each row of others, float32 (m, k)."""
        words = (self.words @ others.words.T).toarray()
        return np.asarray(words + self.embeddings @ others.embeddings.T, np.float32)

"""TF-IDF vectors of texts, with document frequencies that stay those of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TextVectorizer:
    """TF-IDF over hashed words (Salton & Buckley 1988; Weinberger et al. 2009).

    The document frequencies are learned by `fit_transform`. Later texts are weighted by the same frequencies, so a new
    item does not change the vectors of others.

    Parameters
    ----------
    width
        Number of hash buckets.
    """

    def __init__(self, width: int) -> None:
        # the import takes a second, and most servers do not need it
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.width = width
        self._count = HashingVectorizer(n_features=width, alternate_sign=False, norm=None)
        self._tfidf = TfidfTransformer()

    def __repr__(self) -> str:
        return f"TextVectorizer(width={self.width})"

    def fit_transform(self, texts: Sequence[str]) -> Any:
        """Learn the document frequencies; return the vectors, csr_matrix float64 (texts, width), rows of length 1."""
        return _sorted(self._tfidf.fit_transform(self._count.transform(texts)))

    def transform(self, texts: Sequence[str]) -> Any:
        """Return the vectors of other texts, csr_matrix float64 (texts, width)."""
        return _sorted(self._tfidf.transform(self._count.transform(texts)))


def _sorted(vectors: Any) -> Any:
    vectors = vectors.tocsr()
    vectors.sort_indices()
    return vectors

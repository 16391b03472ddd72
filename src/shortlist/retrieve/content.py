"""Content: items that are described like those a person took.

Each item is a TF-IDF vector over the words of its texts and the values of its attributes (salted by the attribute's
name), hashed to a fixed width, so that a new item gets a vector on arrival without refitting (Weinberger et al. 2009,
"Feature hashing for large scale multitask learning"). A history is the weighted mean of its items' vectors; the score
is the cosine. It needs nobody to have taken an item, which makes it the source for new items; alone it is a weak
recommender, since being alike is not being wanted.

Time and memory: non-zeros of the items' vectors.
"""

from __future__ import annotations

import re
from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from shortlist.data.dataset import Dataset, Entities
from shortlist.project import Settings
from shortlist.retrieve.base import Requests, Retriever


class ContentConfig(Settings):
    attributes: list[str] | None = None
    """Item attributes to use (text, category, list); all of those kinds without."""
    bits: int = Field(16, ge=8, le=22)
    """Width of the hashed vectors, 2^bits."""
    recent: int = Field(30, ge=1)
    """How many of the latest events make the profile."""


class Content(Retriever):
    Config = ContentConfig
    name = "content"
    arrays = ("vectors", "idf")

    vectors: sp.csr_matrix
    """float32 (items, 2^bits), rows of length 1 (or 0 where nothing is known)."""
    idf: np.ndarray
    """float32 (2^bits,)."""

    def fit(self, dataset: Dataset) -> Self:
        counts = self._counts(dataset.items, 0)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        self.vectors = self._weigh(counts)
        return self

    def add_items(self, dataset: Dataset) -> None:
        new = self._weigh(self._counts(dataset.items, self.vectors.shape[0]))
        self.vectors = sp.vstack([self.vectors, new], format="csr")

    def _weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        weighed = counts.multiply(self.idf).tocsr().astype(np.float32)
        return normalize(weighed, copy=False)

    def _counts(self, items: Entities, start: int) -> sp.csr_matrix:
        chosen = self.config.attributes
        attributes = [
            a
            for n, a in items.attributes.items()
            if a.kind in {"text", "category", "list"} and (chosen is None or n in chosen)
        ]
        documents = []
        for row in range(start, len(items)):
            tokens: list[str] = []
            for attribute in attributes:
                value = attribute.show(row)
                if attribute.kind == "text":
                    tokens += re.findall(r"\w{2,}", (value or "").lower())
                else:
                    tokens += [
                        f"{attribute.name}={v}" for v in (value if isinstance(value, list) else [value]) if v
                    ]
            documents.append(tokens)
        hashing = HashingVectorizer(
            n_features=2**self.config.bits,
            analyzer=lambda tokens: tokens,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )
        return (
            hashing.transform(documents)
            if documents
            else sp.csr_matrix((0, 2**self.config.bits), dtype=np.float32)
        )

    def _profiles(self, requests: Requests) -> sp.csr_matrix:
        h = requests.histories
        back = h.indptr[1:][h.owner] - np.arange(len(h.item))
        weights = np.where(back <= self.config.recent, requests.weights, 0)
        n = self.vectors.shape[0]
        known = h.item < n
        history = sp.csr_matrix(
            (weights[known], (h.owner[known], h.item[known])), shape=(len(h), n), dtype=np.float32
        )
        return normalize(history @ self.vectors)

    def score(self, requests: Requests) -> np.ndarray:
        scores = (self._profiles(requests) @ self.by_word).toarray()
        return np.where(scores > 0, scores, -np.inf).astype(np.float32)

    @property
    def by_word(self) -> sp.csr_matrix:
        """The transpose of `vectors`, kept while the catalogue stays: which items a word occurs in."""
        if self._by_word is None or self._by_word.shape[1] != self.vectors.shape[0]:
            self._by_word = self.vectors.T.tocsr()
        return self._by_word

    _by_word: sp.csr_matrix | None = None

    def similar(self, item: int) -> np.ndarray | None:
        return (self.vectors[[item]] @ self.by_word).toarray().ravel()

    def explain(self, requests: Requests, row: int, items: np.ndarray) -> np.ndarray | None:
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        return (self.vectors[items] @ self.vectors[h.item[events]].T).toarray() * requests.weights[events]

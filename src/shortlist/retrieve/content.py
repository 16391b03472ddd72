"""Content: items that are described like those a person took.

Each item is a TF-IDF vector over the words of its texts, the values of its attributes (salted by the attribute's name) and
its numbers and dates in ten bins, hashed to a fixed width, so that a new item gets a vector on arrival without
refitting (Weinberger et al. 2009, "Feature hashing for large scale multitask learning").

Two likenesses come from it:

- **cosine** between the history's mean vector and the item's: alike in words.
- **learned**: a ridge regression from vectors to ALS factors, weighted by how often an item was taken. A new item gets
  the factor that items of its description usually have, popularity and all, and is then wanted by the people who want
  such factors (Gantner et al. 2010, "Learning attribute-to-feature mappings for cold-start recommendations"). All items
  are scored by their mapped factor, old ones too, so that old and new compete on equal terms.

The score is the learned one plus `cosine` times the other, each in units of its own spread. It needs nobody to have taken
an item, which makes it the source for new items; for old ones it is weaker than what their takers say.

Time: ALS, plus O(items · width · rank) for the map. Memory: non-zeros of the vectors, items · factors.
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.times import NO_TIME
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Requests, Retriever, interactions
from shortlist.retrieve.kernels.factorise import leading

ENOUGH = 50
"""Below this many described items that somebody took, there is no map to learn and the cosine stands alone."""
BINS = 10


class ContentConfig(Settings):
    attributes: list[str] | None = None
    """Item attributes to use; all of them without."""
    bits: int = Field(16, ge=8, le=22)
    """Width of the hashed vectors, 2^bits."""
    recent: int = Field(30, ge=1)
    """How many of the latest events make the profile."""
    learned: bool = True
    """Whether to learn the map to factors."""
    cosine: float = Field(0.2, ge=0)
    """Weight of the cosine beside the learned likeness."""
    factors: int = Field(64, ge=1, le=512)
    rank: int = Field(128, ge=1, le=1024)
    """Into how many directions the vectors are compressed before the regression."""
    ridge: float = Field(3.0, gt=0)
    """How strongly the map is drawn to zero, in units of the mean weight of an item."""


class Content(Retriever):
    Config = ContentConfig
    name = "content"
    arrays: ClassVar[tuple[str, ...]] = (
        "vectors",
        "idf",
        "edges",
        "basis",
        "map",
        "als_items",
        "als_gram",
        "als_facts",
    )

    vectors: sp.csr_matrix
    """float32 (items, 2^bits), rows of length 1 (or 0 where nothing is known)."""
    idf: np.ndarray
    """float32 (2^bits,)."""
    edges: np.ndarray
    """float64 (number and time attributes, BINS − 1): where their bins meet."""
    basis: np.ndarray
    """float32 (2^bits, r): the directions that vectors are compressed into; r is 0 where there is no map."""
    map: np.ndarray
    """float32 (r + 1, d): compressed vector and a constant → factor."""
    als_items: np.ndarray
    """float32 (items, d): the factors that were learnt, which histories are folded into."""
    als_gram: np.ndarray
    als_facts: np.ndarray
    """float64 (2,): α₀ and what a typical person holds, for the fold-in."""

    def fit(self, dataset: Dataset) -> Self:
        items = dataset.items
        self._mapped = self._by_word = None  # what an earlier fit left
        self.edges = np.array([_edges(a) for a in self._measured(items)], np.float64).reshape(-1, BINS - 1)
        counts = self._counts(items, 0)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        self.vectors = self._weigh(counts)
        self._learn(dataset)
        return self

    def _learn(self, dataset: Dataset) -> None:
        X = interactions(dataset)
        taken = np.asarray(X.sum(0), np.float64).ravel()
        useful = np.flatnonzero((taken > 0) & (np.diff(self.vectors.indptr) > 0))
        nothing = np.empty((0, 0), np.float32)
        self.basis = self.map = self.als_items = nothing
        self.als_gram, self.als_facts = np.empty(0, np.float32), np.zeros(2)
        if not self.config.learned or len(useful) < ENOUGH:
            return
        als = ALS(factors=min(self.config.factors, len(useful))).fit_matrix(X)
        used = np.flatnonzero(np.bincount(self.vectors.indices, minlength=self.vectors.shape[1]))
        _, directions = leading(sp.csr_matrix(self.vectors[:, used]), self.config.rank)
        self.basis = np.zeros((self.vectors.shape[1], directions.shape[1]), np.float32)
        self.basis[used] = directions
        Z = self._compressed(self.vectors[useful])
        weight = np.sqrt(taken[useful])[:, None]
        A = (Z * weight).T @ Z
        A[np.diag_indices(len(A) - 1)] += (
            self.config.ridge * weight.mean()
        )  # the constant is not drawn to zero
        A[-1, -1] += 1e-6
        self.map = np.linalg.solve(A, (Z * weight).T @ als.items[useful]).astype(np.float32)
        self.als_items, self.als_gram = als.items, als.gram
        self.als_facts = np.array([als.config.unobserved, float(als.typical)])

    def _compressed(self, vectors: sp.csr_matrix) -> np.ndarray:
        Z = vectors @ self.basis
        return np.hstack([Z, np.ones((len(Z), 1), np.float32)])

    def mapped(self) -> np.ndarray:
        """float32 (items, d): the factor that each item's description speaks for; zero where there is none."""
        if self._mapped is None or len(self._mapped) != self.vectors.shape[0]:
            described = np.diff(self.vectors.indptr) > 0
            self._mapped = (self._compressed(self.vectors) @ self.map * described[:, None]).astype(np.float32)
        return self._mapped

    _mapped: np.ndarray | None = None

    def add_items(self, dataset: Dataset) -> None:
        new = self._weigh(self._counts(dataset.items, self.vectors.shape[0]))
        self.vectors = sp.vstack([self.vectors, new], format="csr")
        if self.als_items.size:
            self.als_items = np.pad(self.als_items, ((0, new.shape[0]), (0, 0)))

    def _weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        from sklearn.preprocessing import normalize  # a second to come in, and most servers need it not

        weighed = counts.multiply(self.idf).tocsr().astype(np.float32)
        return normalize(weighed, copy=False)

    def _chosen(self, items: Entities) -> list[Attribute]:
        names = self.config.attributes
        return [a for n, a in items.attributes.items() if names is None or n in names]

    def _measured(self, items: Entities) -> list[Attribute]:
        return [a for a in self._chosen(items) if a.kind in {"number", "time"}]

    def _counts(self, items: Entities, start: int) -> sp.csr_matrix:
        binned = {
            a.name: np.where(np.isnan(v := _numbers(a)), -1, np.searchsorted(edges, v))
            for a, edges in zip(self._measured(items), self.edges, strict=True)
        }
        documents = []
        for row in range(start, len(items)):
            tokens: list[str] = []
            for attribute in self._chosen(items):
                if attribute.name in binned:
                    if binned[attribute.name][row] >= 0:
                        tokens.append(f"{attribute.name}~{binned[attribute.name][row]}")
                    continue
                value = attribute.show(row)
                if attribute.kind == "text":
                    tokens += re.findall(r"\w{2,}", (value or "").lower())
                else:
                    tokens += [
                        f"{attribute.name}={v}" for v in (value if isinstance(value, list) else [value]) if v
                    ]
            documents.append(tokens)
        from sklearn.feature_extraction.text import HashingVectorizer

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
        from sklearn.preprocessing import normalize

        h = requests.histories
        back = h.indptr[1:][h.owner] - np.arange(len(h.item))
        recent = requests.weighed(
            np.where(back <= self.config.recent, requests.weights, 0).astype(np.float32)
        )
        return normalize(recent.matrix(self.vectors.shape[0]) @ self.vectors)

    def score(self, requests: Requests) -> np.ndarray:
        alike = (self._profiles(requests) @ self.by_word).toarray().astype(np.float32)
        if not self.map.size:
            return np.where(alike > 0, alike, -np.inf).astype(np.float32)
        wanted = self._folder().fold_in(requests) @ self.mapped().T
        scores = _standard(wanted) + np.float32(self.config.cosine) * _standard(alike)
        scores[:, np.diff(self.vectors.indptr) == 0] = -np.inf
        scores[np.diff(requests.histories.indptr) == 0] = -np.inf
        return scores

    def _folder(self) -> ALS:
        """The ALS model that histories are folded into."""
        als = ALS(factors=self.als_items.shape[1], unobserved=float(self.als_facts[0]))
        als.items, als.gram, als.typical = self.als_items, self.als_gram, np.array(self.als_facts[1])
        return als

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


def _numbers(attribute: Attribute) -> np.ndarray:
    """A number or time attribute as float64 (items,), NaN where it is missing."""
    if attribute.kind == "number":
        return np.asarray(attribute.values, np.float64)
    missing = attribute.times == NO_TIME
    return np.where(missing, np.nan, attribute.times.astype(np.float64))


def _edges(attribute: Attribute) -> np.ndarray:
    values = _numbers(attribute)
    values = values[~np.isnan(values)]
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    return np.quantile(values, quantiles) if len(values) else np.zeros(BINS - 1)


def _standard(scores: np.ndarray) -> np.ndarray:
    """Each row less its mean, in units of its spread."""
    spread = np.maximum(scores.std(1, keepdims=True), 1e-9)
    return ((scores - scores.mean(1, keepdims=True)) / spread).astype(np.float32)

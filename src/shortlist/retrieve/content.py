"""Content: items whose descriptions are similar to those a user took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.descriptions import Descriptions
from shortlist.retrieve.embeddings import EmbeddingVectorizer
from shortlist.retrieve.event_weighting import interactions
from shortlist.retrieve.item_vectors import AttributeVectorizer, bin_edges, normalised
from shortlist.retrieve.kernels.cooccurrence import CsrArrays, csr_arrays
from shortlist.retrieve.kernels.descriptions import add_standardised, dense_product
from shortlist.retrieve.kernels.factorise import leading
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.requests import Requests

MIN_ITEMS = 50
"""With fewer described items that have events, no map to factors is learned."""


class ContentConfig(Settings):
    """Settings of `Content`."""

    attributes: list[str] | None = None
    """Item attributes to use. None: all."""
    bits: int = Field(16, ge=8, le=22)
    """Logarithm of the width of the hashed vectors, from 8 to 22: the width is 2^bits."""
    recent: int = Field(30, ge=1)
    """Number of the latest events of a history that make the profile, 1 or more."""
    embedding_share: float = Field(0.5, ge=0, le=1)
    """Share of the embeddings in the similarity of items that have embeddings and words, from 0 (embeddings are not read) to 1."""
    learned: bool = True
    """Whether a map from descriptions to factors is learned."""
    cosine: float = Field(0.2, ge=0)
    """Weight of the cosine beside the learned similarity, 0 or more."""
    factors: int = Field(64, ge=1, le=512)
    """Number of factors of the map, from 1 to 512."""
    rank: int = Field(128, ge=1, le=1024)
    """Number of directions that vectors are compressed into before the regression, from 1 to 1024."""
    ridge: float = Field(3.0, gt=0)
    """Regularisation of the map, above 0, in units of the mean weight of an item."""


class _Chunk(NamedTuple):
    """Some items of the catalogue, one after the other: their vectors, and what requests need of them."""

    vectors: Descriptions
    """Rows of length 1, or 0."""
    by_token: CsrArrays
    """The transpose of the words of `vectors`."""
    mapped: NDArray[np.float32] | None
    """float32 (items, d): the factor of each description; None without a map."""
    described: NDArray[np.bool_]
    """bool (items,): whether anything is known of the item."""


class Content(Retriever):
    """Recommend items that are described like those a user took; the source for new items.

    Each item is a TF-IDF vector over the words of its texts, the values of its attributes (prefixed by the attribute's
    name), and its numbers and dates in ten bins, hashed to a fixed width, so that a new item has a vector without
    refitting. Embeddings (vectors of texts or images) are joined to it, centred and of length 1: the cosine of two items is
    (1 − `embedding_share`) · cosine of words + `embedding_share` · cosine of embeddings. Two similarities are added, each in
    units of its own spread:

    - **cosine** (weight `cosine`) between the mean vector of the history and that of the item: similar words and embeddings;
    - **learned**: a ridge regression from vectors to ALS factors, weighted by the events of each item. A new item gets
      the factor that items of its description usually have, popularity included, and is recommended to the users of such
      factors. Old items are scored by their mapped factor as well, so that old and new items compete on equal terms.

    It needs no events of an item. For items with events it is weaker than models of who took what: use it beside them.

    Cost: that of ALS, plus O(items · (width · rank + D²)) for the map with embeddings of D numbers; memory the non-zeros of the
    vectors, and items · (factors + D). A request scores the whole catalogue. `with_items` costs O(added items).

    Parameters
    ----------
    config : ContentConfig
        See there for the settings.

    Attributes
    ----------
    vectors_
        float32 (items, 2^bits), sparse: the words of each item. With `embeddings_`, rows have length 1, or 0 where nothing is
        known.
    embeddings_
        float32 (items, D): the embeddings of each item; D is 0 where none is read.
    embedding_means_
        float32 (D,): see `EmbeddingVectorizer`.
    idf_
        float32 (2^bits,): inverse document frequencies, learned in training and used for added items as well.
    bin_edges_
        float64 (number and time attributes, 9): where their bins meet.
    basis_
        float32 (2^bits, r): the directions that vectors are compressed into; r is 0 without a map.
    factor_map_
        float32 (r + D + 1, d): from compressed words, embeddings and a constant to a factor.
    als_factors_
        float32 (items, d): the ALS factors, which histories are folded into.
    als_gram_
        float32 (d,).
    als_facts_
        float64 (2,): α₀ and the mean weight of a user's row, for the fold-in.

    References
    ----------
    Weinberger et al. 2009, "Feature hashing for large scale multitask learning".
    Gantner et al. 2010, "Learning attribute-to-feature mappings for cold-start recommendations".

    Examples
    --------
    >>> Content(attributes=["genres", "text"], learned=False)
    Content(attributes=['genres', 'text'], learned=False)
    """

    Config = ContentConfig
    config: ContentConfig
    name = "content"
    arrays: ClassVar = {
        "vectors_": "vectors",
        "embeddings_": "embeddings",
        "embedding_means_": "means",
        "idf_": "idf",
        "bin_edges_": "edges",
        "basis_": "basis",
        "factor_map_": "map",
        "als_factors_": "als_items",
        "als_gram_": "als_gram",
        "als_facts_": "als_facts",
    }

    vectors_: sp.csr_matrix
    embeddings_: NDArray[np.float32]
    embedding_means_: NDArray[np.float32]
    idf_: NDArray[np.float32]
    bin_edges_: NDArray[np.float64]
    basis_: NDArray[np.float32]
    factor_map_: NDArray[np.float32]
    als_factors_: NDArray[np.float32]
    als_gram_: NDArray[np.float32]
    als_facts_: NDArray[np.float64]
    _derived: tuple[_Chunk, ALS | None]
    _added: tuple[_Chunk, ...] = ()
    """The items appended since training, in chunks of falling size."""

    # ---------------------------------------------------------------- training

    def _fit(self, dataset: Dataset) -> None:
        X = interactions(dataset, self.event_weighting)
        taken = np.asarray(X.sum(0), np.float64).ravel()
        self._learn(dataset.items, taken, lambda factors: ALS(factors=factors).fit_matrix(X))

    def fit_with(self, dataset: Dataset, taken: NDArray[np.float64], als: Callable[[int], ALS]) -> Self:
        """Learn from the catalogue of a data set, and from what was learned of a log elsewhere.

        Parameters
        ----------
        dataset
            Its items.
        taken
            float64 (items,): the summed weight of the events of each item.
        als
            Returns an ALS of that log with so many factors.
        """
        self._learn(dataset.items, taken, als)
        self.attach(dataset)
        return self._finish(len(dataset.items))

    def _learn(self, items: Entities, taken: NDArray[np.float64], als: Callable[[int], ALS]) -> None:
        self._added = ()
        named = self.config.attributes
        self.bin_edges_ = bin_edges(items.attributes, named)
        read = self.config.embedding_share > 0
        dense = EmbeddingVectorizer.of(items.attributes, named) if read else EmbeddingVectorizer.without()
        self.embedding_means_ = dense.means
        counts = self._counts(items, 0)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf_ = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        self.vectors_, self.embeddings_ = self._described(items, 0, counts)
        self._learn_map(taken, als)

    def _counts(self, items: Entities, start: int) -> sp.csr_matrix:
        """Return the token counts of the items from `start` on."""
        vectorizer = AttributeVectorizer(self.config.attributes, self.config.bits, self.bin_edges_)
        return vectorizer.counts(items.attributes, np.arange(start, len(items)))

    def _described(self, items: Entities, start: int, counts: sp.csr_matrix) -> Descriptions:
        """Return the vectors of the items from `start` on, of their token counts and embeddings."""
        dense = EmbeddingVectorizer(self.config.attributes, self.embedding_means_)
        embeddings = dense.vectors(items.attributes, np.arange(start, len(items)))
        return Descriptions.mixed(normalised(counts, self.idf_), embeddings, self.config.embedding_share)

    def _learn_map(self, taken: NDArray[np.float64], als_of: Callable[[int], ALS]) -> None:
        vectors = Descriptions(self.vectors_, self.embeddings_)
        useful = np.flatnonzero((taken > 0) & vectors.described)
        self.basis_ = self.factor_map_ = self.als_factors_ = np.empty((0, 0), np.float32)
        self.als_gram_, self.als_facts_ = np.empty(0, np.float32), np.zeros(2)
        if not self.config.learned or len(useful) < MIN_ITEMS:
            return
        als = als_of(min(self.config.factors, len(useful)))
        self.basis_ = self._word_basis()
        Z = self._compressed(Descriptions(self.vectors_[useful], self.embeddings_[useful]))
        weight = np.sqrt(taken[useful])[:, None]
        A = (Z * weight).T @ Z
        # the constant is not regularised
        A[np.diag_indices(len(A) - 1)] += self.config.ridge * weight.mean()
        A[-1, -1] += 1e-6
        self.factor_map_ = np.linalg.solve(A, (Z * weight).T @ als.item_factors_[useful]).astype(np.float32)
        self.als_factors_, self.als_gram_ = als.item_factors_, als.gram_
        self.als_facts_ = np.array([als.unobserved_, float(als.mean_weight_)])

    def _word_basis(self) -> NDArray[np.float32]:
        """Return the directions that words are compressed into, float32 (width, r); r is 0 where no item has words."""
        width = self.vectors_.shape[1]
        used = np.flatnonzero(np.bincount(self.vectors_.indices, minlength=width))
        if not len(used):
            return np.zeros((width, 0), np.float32)
        _, directions = leading(sp.csr_matrix(self.vectors_[:, used]), self.config.rank)
        basis = np.zeros((width, directions.shape[1]), np.float32)
        basis[used] = directions
        return basis

    def _prepare(self) -> None:
        als = None
        if self.factor_map_.size:
            als = ALS(factors=self.als_factors_.shape[1]).of_factors(
                self.als_factors_, self.als_gram_, float(self.als_facts_[0]), float(self.als_facts_[1])
            )
        self._derived = self._chunk(Descriptions(self.vectors_, self.embeddings_)), als

    @override
    def _saved_items(self, meta: object) -> int:
        return int(self.vectors_.shape[0])

    def _compressed(self, vectors: Descriptions) -> NDArray[np.float32]:
        Z = vectors.words @ self.basis_
        return np.hstack([Z, vectors.embeddings, np.ones((len(Z), 1), np.float32)])

    def _chunk(self, vectors: Descriptions) -> _Chunk:
        described = vectors.described
        mapped = None
        if self.factor_map_.size:
            mapped = (self._compressed(vectors) @ self.factor_map_ * described[:, None]).astype(np.float32)
        return _Chunk(vectors, csr_arrays(vectors.words.T.tocsr()), mapped, described)

    # ---------------------------------------------------------------- added items

    def with_items(self, items: Entities) -> Content:
        """Return a model that also knows the appended items, by their descriptions. It shares all arrays of this one.

        Changes of items that it knows already have no effect. Costs O(added items), amortised over a chain of calls.
        """
        known = self._n_known
        if len(items) <= known:
            return self
        chunks = [*self._added, self._chunk(self._described(items, known, self._counts(items, known)))]
        # chunks of falling size, so that there are few of them and each item is copied a logarithmic number of times
        while len(chunks) > 1 and chunks[-2].vectors.size <= 2 * chunks[-1].vectors.size:
            last, before = chunks.pop(), chunks.pop()
            chunks.append(self._chunk(before.vectors.followed_by(last.vectors)))
        twin = self._shared()
        twin._added = tuple(chunks)  # noqa: SLF001 - its own copy
        return twin

    @property
    def _chunks(self) -> tuple[_Chunk, ...]:
        return (self._derived[0], *self._added) if self._derived is not None else ()

    @property
    def _n_known(self) -> int:
        return self.n_items_ + sum(chunk.vectors.size for chunk in self._added)

    # ---------------------------------------------------------------- requests

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        n = self._n_known
        cosine = self._cosine(self._profiles(requests, n))
        als = self._derived[1]
        if als is None:
            return np.where(cosine > 0, cosine, np.float32(-np.inf))
        factors = als.fold_in(requests)
        scores = np.empty((len(requests), n), np.float32)
        described = np.empty(n, np.bool_)
        for chunk, columns in self._columns():
            assert chunk.mapped is not None
            scores[:, columns] = factors @ chunk.mapped.T
            described[columns] = chunk.described
        known = np.diff(requests.sums(n)[0]) > 0
        run_rows(len(requests), add_standardised, scores, cosine, float(self.config.cosine), known, described)
        return scores

    def _cosine(self, profiles: Descriptions) -> NDArray[np.float32]:
        """Return the product of B vectors with the vector of each item, float32 (B, items)."""
        cosine = np.zeros((profiles.size, self._n_known), np.float32)
        for chunk, columns in self._columns():
            arrays = csr_arrays(profiles.words), chunk.by_token, columns.start, cosine
            run_rows(len(cosine), dense_product, *arrays)
            if profiles.embeddings.shape[1]:
                cosine[:, columns] += profiles.embeddings @ chunk.vectors.embeddings.T
        return cosine

    def _columns(self) -> list[tuple[_Chunk, slice]]:
        """Return the chunks with the range of items that each holds."""
        found, start = [], 0
        for chunk in self._chunks:
            end = start + chunk.vectors.size
            found.append((chunk, slice(start, end)))
            start = end
        return found

    def _profiles(self, requests: Requests, n: int) -> Descriptions:
        """Return the mean vector of each history's latest events, of length 1."""
        back = requests.histories.steps_back
        recent = requests.with_weights(
            np.where(back < self.config.recent, requests.weights, 0).astype(np.float32)
        )
        return self._summed(recent.matrix(n)).of_unit_length()

    def _summed(self, weights: sp.csr_matrix) -> Descriptions:
        """Return sums of the vectors of items, weighted by sparse float32 (k, items)."""
        first, *added = self._columns()
        if not added:
            return first[0].vectors.summed(weights)
        of_items = weights.tocsc()
        total = first[0].vectors.summed(of_items[:, first[1]])
        for chunk, columns in added:
            total = total.plus(chunk.vectors.summed(of_items[:, columns]))
        return total

    def _vectors_of(self, items: NDArray[np.integer]) -> Descriptions:
        """Return the vectors of some items, 0 for unknown items."""
        n = self._n_known
        there = (items >= 0) & (items < n)
        if not self._added and there.all():
            return Descriptions(self.vectors_[items], self.embeddings_[items])
        known = np.flatnonzero(there)
        picked = (np.ones(len(known), np.float32), (known, items[known]))
        return self._summed(sp.csr_matrix(picked, shape=(len(items), n)))

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        if not 0 <= item < self._n_known:
            return None
        return np.asarray(self._cosine(self._vectors_of(np.array([item])))[0])

    @override
    def explain(
        self, requests: Requests, row: int, items: NDArray[np.integer]
    ) -> NDArray[np.floating] | None:
        h = requests.histories
        events = slice(int(h.indptr[row]), int(h.indptr[row + 1]))
        shares = self._vectors_of(np.asarray(items)).products(self._vectors_of(h.item[events]))
        return np.asarray(shares * requests.weights[events])

    # ---------------------------------------------------------------- copies

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy; of added items, their vectors."""
        state = super().__getstate__()
        state["_added"] = tuple(chunk.vectors for chunk in self._added)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        added = state.pop("_added", ())
        super().__setstate__(state)
        self._added = tuple(self._chunk(vectors) for vectors in added)

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

    vectors: sp.csr_matrix
    """float32 (items, width)."""
    by_token: CsrArrays
    """The transpose of `vectors`."""
    mapped: NDArray[np.float32] | None
    """float32 (items, d): the factor of each description; None without a map."""
    described: NDArray[np.bool_]
    """bool (items,): whether anything is known of the item."""


class Content(Retriever):
    """Recommend items that are described like those a user took; the source for new items.

    Each item is a TF-IDF vector over the words of its texts, the values of its attributes (prefixed by the attribute's
    name), and its numbers and dates in ten bins, hashed to a fixed width, so that a new item has a vector without
    refitting. Two similarities are added, each in units of its own spread:

    - **cosine** (weight `cosine`) between the mean vector of the history and that of the item: similar words;
    - **learned**: a ridge regression from vectors to ALS factors, weighted by the events of each item. A new item gets
      the factor that items of its description usually have, popularity included, and is recommended to the users of such
      factors. Old items are scored by their mapped factor as well, so that old and new items compete on equal terms.

    It needs no events of an item. For items with events it is weaker than models of who took what: use it beside them.

    Cost: that of ALS, plus O(items · width · rank) for the map; memory the non-zeros of the vectors, and items · factors. A
    request scores the whole catalogue. `with_items` costs O(added items).

    Parameters
    ----------
    config : ContentConfig
        See there for the settings.

    Attributes
    ----------
    vectors_
        float32 (items, 2^bits), sparse: rows of length 1, or 0 where nothing is known.
    idf_
        float32 (2^bits,): inverse document frequencies, learned in training and used for added items as well.
    bin_edges_
        float64 (number and time attributes, 9): where their bins meet.
    basis_
        float32 (2^bits, r): the directions that vectors are compressed into; r is 0 without a map.
    factor_map_
        float32 (r + 1, d): from a compressed vector and a constant to a factor.
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
        "idf_": "idf",
        "bin_edges_": "edges",
        "basis_": "basis",
        "factor_map_": "map",
        "als_factors_": "als_items",
        "als_gram_": "als_gram",
        "als_facts_": "als_facts",
    }

    vectors_: sp.csr_matrix
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
        self.bin_edges_ = bin_edges(items.attributes, self.config.attributes)
        counts = self._vectoriser().counts(items.attributes, np.arange(len(items)))
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf_ = (np.log((1 + counts.shape[0]) / (1 + present)) + 1).astype(np.float32)
        self.vectors_ = normalised(counts, self.idf_)
        self._learn_map(taken, als)

    def _learn_map(self, taken: NDArray[np.float64], als_of: Callable[[int], ALS]) -> None:
        useful = np.flatnonzero((taken > 0) & (np.diff(self.vectors_.indptr) > 0))
        self.basis_ = self.factor_map_ = self.als_factors_ = np.empty((0, 0), np.float32)
        self.als_gram_, self.als_facts_ = np.empty(0, np.float32), np.zeros(2)
        if not self.config.learned or len(useful) < MIN_ITEMS:
            return
        als = als_of(min(self.config.factors, len(useful)))
        used = np.flatnonzero(np.bincount(self.vectors_.indices, minlength=self.vectors_.shape[1]))
        _, directions = leading(sp.csr_matrix(self.vectors_[:, used]), self.config.rank)
        self.basis_ = np.zeros((self.vectors_.shape[1], directions.shape[1]), np.float32)
        self.basis_[used] = directions
        Z = self._compressed(self.vectors_[useful])
        weight = np.sqrt(taken[useful])[:, None]
        A = (Z * weight).T @ Z
        # the constant is not regularised
        A[np.diag_indices(len(A) - 1)] += self.config.ridge * weight.mean()
        A[-1, -1] += 1e-6
        self.factor_map_ = np.linalg.solve(A, (Z * weight).T @ als.item_factors_[useful]).astype(np.float32)
        self.als_factors_, self.als_gram_ = als.item_factors_, als.gram_
        self.als_facts_ = np.array([als.unobserved_, float(als.mean_weight_)])

    def _prepare(self) -> None:
        als = None
        if self.factor_map_.size:
            als = ALS(factors=self.als_factors_.shape[1]).of_factors(
                self.als_factors_, self.als_gram_, float(self.als_facts_[0]), float(self.als_facts_[1])
            )
        self._derived = self._chunk(self.vectors_), als

    @override
    def _saved_items(self, meta: object) -> int:
        return int(self.vectors_.shape[0])

    def _vectoriser(self) -> AttributeVectorizer:
        return AttributeVectorizer(self.config.attributes, self.config.bits, self.bin_edges_)

    def _compressed(self, vectors: sp.csr_matrix) -> NDArray[np.float32]:
        Z = vectors @ self.basis_
        return np.hstack([Z, np.ones((len(Z), 1), np.float32)])

    def _chunk(self, vectors: sp.csr_matrix) -> _Chunk:
        described = np.diff(vectors.indptr) > 0
        mapped = None
        if self.factor_map_.size:
            mapped = (self._compressed(vectors) @ self.factor_map_ * described[:, None]).astype(np.float32)
        return _Chunk(vectors, csr_arrays(vectors.T.tocsr()), mapped, described)

    # ---------------------------------------------------------------- added items

    def with_items(self, items: Entities) -> Content:
        """Return a model that also knows the appended items, by their descriptions. It shares all arrays of this one.

        Changes of items that it knows already have no effect. Costs O(added items), amortised over a chain of calls.
        """
        known = self._n_known
        if len(items) <= known:
            return self
        vectors = normalised(
            self._vectoriser().counts(items.attributes, np.arange(known, len(items))), self.idf_
        )
        chunks = [*self._added, self._chunk(vectors)]
        # chunks of falling size, so that there are few of them and each item is copied a logarithmic number of times
        while len(chunks) > 1 and chunks[-2].vectors.shape[0] <= 2 * chunks[-1].vectors.shape[0]:
            last, before = chunks.pop(), chunks.pop()
            chunks.append(self._chunk(sp.vstack([before.vectors, last.vectors], format="csr")))
        twin = self._shared()
        twin._added = tuple(chunks)  # noqa: SLF001 - its own copy
        return twin

    @property
    def _chunks(self) -> tuple[_Chunk, ...]:
        return (self._derived[0], *self._added) if self._derived is not None else ()

    @property
    def _n_known(self) -> int:
        return self.n_items_ + sum(int(chunk.vectors.shape[0]) for chunk in self._added)

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

    def _cosine(self, profiles: sp.csr_matrix) -> NDArray[np.float32]:
        """Return the dot product of sparse vectors (B, width) with the vector of each item, float32 (B, items)."""
        cosine = np.zeros((profiles.shape[0], self._n_known), np.float32)
        for chunk, columns in self._columns():
            arrays = csr_arrays(profiles), chunk.by_token, columns.start, cosine
            run_rows(len(cosine), dense_product, *arrays)
        return cosine

    def _columns(self) -> list[tuple[_Chunk, slice]]:
        """Return the chunks with the range of items that each holds."""
        found, start = [], 0
        for chunk in self._chunks:
            end = start + chunk.vectors.shape[0]
            found.append((chunk, slice(start, end)))
            start = end
        return found

    def _profiles(self, requests: Requests, n: int) -> sp.csr_matrix:
        """Return the mean vector of each history's latest events, float32 (B, width), of length 1."""
        back = requests.histories.steps_back
        recent = requests.with_weights(
            np.where(back < self.config.recent, requests.weights, 0).astype(np.float32)
        )
        if not self._added:
            return normalised(recent.matrix(n) @ self.vectors_)
        weights = recent.matrix(n).tocsc()
        return normalised(sum(weights[:, columns] @ chunk.vectors for chunk, columns in self._columns()))

    def _vectors_of(self, items: NDArray[np.integer]) -> sp.csr_matrix:
        """Return the vectors of some items, float32 (m, width); 0 for unknown items."""
        n = self._n_known
        if not self._added:
            known = items < n
            vectors = self.vectors_[np.where(known, items, 0)]
            return (
                vectors if known.all() else sp.csr_matrix(sp.diags_array(known.astype(np.float32)) @ vectors)
            )
        empty = sp.csr_matrix((len(items), self.vectors_.shape[1]), dtype=np.float32)
        for chunk, columns in self._columns():
            inside = np.flatnonzero((items >= columns.start) & (items < columns.stop))
            picked = (np.ones(len(inside), np.float32), (inside, items[inside] - columns.start))
            rows = sp.csr_matrix(picked, shape=(len(items), chunk.vectors.shape[0]))
            empty = empty + rows @ chunk.vectors
        return sp.csr_matrix(empty, dtype=np.float32)

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
        shares = self._vectors_of(np.asarray(items)) @ self._vectors_of(h.item[events]).T
        return np.asarray(shares.toarray() * requests.weights[events])

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

"""Transformer: the next item of a history, by a causal transformer."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.growable import GrowableArray
from shortlist.errors import BundleError, DataError, import_extra, require_fitted
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.encode import encode
from shortlist.retrieve.deep.inputs import event_inputs, usual_values
from shortlist.retrieve.deep.item_tokens import BITS, ItemTokens
from shortlist.retrieve.deep.settings import TransformerConfig
from shortlist.retrieve.event_weighting import EventWeights
from shortlist.retrieve.indexed import retrieve_indexed
from shortlist.retrieve.item_vectors import BINS, cosines_to
from shortlist.retrieve.kernels.index import Index, IndexConfig
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.quantized import NOT_QUANTIZED, dot_given_items
from shortlist.retrieve.requests import Candidates, Requests

BLOCK = 512
"""Number of histories that are encoded at once."""


class _Ready(NamedTuple):
    """What requests need of a fitted model."""

    shape: Architecture
    weights: dict[str, NDArray[np.float32]]
    """The weights of the network by name."""
    vectors: GrowableArray[np.float32]
    """float32 (items, d), of the fitted and of the appended items."""
    known: GrowableArray[np.float32]
    """float32 (items,): 1 for items that are proposed."""


class Transformer(Retriever):
    """Predict the next item from the order of a history, by a causal transformer (SASRec with newer blocks).

    Each event is the vector of its item plus what is known of it: the time since the event before, its kind and its value.
    Blocks of causal attention and SwiGLU, on gated residuals, turn the events into states; the state after the last event,
    times the vector of an item, is the score of that item. Training predicts each event from those before it, by
    cross-entropy against the whole catalogue or, on large catalogues, against sampled items with logQ correction.

    An item vector is one of the item's own plus a weighted sum of vectors of its attributes (words, categories, deciles
    of numbers). A new item has the second part only; training hides the first part of some items in each step, so that
    the second learns to stand alone.

    Use it where the next event follows from the order of the last ones, and where there are enough events: `als` and
    `slim` are better on few. It needs times; without them it has only the order of rows.

    Training needs the extra `deep` (PyTorch) and takes minutes; a GPU is used where there is one. A fitted model needs
    neither: it answers with NumPy.

    Cost: a request O(blocks · history · d² + items · d); memory items · d. Training: see `deep.cost`; it is stated before it
    begins.

    Parameters
    ----------
    config : TransformerConfig
        See there for the settings.

    Attributes
    ----------
    item_vectors_
        float32 (items, d): 0 for an item of which nothing is known; it is not proposed.
    network_
        float32: the weights of the network, one after the other.
    architecture_ : dict
        The shape of the network.
    token_vectors_
        float32 (T, d): the vector of each token of item attributes.
    token_columns_, token_idf_, bin_edges_
        Which tokens these are; see `ItemTokens`.
    usual_values_
        float32 (kinds,): the median value of the events of each kind.
    curves_ : list of dict
        For each epoch the training loss, and NDCG@10 and hit rate of the held-out events.
    index_ : Index or None
        Beyond `exact_items`.

    References
    ----------
    Kang & McAuley 2018, "Self-attentive sequential recommendation" (SASRec).
    Klenitskiy & Vasilev 2023, "Turning dross into gold loss: is BERT4Rec really better than SASRec?".
    Borisyuk et al. 2024, "LiGR: large scale ranking at LinkedIn".

    Examples
    --------
    >>> Transformer(width=128, history=100)
    Transformer(width=128, history=100)
    """

    Config = TransformerConfig
    config: TransformerConfig
    name = "transformer"
    arrays: ClassVar = {
        "item_vectors_": "items",
        "network_": "network",
        "token_vectors_": "tokens",
        "token_columns_": "columns",
        "token_idf_": "idf",
        "bin_edges_": "edges",
        "usual_values_": "values",
    }
    facts: ClassVar = ("architecture_", "attributes_", "curves_")

    item_vectors_: NDArray[np.float32]
    network_: NDArray[np.float32]
    token_vectors_: NDArray[np.float32]
    token_columns_: NDArray[np.int64]
    token_idf_: NDArray[np.float32]
    bin_edges_: NDArray[np.float64]
    usual_values_: NDArray[np.float32]
    architecture_: dict[str, int]
    attributes_: list[str] | None
    curves_: list[dict[str, float]]
    index_: Index | None = None
    _added: NDArray[np.float32] | None = None
    """float32 (added items, d): the vectors of items appended since training."""
    _derived: _Ready | None

    # ---------------------------------------------------------------- training

    def _fit(self, dataset: Dataset) -> None:
        config, n_items = self.config, len(dataset.items)
        kinds = max(len(dataset.log.kinds), 1)
        usual = usual_values(dataset.histories, kinds)
        weights = EventWeights.of(self.event_weighting, dataset.log)(dataset.histories)
        events = event_inputs(dataset.histories, weights, usual, n_items)
        if len(events.item) < config.min_events:
            raise DataError(
                f"transformer: {len(events.item):,} events are too few to learn from; below {config.min_events:,} events `als` will "
                f"serve you better. To train all the same, lower min_events",
                field="min_events",
            )
        import_extra("torch", "deep")
        from shortlist.retrieve.deep.train import Trainer

        tokens = ItemTokens.of(dataset.items, config.attributes)
        shape = Architecture(config.width, config.blocks, config.heads, config.history, kinds)
        matrix = tokens.matrix(dataset.items)
        taken, item = np.unique(events.item, return_inverse=True)
        events = replace(events, item=item.astype(np.int32))
        trained = Trainer(config, shape, matrix[taken], events, self._report).run()
        self._added, self.index_ = None, None
        self.network_, self.token_vectors_, self.curves_ = trained.network, trained.token, trained.curves
        self.item_vectors_ = np.asarray(matrix @ trained.token, np.float32)
        self.item_vectors_[taken] += trained.own
        self.token_columns_, self.token_idf_, self.bin_edges_ = tokens.columns, tokens.idf, tokens.edges
        self.usual_values_, self.attributes_ = usual, config.attributes
        self.architecture_ = asdict(shape)
        if n_items > config.exact_items:
            settings = IndexConfig(exact_items=config.exact_items, recall=config.recall)
            self._finish(n_items)  # requests of the index are states of histories
            some = dataset.histories.pick(*_some(dataset.histories.indptr))
            requests = Requests(some, np.ones(len(some.item), np.float32), np.zeros(len(some), np.int64))
            self.index_ = Index(settings).build(self.item_vectors_, self.encode(requests))

    def _report(self, step: str, fraction: float) -> None:
        self._progress(f"{self.name}: {step}", fraction)

    def _prepare(self) -> None:
        shape = self._checked_shape()
        vectors = self.item_vectors_
        if self._added is not None:
            vectors = np.concatenate([vectors, self._added])
        if not np.isfinite(vectors.sum()):
            raise BundleError(f"{self.name}: item_vectors_ holds values that are no numbers")
        known = np.asarray(vectors.any(1), np.float32)
        self._derived = _Ready(
            shape, shape.split(self.network_), GrowableArray(vectors), GrowableArray(known)
        )

    @property
    def _ready(self) -> _Ready:
        return require_fitted(self._derived, type(self).__name__)

    def _checked_shape(self) -> Architecture:
        """Return the shape of the network. A `BundleError` where the arrays of a bundle do not fit it or each other."""
        try:
            shape = Architecture(**self.architecture_)
            size = shape.size
        except (TypeError, ValueError) as error:
            raise BundleError(f"{self.name}: architecture_ is damaged: {error}") from None
        d, tokens = shape.width, len(self.token_columns_)
        expected: dict[str, tuple[type, tuple[int, ...]]] = {
            "item_vectors_": (np.float32, (self.n_items_, d)),
            "network_": (np.float32, (size,)),
            "token_vectors_": (np.float32, (tokens, d)),
            "token_columns_": (np.int64, (tokens,)),
            "token_idf_": (np.float32, (tokens,)),
            "usual_values_": (np.float32, (shape.kinds,)),
            "bin_edges_": (np.float64, (len(self.bin_edges_), BINS - 1)),
        }
        for name, (kind, size_) in expected.items():
            found = getattr(self, name)
            if found.dtype != kind or found.shape != size_:
                raise BundleError(
                    f"{self.name}: {name} has type {found.dtype} and shape {found.shape}; {np.dtype(kind)} and {size_} are expected"
                )
        columns = self.token_columns_
        if tokens and not (columns[0] >= 0 and columns[-1] < 2**BITS and (np.diff(columns) > 0).all()):
            raise BundleError(f"{self.name}: token_columns_ must rise from 0 to below {2**BITS}")
        return shape

    # ---------------------------------------------------------------- added items

    @override
    def with_items(self, items: Entities) -> Transformer:
        """Return a model that also knows the appended items, by their attributes. It shares all arrays of this one."""
        vectors = self._ready.vectors
        if len(items) <= len(vectors):
            return self
        tokens = ItemTokens(self.attributes_, self.bin_edges_, self.token_columns_, self.token_idf_)
        added = np.asarray(tokens.matrix(items, len(vectors)) @ self.token_vectors_, np.float32)
        twin = self._shared()
        grown = vectors.extended(added)
        known = self._ready.known.extended(np.asarray(added.any(1), np.float32))
        twin._derived = self._ready._replace(vectors=grown, known=known)  # noqa: SLF001 - its own copy
        twin._added = grown.array[self.n_items_ :]  # noqa: SLF001
        return twin

    # ---------------------------------------------------------------- requests

    def encode(self, requests: Requests) -> NDArray[np.float32]:
        """Return the state after each history, float32 (B, d); zero where it holds no item of the model."""
        return requests.folded(self._ready.vectors.array, lambda: self._encode(requests))

    def _encode(self, requests: Requests) -> NDArray[np.float32]:
        shape, weights, vectors, _ = self._ready
        states = np.empty((len(requests), shape.width), np.float32)
        for start in range(0, len(requests), BLOCK):
            part = (
                requests
                if len(requests) <= BLOCK
                else requests.rows(start, min(start + BLOCK, len(requests)))
            )
            inputs = event_inputs(
                part.histories, part.weights, self.usual_values_, len(vectors), shape.history
            )
            states[start : start + BLOCK] = encode(weights, shape, vectors.array[inputs.item], inputs)
        return states

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        states = self.encode(requests)
        scores = states @ self._ready.vectors.array.T
        scores[:, self._ready.known.array == 0] = -np.inf
        scores[~states.any(1)] = -np.inf
        return scores

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        if self.index_ is None:
            return super().retrieve(requests, k)
        states, exact = self.encode(requests), super().retrieve
        added = np.arange(self.n_items_, len(self._ready.vectors), dtype=np.int32)
        return retrieve_indexed(
            requests,
            k,
            self.index_,
            states,
            lambda items: self._given(states, items),
            lambda few: exact(few, k),
            added,
        )

    @override
    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        return self._given(self.encode(requests), items)

    def _given(self, states: NDArray[np.float32], items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the scores of given items for histories whose states are known; −inf where there is no score."""
        scores = np.full(items.shape, -np.inf, np.float32)
        asked = np.concatenate([[0], np.cumsum(states.any(1))])
        vectors, known = self._ready.vectors.array, self._ready.known.array
        wanted = np.ascontiguousarray(items, np.int32)
        run_rows(len(states), dot_given_items, states, vectors, NOT_QUANTIZED, known, asked, wanted, scores)
        return scores

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        vectors = self._ready.vectors.array
        if not 0 <= item < len(vectors):
            return None
        return cosines_to(vectors, item)

    @override
    @property
    def item_factors(self) -> NDArray[np.float32] | None:
        return self.item_vectors_

    # ---------------------------------------------------------------- bundles

    @override
    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.index_ is not None:
            self.index_.save(folder / "index")

    @override
    @classmethod
    def load(cls, folder: Path) -> Self:
        model = super().load(folder)
        if (folder / "index").exists():
            model.index_ = Index.load(folder / "index")
            if len(model.index_) != model.n_items_:
                raise BundleError(f"{folder}: the index does not match the model")
        return model


def _some(indptr: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bounds of about 500 histories."""
    step = max(1, (len(indptr) - 1) // 500)
    return indptr[:-1][::step], indptr[1:][::step]

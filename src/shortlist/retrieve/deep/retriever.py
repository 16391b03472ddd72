"""The base of retrievers that are networks: vectors of items, bundles that are checked, an index, new items."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.growable import GrowableArray
from shortlist.deep.checkpoint import one_training
from shortlist.deep.layout import WeightLayout, check_names, check_sizes
from shortlist.errors import BundleError, DataError, import_extra, require_fitted
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.deep.attribute_tokens import AttributeTokens, check_columns
from shortlist.retrieve.deep.ready import Layout, Ready
from shortlist.retrieve.deep.settings import DeepRetrieverSettings
from shortlist.retrieve.deep.stored_vectors import StoredVectors, stored
from shortlist.retrieve.deep.trend import LearnedTrend, Trend
from shortlist.retrieve.event_weighting import EventWeights
from shortlist.retrieve.indexed import retrieve_indexed
from shortlist.retrieve.item_vectors import BINS
from shortlist.retrieve.kernels.index import Index, IndexConfig
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.quantized import dot_given_items
from shortlist.retrieve.requests import Candidates, Requests

Expected = dict[str, tuple[type, tuple[int, ...]]]
"""Learned array → its type and shape."""

NO_VISITS = np.empty(0, np.int64)
SHORTER = 4
"""By how much the training is shorter of the network that `trend` is learned with."""
BLOCK = 512
"""Number of histories that are encoded at once."""


class DeepRetriever(Retriever, Generic[Layout]):
    """A retriever whose network turns a request into a vector; its product with the vector of an item is the score.

    A subclass implements `_learn`, `_state` and, where the vector of an item is more than the sum of those of its tokens,
    `_item_vectors`; it names its network by `layout`. It needs PyTorch in `_learn` only.

    Attributes
    ----------
    item_vectors_
        float32 or int8 (items, d): 0 for an item of which nothing is known; it is not proposed.
    item_steps_
        float32 (items,): by what vectors of bytes are multiplied; (0,) for floats.
    network_
        float32: the weights of the network, one after the other.
    architecture_ : dict
        The shape of the network.
    token_vectors_
        float32 (T, d): the vector of each token of item attributes.
    token_columns_, token_idf_, bin_edges_
        Which tokens these are; see `AttributeTokens`.
    curves_ : list of dict
        For each epoch the training loss, and NDCG@10 and hit rate of the held-out events.
    trend_ : LearnedTrend or None
        What is added to the scores because it is popular now, where `trend` is set and the events of the last days are ranked better by it.
    index_ : Index or None
        Beyond `exact_items`.
    """

    config: Any
    layout: ClassVar[type[WeightLayout]]
    arrays: ClassVar[Mapping[str, str]] = {
        "item_vectors_": "items",
        "item_steps_": "steps",
        "network_": "network",
        "token_vectors_": "tokens",
        "token_columns_": "columns",
        "token_idf_": "idf",
        "bin_edges_": "edges",
    }
    facts: ClassVar[tuple[str, ...]] = ("architecture_", "attributes_", "dimensions_", "curves_")

    item_vectors_: NDArray[Any]
    item_steps_: NDArray[np.float32]
    network_: NDArray[np.float32]
    token_vectors_: NDArray[np.float32]
    token_columns_: NDArray[np.int64]
    token_idf_: NDArray[np.float32]
    bin_edges_: NDArray[np.float64]
    architecture_: dict[str, int]
    attributes_: list[str] | None
    dimensions_: int | None
    """Components of embeddings among the tokens; None in models that were saved before there were any."""
    curves_: list[dict[str, float]]
    trend_: LearnedTrend | None = None
    index_: Index | None = None
    _added: NDArray[np.float32] | None = None
    """float32 (added items, d): the vectors of items appended since training."""
    _derived: Ready[Layout] | None

    # ---------------------------------------------------------------- training

    @abstractmethod
    def _learn(self, dataset: Dataset) -> NDArray[np.float32]:
        """Learn the arrays, and return the vectors of items, float32 (items, d)."""

    @override
    @one_training()
    def _fit(self, dataset: Dataset) -> None:
        self._added, self.index_, self.trend_ = None, None, None
        config: DeepRetrieverSettings = self.config
        if config.trend and config.validation:
            self.trend_ = self._learned_trend(dataset)
        n_items, vectors = len(dataset.items), self._learn(dataset)
        self.item_vectors_, self.item_steps_ = stored(vectors, in_bytes=config.vectors == "int8")
        if n_items > config.exact_items:
            settings = IndexConfig(exact_items=config.exact_items, recall=config.recall)
            self._finish(n_items)  # requests of the index are states of histories
            users = np.arange(0, len(dataset.users), max(1, len(dataset.users) // 500))
            end = int(dataset.log.time.max(initial=0)) + 1
            requests = Requests.of_users(dataset, users, np.full(len(users), end, np.int64))
            trend = self._ready.trend
            searched = vectors if trend is None else trend.with_terms(vectors)
            self.index_ = Index(settings).build(searched, self._asked(*self._read(requests)))

    def _learned_trend(self, dataset: Dataset) -> LearnedTrend | None:
        """Return what the popularity of the last days adds.

        It is learned from the last days of the log, with a network that has learned from the events before them: one that has learned
        from all knows what was taken in them, also where they are events of other users, and would be trusted more than it is later.
        """
        from shortlist.retrieve.deep.later_visits import LaterVisits, before, day_of, last_days
        from shortlist.retrieve.deep.learn_trend import RecentCounts, learn_trend

        weights = EventWeights.of(self.event_weighting, dataset.log)(dataset.histories)
        whole = RecentCounts.of(dataset, weights)
        self._check_events(len(whole.item))
        moment = last_days(whole.time)
        if moment is None:
            self._report("trend: not used, all events are of one day", 1.0)
            return None
        past = before(dataset, moment)
        epochs = max(1, self.config.epochs // SHORTER)
        own = {
            "trend": False,
            "validation": 0.0,
            "min_events": 0,
            "exact_items": len(dataset.items),
            "epochs": epochs,
        }
        earlier = type(self)(self.config.model_copy(update=own), event_weighting=self.event_weighting)
        self._report(f"trend: first from the events before {day_of(moment)}", 1.0)
        earlier.fit(past, self._progress)
        later = LaterVisits.of(dataset, weights, moment, self.config.seed)
        known = whole.before(moment)
        trend, line = learn_trend(earlier.score, later, known, moment, whole)
        self._report(line, 1.0)
        return trend

    def _check_events(self, events: int) -> None:
        """Raise where the events are too few, or PyTorch is not installed."""
        least = self.config.min_events
        if events < least:
            raise DataError(
                f"{self.name}: {events:,} events are too few to learn from; below {least:,} events `als` will serve you better. "
                f"To train all the same, lower min_events",
                field="min_events",
            )
        import_extra("torch", "deep")

    def _keep_tokens(self, tokens: AttributeTokens) -> None:
        self.token_columns_, self.token_idf_, self.bin_edges_ = tokens.columns, tokens.idf, tokens.edges
        self.attributes_, self.dimensions_ = self.config.attributes, tokens.dimensions

    def _report(self, step: str, fraction: float) -> None:
        self._progress(f"{self.name}: {step}", fraction)

    # ---------------------------------------------------------------- fitted state

    def _prepare(self) -> None:
        shape = self._checked_shape()
        codes = self.item_vectors_
        exact = self.n_items_ <= self.config.exact_items
        vectors = StoredVectors.of(codes, self.item_steps_, searched=exact)
        known = GrowableArray(np.asarray(codes.any(1), np.float32))
        if self._added is not None:
            vectors = vectors.extended(self._added)
            known = known.extended(np.asarray(self._added.any(1), np.float32))
        trend = None if self.trend_ is None else Trend.of(self.trend_).extended(len(known) - self.n_items_)
        weights = [shape.split(part) for part in np.split(self.network_, self._members(shape))]
        self._derived = Ready(shape, weights, vectors, known, trend)

    @property
    def _ready(self) -> Ready[Layout]:
        return require_fitted(self._derived, type(self).__name__)

    def _checked_shape(self) -> Layout:
        """Return the shape of the network. A `BundleError` where the arrays of a bundle do not fit it or each other."""
        try:
            shape: Any = self.layout(**self.architecture_)
            expected = self._expected(shape)
        except (TypeError, ValueError) as error:
            raise BundleError(f"{self.name}: architecture_ is damaged: {error}") from None
        for name, (kind, size) in expected.items():
            found = getattr(self, name)
            if found.dtype != kind or found.shape != size:
                raise BundleError(
                    f"{self.name}: {name} has type {found.dtype} and shape {found.shape}; {np.dtype(kind)} and {size} are expected"
                )
            if kind == np.float32 and not np.isfinite(float(found.sum())):
                raise BundleError(f"{self.name}: {name} holds values that are no numbers")
        for name in expected:
            if name.endswith("token_columns_"):
                check_columns(f"{self.name}: {name}", getattr(self, name))
        checked: Layout = shape
        return checked

    def _members(self, shape: Any) -> int:  # noqa: ARG002 - for models that are several networks
        """Return the number of networks whose scores are averaged."""
        return 1

    def _expected(self, shape: Any) -> Expected:
        """Return the type and shape that each learned array must have. Raises `ValueError` for a shape that cannot be."""
        tokens, dimensions = len(self.token_columns_), self.dimensions_ or 0
        check_sizes({"dimensions_": dimensions}, 0)
        check_names(attributes_=self.attributes_ or [])
        in_bytes, items, members = self.item_vectors_.dtype == np.int8, self.n_items_, self._members(shape)
        return {
            "item_vectors_": (np.int8 if in_bytes else np.float32, (items, members * shape.width)),
            "item_steps_": (np.float32, (items if in_bytes else 0,)),
            "network_": (np.float32, (members * shape.size,)),
            "token_vectors_": (np.float32, (tokens + dimensions, members * shape.width)),
            "token_columns_": (np.int64, (tokens,)),
            "token_idf_": (np.float32, (tokens,)),
            "bin_edges_": (np.float64, (len(self.bin_edges_), BINS - 1)),
        }

    def in_bytes(self) -> Self:
        """Return the same fitted model with vectors of a byte a component (`vectors = "int8"`), without training it again."""
        twin = self._shared()
        twin.config = self.config.model_copy(update={"vectors": "int8"})
        twin.item_vectors_, twin.item_steps_ = stored(
            self._ready.vectors.rows(np.arange(self.n_items_)), in_bytes=True
        )
        twin._prepare()  # noqa: SLF001 - its own copy
        return twin

    # ---------------------------------------------------------------- added items

    @override
    def with_items(self, items: Entities) -> Self:
        """Return a model that also knows the appended items, by their attributes. It shares all arrays of this one."""
        vectors = self._ready.vectors
        if len(items) <= len(vectors):
            return self
        arrays = self.bin_edges_, self.token_columns_, self.token_idf_
        tokens = AttributeTokens(self.attributes_, *arrays, self.dimensions_ or 0)
        matrix = tokens.matrix(items.attributes, np.arange(len(vectors), len(items)))
        added = self._item_vectors(self._described(matrix))
        twin = self._shared()
        grown = vectors.extended(added)
        known = self._ready.known.extended(np.asarray(added.any(1), np.float32))
        trend = self._ready.trend and self._ready.trend.extended(len(added))
        twin._derived = self._ready._replace(vectors=grown, known=known, trend=trend)  # noqa: SLF001 - its own copy
        twin._added = grown.rows(np.arange(self.n_items_, len(grown)))  # noqa: SLF001
        return twin

    def _described(self, matrix: sp.csr_matrix) -> NDArray[np.float32]:
        """Return the sums of the vectors of the tokens of items, float32 (m, d)."""
        return np.asarray(matrix @ self.token_vectors_, np.float32)

    def _item_vectors(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of items, float32 (m, d), from those of their parts; 0 where these are 0."""
        return sums

    # ---------------------------------------------------------------- requests

    @abstractmethod
    def _state(self, requests: Requests, ready: Ready[Layout]) -> NDArray[np.float32]:
        """Return the vector of each request, float32 (B, d); 0 where nothing is known that the model reads."""

    def encode(self, requests: Requests) -> NDArray[np.float32]:
        """Return the vector of each request, float32 (B, d); 0 where nothing is known that the model reads."""
        return requests.folded(self._ready.vectors.codes.array, lambda: self._encode(requests))

    def _encode(self, requests: Requests) -> NDArray[np.float32]:
        ready = self._ready
        states = np.empty((len(requests), ready.vectors.width), np.float32)
        for start in range(0, len(requests), BLOCK):
            end = min(start + BLOCK, len(requests))
            part = requests if len(requests) <= BLOCK else requests.rows(start, end)
            states[start:end] = self._state(part, ready)
        return states

    def _read(self, requests: Requests) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the vector of each request, float32 (B, d), and which part of the trend it reads, int64 (B,): nothing without a trend.

        The product of the vector with that of an item is the score but for the trend.
        """
        states, trend = self.encode(requests), self._ready.trend
        if trend is None:
            return states, NO_VISITS
        visit = trend.visits(requests)
        return trend.scaled(states, visit), visit

    def _asked(self, states: NDArray[np.float32], visit: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what an index is asked for requests that `_read` has read."""
        trend = self._ready.trend
        return states if trend is None else trend.with_visits(states, visit)

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        return self._ready.scores(*self._read(requests))

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        if self.index_ is None:
            quick = self._ready.is_quick(len(requests), k)
            return (
                self._ready.best(*self._read(requests), requests, k)
                if quick
                else super().retrieve(requests, k)
            )
        (states, visit), exact = self._read(requests), super().retrieve
        added = np.arange(self.n_items_, len(self._ready.vectors), dtype=np.int32)
        return retrieve_indexed(
            requests,
            k,
            self.index_,
            self._asked(states, visit),
            lambda items: self._given(states, visit, items),
            lambda few: exact(few, k),
            added,
        )

    @override
    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        return self._given(*self._read(requests), items)

    def _given(
        self, states: NDArray[np.float32], visit: NDArray[np.int64], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the scores of given items for requests that `_read` has read; −inf where there is no score."""
        scores = np.full(items.shape, -np.inf, np.float32)
        asked = np.concatenate([[0], np.cumsum(states.any(1))])
        vectors, known, trend = self._ready.vectors, self._ready.known.array, self._ready.trend
        wanted, codes, steps = np.ascontiguousarray(items, np.int32), vectors.codes.array, vectors.steps.array
        run_rows(len(states), dot_given_items, states, codes, steps, known, asked, wanted, scores)
        return scores if trend is None else trend.added_given(scores, items, visit)

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        vectors = self._ready.vectors
        return vectors.cosines_to(item) if 0 <= item < len(vectors) else None

    @override
    @property
    def item_factors(self) -> NDArray[np.float32] | None:
        return self._ready.vectors.rows(np.arange(self.n_items_))

    # ---------------------------------------------------------------- bundles

    @override
    def save(self, folder: str | Path) -> None:
        super().save(folder)
        folder = Path(folder)
        if self.trend_ is not None:
            self.trend_.save(folder / "trend")
        if self.index_ is not None:
            self.index_.save(folder / "index")

    @override
    @classmethod
    def load(cls, folder: str | Path) -> Self:
        model = super().load(folder)
        folder = Path(folder)
        if (folder / "trend").exists():
            model.trend_ = LearnedTrend.load(folder / "trend", model.n_items_)
            model._prepare()  # noqa: SLF001 - its own instance
        if (folder / "index").exists():
            model.index_ = Index.load(folder / "index")
            if len(model.index_) != model.n_items_:
                raise BundleError(f"{folder}: the index does not match the model")
        return model

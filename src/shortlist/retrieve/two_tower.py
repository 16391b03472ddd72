"""Two towers: users and items become vectors by their attributes, histories, contexts and ids."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.data.dataset import Dataset
from shortlist.deep.layout import check_names, check_sizes
from shortlist.retrieve.deep.attribute_tokens import AttributeTokens, check_chosen
from shortlist.retrieve.deep.context_tokens import ContextTokens
from shortlist.retrieve.deep.inputs import known_events, known_kinds
from shortlist.retrieve.deep.ready import Ready
from shortlist.retrieve.deep.retriever import DeepRetriever, Expected
from shortlist.retrieve.deep.settings import TwoTowerConfig
from shortlist.retrieve.deep.tower_shape import TowerShape
from shortlist.retrieve.deep.towers import VisitInputs, gaps_before, hours_of, item_vectors, user_vectors
from shortlist.retrieve.event_weighting import EventWeights
from shortlist.retrieve.item_vectors import BINS
from shortlist.retrieve.requests import Requests


class TwoTower(DeepRetriever[TowerShape]):
    """Find items near a user: two small networks turn users and items into vectors of one space (a softmax network).

    The item tower reads an item's own vector and a weighted sum of vectors of its attributes: words, categories, deciles of
    numbers, embeddings. The user tower reads weighted means of the item vectors of a history, the user's attributes, the
    context of the request (`[data.context]`, such as the device) and the moment: the time since the latest event and the hour of
    the week. The score is the cosine of both vectors, divided by the temperature.

    Training predicts each event by cross-entropy against the other targets of its batch, items that are sampled evenly, and
    optionally items that the model itself ranked highest, corrected for how often each is expected (logQ). Own
    vectors of items, histories of users and contexts are hidden at random, so that each learns to stand alone: a new item and a
    new user are served by what is known of them, and a request without context by the rest.

    Use it where users and items are described and many of them are new. `transformer` reads the order of a history, which
    the means of this model lose; on data without attributes `slim`, `als` and `transformer` are better. A request without
    history, known attributes and context gets no candidates (`popular` is for them).

    Training needs the extra `deep` (PyTorch) and takes minutes; a GPU is used where there is one. A fitted model needs
    neither: it answers with NumPy.

    Cost: a request O(history · d + hidden · d + items · d); memory items · d. That of training is stated before it begins.

    Parameters
    ----------
    config : TwoTowerConfig
        See there for the settings.

    Attributes
    ----------
    item_vectors_
        float32 or int8 (items, d), see `vectors`; of length 1: 0 for an item of which nothing is known; it is not proposed.
    item_steps_
        float32 (items,): the step by which int8 vectors are multiplied; empty for float32.
    network_
        float32: the weights of the network, one after the other.
    architecture_ : dict
        The shape of the network.
    token_vectors_, user_token_vectors_, context_token_vectors_
        float32 (T, d): the vector of each token of item and of user attributes, and of contexts.
    token_columns_, token_idf_, bin_edges_
        Which tokens of items these are; see `AttributeTokens`.
    user_token_columns_, user_token_idf_, user_bin_edges_, context_token_columns_, context_token_idf_, context_bin_edges_
        The same of users and of contexts.
    context_, context_numbers_
        Names of the context columns in use, and of those among them that are numbers.
    curves_ : list of dict
        For each epoch the training loss, and NDCG@10 and hit rate of the held-out events.
    trend_ : LearnedTrend or None
        What is added to the scores because it is popular now; see `Transformer`.
    index_ : Index or None
        Beyond `exact_items`.

    Raises
    ------
    ProjectError
        From `fit`, where items have no attribute of a name in `attributes`, users none of one in `user_attributes`, or the log no context of
        one in `context`.

    References
    ----------
    Covington, Adams & Sargin 2016, "Deep neural networks for YouTube recommendations".
    Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item recommendations".
    Yang et al. 2020, "Mixed negative sampling for learning two-tower neural networks in recommendations".
    Volkovs, Yu & Poutanen 2017, "DropoutNet: addressing cold start in recommender systems".

    Examples
    --------
    >>> TwoTower(width=32, user_attributes=["country"])
    TwoTower(width=32, user_attributes=['country'])
    """

    Config = TwoTowerConfig
    config: TwoTowerConfig
    name = "two_tower"
    layout = TowerShape
    arrays: ClassVar = {
        **DeepRetriever.arrays,
        "user_token_vectors_": "user_tokens",
        "user_token_columns_": "user_columns",
        "user_token_idf_": "user_idf",
        "user_bin_edges_": "user_edges",
        "context_token_vectors_": "context_tokens",
        "context_token_columns_": "context_columns",
        "context_token_idf_": "context_idf",
        "context_bin_edges_": "context_edges",
    }
    facts: ClassVar = (
        *DeepRetriever.facts,
        "user_attributes_",
        "user_dimensions_",
        "context_",
        "context_numbers_",
    )

    user_token_vectors_: NDArray[np.float32]
    user_token_columns_: NDArray[np.int64]
    user_token_idf_: NDArray[np.float32]
    user_bin_edges_: NDArray[np.float64]
    user_attributes_: list[str] | None
    user_dimensions_: int
    context_token_vectors_: NDArray[np.float32]
    context_token_columns_: NDArray[np.int64]
    context_token_idf_: NDArray[np.float32]
    context_bin_edges_: NDArray[np.float64]
    context_: list[str]
    context_numbers_: list[str]

    @override
    def _learn(self, dataset: Dataset) -> NDArray[np.float32]:
        config, n_items = self.config, len(dataset.items)
        self._check_names(dataset)
        kinds = max(len(dataset.log.kinds), 1)
        weights = EventWeights.of(self.event_weighting, dataset.log)(dataset.histories)
        events = dataset.history_rows[weights > 0]
        histories, weights = known_events(dataset.histories, weights, n_items)
        self._check_events(len(histories.item))
        from shortlist.retrieve.deep.train_towers import TowerData, train_towers

        items, users = dataset.items.attributes, dataset.users.attributes
        tokens = AttributeTokens.of(items, n_items, config.attributes)
        of_users = AttributeTokens.of(users, len(dataset.users), config.user_attributes)
        context = ContextTokens.of(dataset.log.context, events, config.context)
        matrix = tokens.matrix(items, np.arange(n_items))
        taken, item = np.unique(histories.item, return_inverse=True)
        histories = replace(histories, item=item.astype(np.int32))
        contexts = int(len(context) > 0)
        shape = TowerShape(config.width, config.hidden, config.pools, config.history, kinds, contexts)
        user_tokens = of_users.matrix(users, np.arange(len(dataset.users)))
        context_tokens = context.matrix(dataset.log.context, events)
        kind = known_kinds(histories, kinds)
        data = TowerData(histories, kind, weights, matrix[taken], user_tokens, context_tokens)
        trained = train_towers(config, shape, data, self._report)
        self.network_, self.token_vectors_, self.curves_ = trained.network, trained.token, trained.curves
        self.architecture_ = asdict(shape)
        self._keep_tokens(tokens)
        self.user_token_vectors_, self.user_token_columns_ = trained.user_token, of_users.columns
        self.user_token_idf_, self.user_bin_edges_ = of_users.idf, of_users.edges
        self.user_attributes_, self.user_dimensions_ = config.user_attributes, of_users.dimensions
        self.context_token_vectors_, self.context_token_columns_ = trained.context_token, context.columns
        self.context_token_idf_, self.context_bin_edges_ = context.idf, context.edges
        self.context_, self.context_numbers_ = context.names, context.numbers
        sums = self._described(matrix)
        sums[taken] += trained.own
        return item_vectors(shape.split(self.network_), sums)

    def _check_names(self, dataset: Dataset) -> None:
        config, users = self.config, dataset.users.attributes
        check_chosen(
            "two_tower.attributes", config.attributes, "items have no attribute", dataset.items.attributes
        )
        check_chosen("two_tower.user_attributes", config.user_attributes, "users have no attribute", users)
        check_chosen("two_tower.context", config.context, "the log has no context", dataset.log.context)

    @override
    def _expected(self, shape: TowerShape) -> Expected:
        tokens, contexts = len(self.user_token_columns_), len(self.context_token_columns_)
        check_sizes({"user_dimensions_": self.user_dimensions_}, 0)
        check_names(user_attributes_=self.user_attributes_ or [])
        if shape.contexts != int(contexts > 0):
            raise ValueError("contexts does not fit the tokens of contexts")
        self._of_contexts.check()
        return {
            **super()._expected(shape),
            "user_token_vectors_": (np.float32, (tokens + self.user_dimensions_, shape.width)),
            "user_token_columns_": (np.int64, (tokens,)),
            "user_token_idf_": (np.float32, (tokens,)),
            "user_bin_edges_": (np.float64, (len(self.user_bin_edges_), BINS - 1)),
            "context_token_vectors_": (np.float32, (contexts, shape.width)),
            "context_token_columns_": (np.int64, (contexts,)),
            "context_token_idf_": (np.float32, (contexts,)),
            "context_bin_edges_": (np.float64, (len(self.context_numbers_), BINS - 1)),
        }

    @property
    def _of_contexts(self) -> ContextTokens:
        arrays = self.context_bin_edges_, self.context_token_columns_, self.context_token_idf_
        return ContextTokens(self.context_, self.context_numbers_, *arrays)

    @override
    def _item_vectors(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        return item_vectors(self._ready.weights[0], sums)

    @override
    def _state(self, requests: Requests, ready: Ready[TowerShape]) -> NDArray[np.float32]:
        shape, weights, vectors = ready.shape, ready.weights[0], ready.vectors
        histories, weight = known_events(requests.histories, requests.weights, len(vectors), shape.history)
        arrays = self.user_bin_edges_, self.user_token_columns_, self.user_token_idf_
        tokens = AttributeTokens(self.user_attributes_, *arrays, self.user_dimensions_)
        matrix = tokens.matrix(requests.attributes, np.arange(len(requests)))
        visits = VisitInputs(
            histories.indptr,
            histories.steps_back,
            known_kinds(histories, shape.kinds),
            weight,
            gaps_before(histories, requests.moments),
            hours_of(requests.moments),
        )
        attributes = np.asarray(matrix @ self.user_token_vectors_, np.float32)
        known = (np.diff(histories.indptr) > 0) | (np.diff(matrix.indptr) > 0)
        if shape.contexts:
            context = self._of_contexts.matrix(requests.context, np.arange(len(requests)))
            attributes = np.hstack([attributes, context @ self.context_token_vectors_], dtype=np.float32)
            known |= np.diff(context.indptr) > 0
        read = vectors.rows(histories.item)
        states = user_vectors(weights, read, attributes, visits, moment=self.config.moment)
        return np.asarray(states * (known / self.config.temperature)[:, None], np.float32)

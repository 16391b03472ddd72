"""Transformer: the next item of a history, by a causal transformer."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shortlist.data.dataset import Dataset
from shortlist.retrieve.deep.architecture import Architecture
from shortlist.retrieve.deep.attribute_tokens import AttributeTokens, check_chosen
from shortlist.retrieve.deep.encode import encode
from shortlist.retrieve.deep.inputs import event_inputs, usual_values
from shortlist.retrieve.deep.ready import Ready
from shortlist.retrieve.deep.retriever import DeepRetriever, Expected
from shortlist.retrieve.deep.settings import TransformerConfig
from shortlist.retrieve.embeddings import unit_or_zero
from shortlist.retrieve.event_weighting import EventWeights
from shortlist.retrieve.requests import Requests


class Transformer(DeepRetriever[Architecture]):
    """Predict the next item from the order of a history, by a causal transformer (SASRec with newer blocks).

    Each event is the vector of its item plus what is known of it: the time since the event before, its kind and its value.
    Blocks of causal attention and SwiGLU, on gated residuals, turn the events into states; the state after the last event,
    times the vector of an item, is the score of that item. Training predicts each event from those before it, by
    cross-entropy against the whole catalogue or, on large catalogues, against sampled items with logQ correction.

    An item vector is one of the item's own plus a weighted sum of vectors of its attributes (words, categories, deciles
    of numbers), divided by its length: popular items cannot win by long vectors, and training needs fewer passes. A new item has the second part only; training hides the first part of some items in each step, so that
    the second learns to stand alone.

    With `members`, several networks that differ by their seeds are trained, and their scores averaged: what one has learned by chance,
    the others have not.

    Where demand moves, what is popular now is taken more often than a whole log says. The popularity of the last day, week and month
    is therefore added to the scores (`trend`), as far as the events of the last days are ranked better by it.

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
        float32 or int8 (items, members · d), see `vectors`; those of each network of length 1: 0 for an item of which nothing is known; it
        is not proposed.
    item_steps_
        float32 (items,): the step by which int8 vectors are multiplied; empty for float32.
    network_
        float32: the weights of the network, one after the other; of several networks one after the other.
    architecture_ : dict
        The shape of the network.
    token_vectors_
        float32 (T, members · d): the vector of each token of item attributes.
    token_columns_, token_idf_, bin_edges_
        Which tokens these are; see `AttributeTokens`.
    usual_values_
        float32 (kinds,): the median value of the events of each kind.
    curves_ : list of dict
        For each epoch the training loss, and NDCG@10 and hit rate of the held-out events; of several networks one after the other.
    trend_ : LearnedTrend or None
        What is added to the scores because it is popular now.
    index_ : Index or None
        Beyond `exact_items`.

    References
    ----------
    Kang & McAuley 2018, "Self-attentive sequential recommendation" (SASRec).
    Klenitskiy & Vasilev 2023, "Turning dross into gold loss: is BERT4Rec really better than SASRec?".
    Borisyuk et al. 2024, "LiGR: large scale ranking at LinkedIn".

    Examples
    --------
    >>> Transformer(history=100, width=128)
    Transformer(history=100, width=128)
    """

    Config = TransformerConfig
    config: TransformerConfig
    name = "transformer"
    layout = Architecture
    arrays: ClassVar = {**DeepRetriever.arrays, "usual_values_": "values"}

    usual_values_: NDArray[np.float32]

    @override
    def _learn(self, dataset: Dataset) -> NDArray[np.float32]:
        config, n_items = self.config, len(dataset.items)
        known = dataset.items.attributes
        check_chosen("transformer.attributes", config.attributes, "items have no attribute", known)
        kinds = max(len(dataset.log.kinds), 1)
        usual = usual_values(dataset.histories, kinds)
        weights = EventWeights.of(self.event_weighting, dataset.log)(dataset.histories)
        events = event_inputs(dataset.histories, weights, usual, n_items)
        self._check_events(len(events.item))
        from shortlist.retrieve.deep.train import train

        tokens = AttributeTokens.of(dataset.items.attributes, n_items, config.attributes)
        shape = Architecture(config.width, config.blocks, config.heads, config.history, kinds)
        matrix = tokens.matrix(dataset.items.attributes, np.arange(n_items))
        taken, item = np.unique(events.item, return_inverse=True)
        events = replace(events, item=item.astype(np.int32))
        trained = []
        for member in range(config.members):
            own = config.model_copy(update={"seed": config.seed + member})
            if config.members > 1:
                self._report(f"network {member + 1} of {config.members}", 0.0)
            trained.append(train(own, shape, matrix[taken], events, self._report))
        self.network_ = np.concatenate([one.network for one in trained])
        self.token_vectors_ = np.hstack([one.token for one in trained])
        self.curves_ = [epoch for one in trained for epoch in one.curves]
        self._keep_tokens(tokens)
        self.usual_values_, self.architecture_ = usual, asdict(shape)
        sums = self._described(matrix)
        sums[taken] += np.hstack([one.own for one in trained])
        return self._item_vectors(sums)

    @override
    def _expected(self, shape: Architecture) -> Expected:
        return {**super()._expected(shape), "usual_values_": (np.float32, (shape.kinds,))}

    @override
    def _item_vectors(self, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each network one of length 1, side by side."""
        return unit_or_zero(sums.reshape(-1, self.architecture_["width"])).reshape(sums.shape)

    @override
    def _members(self, shape: Architecture) -> int:
        return max(1, self.item_vectors_.size // max(self.n_items_ * shape.width, 1))

    @override
    def _state(self, requests: Requests, ready: Ready[Architecture]) -> NDArray[np.float32]:
        shape, vectors = ready.shape, ready.vectors
        inputs = event_inputs(
            requests.histories, requests.weights, self.usual_values_, len(vectors), shape.history
        )
        read, d = vectors.rows(inputs.item), shape.width
        states = [
            encode(weights, shape, read[:, n * d : (n + 1) * d], inputs)
            for n, weights in enumerate(ready.weights)
        ]
        return states[0] if len(states) == 1 else np.hstack(states) / np.float32(len(states))

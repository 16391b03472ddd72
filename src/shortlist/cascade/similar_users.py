"""Users who are similar to one: those of the log who took similar items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.cascade.inspect import encode_requests
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.requests import RecommendRequest, check_n

SHARED = 3
"""Items in common that are named."""


@dataclass(frozen=True, slots=True)
class SimilarUser:
    """A user who took similar items.

    Attributes
    ----------
    user : int or str
        The user's id.
    score : float
        Cosine of the two histories, from 0 to 1.
    shared : list
        Ids of the items in common that contribute most, at most three.
    """

    user: Any
    score: float
    shared: list[Any]


def similar_users(model: Model, state: LiveState, request: RecommendRequest, n: int) -> list[SimilarUser]:
    """Return the users of the log most similar to the history of a request, best first; empty for an empty history.

    Users who were erased, and the user of the request, are left out. Raises `RequestError`.
    """
    check_n(n)
    requests = encode_requests(model, state, [request])
    items, users = model.dataset.items.ids, model.dataset.users.ids
    similarity = model.user_similarity
    own = similarity.vector(requests.histories.item, requests.weights)
    hidden = [request.user, *state.erased] if request.user is not None else list(state.erased)
    codes = users.codes(hidden) if hidden else np.empty(0, np.int32)
    found, scores = similarity.nearest(own, n, codes[codes >= 0])
    return [
        SimilarUser(users.id(code), score, items.ids(similarity.shared(own, code, SHARED)))
        for code, score in zip(found.tolist(), scores.tolist(), strict=True)
    ]

"""Requests and interaction matrices for tests of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from shortlist.data.attributes import Attribute
from shortlist.data.histories import Histories
from shortlist.retrieve import Requests


def make_requests(
    *histories: list[int], attributes: dict[str, Attribute] | None = None, **filters: Any
) -> Requests:
    """Make one request for each history, a list of item codes; every event has weight 1."""
    indptr = np.concatenate([[0], np.cumsum([len(h) for h in histories])]).astype(np.int64)
    item = np.array([i for h in histories for i in h], np.int32)
    h = Histories(
        indptr, item, np.arange(len(item)), np.zeros(len(item), np.int16), np.zeros(len(item), np.float32)
    )
    return Requests(
        h,
        np.ones(len(item), np.float32),
        np.zeros(len(histories), np.int64),
        attributes=attributes or {},
        **filters,
    )


def random_interactions(seed: int, users: int = 40, items: int = 25, density: float = 0.2) -> sp.csr_matrix:
    """Return a random binary matrix of users × items in which every user has item 0."""
    rng = np.random.default_rng(seed)
    X = (rng.random((users, items)) < density).astype(np.float32)
    X[:, 0] = 1
    return sp.csr_matrix(X)

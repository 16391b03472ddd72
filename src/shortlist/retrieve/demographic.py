"""Demographic: items that users of the same attributes take; for users without a history."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError, TrainingWarning, suggestion
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import interactions
from shortlist.retrieve.item_vectors import AttributeVectorizer, bin_edges, cosines_to
from shortlist.retrieve.requests import Requests


class DemographicConfig(Settings):
    """Settings of `Demographic`."""

    attributes: list[str] | None = None
    """User attributes to use. None: all."""
    bits: int = Field(12, ge=8, le=20)
    """Logarithm of the width of the hashed vectors, from 8 to 20: the width is 2^bits."""
    factors: int = Field(64, ge=1, le=512)
    """Number of factors, from 1 to 512."""
    ridge: float = Field(10.0, gt=0)
    """Regularisation of the map from attributes to factors, above 0: users that the map of one value is worth beforehand."""


class Demographic(Retriever):
    """Recommend what users of the same attributes take: the source for users without a history.

    Each user is a vector of attribute values (`age_band=25-34`, `country=DE`; numbers and dates in ten bins; embeddings are not read),
    hashed to a fixed width. A ridge regression maps these vectors and a constant to the users' ALS factors:

        minimise  Σ_u ‖x_u − (z_u M + b)‖² + ridge · ‖M‖²,    score(u, i) = (z_u M + b) · y_i

    where x_u and y_i are the ALS factors of user and item. The constant b is the factor of the average user, so a user of whom
    nothing is known gets what is generally taken, and each known value moves the scores towards what its users take.

    It reads attributes only, those that a request sends included, and never a history: a user has the same scores before and
    after the first event. Use it beside sources that read histories; with a ranker, which sees how much history there is, it
    adds users who are new and takes nothing from the others. Users whose attributes are all unknown get no candidates
    (`popular` is for them).

    Cost: that of ALS, plus O(users · values² ) for the map; memory items · factors. A request scores the whole catalogue.

    Parameters
    ----------
    config : DemographicConfig
        See there for the settings.

    Attributes
    ----------
    factors_
        float32 (items, d): the ALS factors of the items; 0 for an item without events.
    map_
        float32 (2^bits + 1, d): M, and b in the last row.
    bin_edges_
        float64 (number and time attributes, 9): where their bins meet.
    taken_
        float32 (items,): summed weight of the events of each item; an item without events is not proposed.

    Raises
    ------
    ProjectError
        From `fit`, where users have no attribute of a name.

    References
    ----------
    Gantner et al. 2010, "Learning attribute-to-feature mappings for cold-start recommendations".

    Examples
    --------
    >>> Demographic(attributes=["age_band", "country"])
    Demographic(attributes=['age_band', 'country'])
    """

    Config = DemographicConfig
    config: DemographicConfig
    name = "demographic"
    arrays: ClassVar = {"factors_": "items", "map_": "map", "bin_edges_": "edges", "taken_": "counts"}

    factors_: NDArray[np.float32]
    map_: NDArray[np.float32]
    bin_edges_: NDArray[np.float64]
    taken_: NDArray[np.float32]

    def _fit(self, dataset: Dataset) -> None:
        attributes = dataset.users.attributes
        named = self.config.attributes
        unknown = [name for name in named or () if name not in attributes]
        if unknown:
            there = ", ".join(attributes) or "none"
            raise ProjectError(
                f"demographic: users have no attribute {unknown[0]!r}{suggestion(unknown[0], attributes)}; there are: {there}",
                field="attributes",
            )
        if not attributes:
            message = "demographic: users have no attributes, so this source proposes nothing; name a table of users in data.users"
            warnings.warn(message, TrainingWarning, stacklevel=2)
        X = interactions(dataset, self.event_weighting)
        self.taken_ = np.asarray(X.sum(0), np.float32).ravel()
        self.bin_edges_ = bin_edges(attributes, named)
        active = np.flatnonzero(np.diff(X.indptr) > 0)
        als = ALS(factors=max(1, min(self.config.factors, len(active), X.shape[1]))).fit_matrix(X)
        self.factors_ = als.item_factors_
        targets = als.fold_in(
            Requests.of_users(dataset, active, np.zeros(len(active), np.int64), self.event_weighting)
        )
        Z = self._vectorizer().counts(attributes, active)
        used = np.flatnonzero(np.bincount(Z.indices, minlength=Z.shape[1]))
        dense = np.hstack([Z[:, used].toarray(), np.ones((len(active), 1), np.float32)]).astype(np.float64)
        A = dense.T @ dense
        A[np.diag_indices(len(used))] += self.config.ridge  # the constant is not regularised
        A[-1, -1] += 1e-6
        solved = np.linalg.solve(A, dense.T @ targets)
        self.map_ = np.zeros((Z.shape[1] + 1, self.factors_.shape[1]), np.float32)
        self.map_[np.append(used, -1)] = solved

    def _vectorizer(self) -> AttributeVectorizer:
        return AttributeVectorizer(self.config.attributes, self.config.bits, self.bin_edges_)

    @override
    def score(self, requests: Requests) -> NDArray[np.float32]:
        scores = np.full((len(requests), self.n_items_), -np.inf, np.float32)
        Z = self._vectorizer().counts(requests.attributes, np.arange(len(requests)))
        known = np.flatnonzero(np.diff(Z.indptr) > 0)
        if len(known):
            factors = Z[known] @ self.map_[:-1] + self.map_[-1]
            scores[known] = factors @ self.factors_.T
            scores[:, self.taken_ == 0] = -np.inf
        return scores

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        if not 0 <= item < self.n_items_:
            return None
        return cosines_to(self.factors_, item)

    @override
    def _saved_items(self, meta: object) -> int:
        return len(self.factors_)

"""Users who took similar items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.retrieve.event_weighting import EventWeighting, interactions
from shortlist.retrieve.item_vectors import normalised
from shortlist.retrieve.kernels.select import top_k_rows


@dataclass(frozen=True, repr=False)
class UserSimilarity:
    """Cosine similarity of histories, in which an item counts more the fewer users took it.

    A history is a vector over the catalogue: the weight of its events of an item, times log(users / users who took the item)
    (inverse document frequency: two users who both took a bestseller have little in common). The similarity of two users is
    the cosine of their vectors, from 0 to 1.

    Cost: memory the distinct (user, item) pairs of the log; a request multiplies one vector with all of them, O(pairs).

    Attributes
    ----------
    vectors
        float32 (users, items), sparse: rows of length 1, or 0 for a user without events.
    idf
        float32 (items,): how much an item counts.

    References
    ----------
    Sarwar et al. 2000, "Analysis of recommendation algorithms for e-commerce" (user neighbourhoods).
    Breese, Heckerman & Kadie 1998, "Empirical analysis of predictive algorithms for collaborative filtering" (inverse user
    frequency).
    """

    vectors: sp.csr_matrix
    idf: NDArray[np.float32]

    @classmethod
    def of(cls, dataset: Dataset, weighting: EventWeighting) -> UserSimilarity:
        """Make the vectors of all users of a data set."""
        X = interactions(dataset, weighting)
        taken = np.bincount(X.indices[X.data > 0], minlength=X.shape[1])
        # one more user than there are: an item that everybody took still counts a little
        idf = np.log((1 + X.shape[0]) / np.maximum(taken, 1)).astype(np.float32)
        return cls(normalised(X, idf), idf)

    def vector(self, items: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the vector of a history, float32 (items,) of length 1; items added since training have no part in it."""
        own = np.zeros(len(self.idf), np.float32)
        known = items < len(own)
        np.add.at(own, items[known], weights[known])
        own *= self.idf
        return own / np.float32(max(float(np.linalg.norm(own)), 1e-12))

    def nearest(
        self, own: NDArray[np.float32], n: int, without: NDArray[np.integer]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the n users most similar to a vector, best first: codes and similarities above 0.

        Parameters
        ----------
        own
            float32 (items,), see `vector`.
        n
            Number of users.
        without
            Codes of users who are left out.
        """
        scores = np.asarray(self.vectors @ own, np.float32)
        scores[without] = 0
        scores[scores <= 0] = -np.inf
        users, found = top_k_rows(scores[None, :], n)
        kept = users[0] >= 0
        return users[0][kept], found[0][kept]

    def shared(self, own: NDArray[np.float32], user: int, n: int) -> NDArray[np.int32]:
        """Return the items that contribute most to the similarity to a user of the log, at most n, best first."""
        row = self.vectors.indptr[user : user + 2]
        items = self.vectors.indices[row[0] : row[1]]
        parts = self.vectors.data[row[0] : row[1]] * own[items]
        order = np.argsort(-parts, kind="stable")[:n]
        return np.asarray(items[order][parts[order] > 0], np.int32)

    def __repr__(self) -> str:
        return f"UserSimilarity({self.vectors.shape[0]:,} users)"

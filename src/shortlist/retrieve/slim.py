"""SLIM: each item predicted from the others by a ridge regression."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from shortlist.retrieve.item_item import ItemItemConfig, MatrixItemItem
from shortlist.retrieve.kernels.cooccurrence import csr_arrays, nearest, sparse_rows
from shortlist.retrieve.kernels.parallel import run_rows
from shortlist.retrieve.kernels.slim_solve import Known, mirror_rows, solve_support_rows

MAX_ADDITIONS = 1_000_000
"""The most additions, on average, that building the equations of one item may take; a millisecond or two."""


class SLIMConfig(ItemItemConfig):
    """Settings of `SLIM`."""

    regularisation: float = Field(8.0, gt=0)
    """λ, above 0, in units of one event of a user with one event, for an item with one event."""
    spread: float = Field(0.15, ge=0, le=1)
    """Exponent by which users with long histories count less, from 0 to 1."""
    power: float = Field(0.3, ge=0, le=1)
    """Exponent by which popular items count less, from 0 to 1; regularisation grows with count^(2·power)."""
    lift: float = Field(0.3, ge=0, le=1)
    """Exponent by which the scores of popular items are scaled up again, from 0 to 1."""
    support: int = Field(256, ge=1, le=4096)
    """Number of items that each regression may use (local), from 1 to 4096."""
    exact_items: int = Field(6_000, ge=0)
    """The largest catalogue that is solved exactly; 12,000 items take about 2 GB and half a minute."""
    k: int = Field(512, ge=1)
    """Number of weights kept in each regression (exact), 1 or more."""


class SLIM(MatrixItemItem):
    """Item-item regression: each item is predicted from all others.

        w_j = argmin ‖x_j − X w‖² + λ‖w‖²,    w_jj = 0

    Unlike `Neighbours`, it accounts for correlation: two neighbours that carry the same information are counted once. X is first
    scaled, user u by (history size)^−spread and item i by count^−power, and the result is scaled back by count^lift,
    which turns one λ into a regularisation that suits rare and popular items alike.

    There are two solvers:

    - **exact** (up to `exact_items` items): the closed form over the whole catalogue, B = I − P·diag(1/P),
      P = (XᵀX + λI)⁻¹, known as EASE. O(items³) time, three items² matrices.
    - **local** (beyond): the regression of each item over its `support` nearest items, solved by conjugate gradients. With
      the support as large as the catalogue the two agree. O(items · support²) time and items · support memory: 100,000
      items need some hundred megabytes, not the 40 GB of their dense matrix.

    Do not use it on data where most items have one or two events.

    Parameters
    ----------
    config : SLIMConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        W, float32 (items, items), sparse; column j is the regression of item j.

    References
    ----------
    Ning & Karypis 2011, "SLIM: sparse linear methods for top-N recommender systems".
    Steck 2019, "Embarrassingly shallow autoencoders for sparse data".
    Steck 2019, "Markov random fields for collaborative filtering".

    Examples
    --------
    >>> SLIM(regularisation=20)
    SLIM(regularisation=20.0)
    """

    Config = SLIMConfig
    config: SLIMConfig
    name = "slim"

    def fit_matrix(self, X: sp.csr_matrix, support: NDArray[np.int32] | None = None) -> Self:
        """Learn from a (users, items) matrix of weights, and from the supports of its items where they are known."""
        self._fit_matrix(X, support)
        return self._finish(X.shape[1])

    def _fit_matrix(self, X: sp.csr_matrix, support: NDArray[np.int32] | None = None) -> None:
        config = self.config
        R, counts = scaled(X, config.spread, config.power)
        lift = counts**config.lift
        if X.shape[1] <= config.exact_items:
            self.weights_ = self._exact(gram_of(R), counts)
        else:
            support = self.support(X) if support is None else support[:, : config.support]
            self.weights_ = self._local(R, counts, lift, support)

    def of_gram(self, gram: NDArray[np.float32], counts: NDArray[np.float64]) -> Self:
        """Learn from XᵀX that was summed elsewhere, where the catalogue is solved exactly.

        Parameters
        ----------
        gram
            float32 (items, items), in Fortran's order: XᵀX of the matrix whose users are scaled by `spread`. It is overwritten.
        counts
            float64 (items,): the sums of the columns of X before scaling.
        """
        counts = np.maximum(counts, 1.0)
        scale = (counts**-self.config.power).astype(np.float32)
        gram *= scale
        gram *= scale[:, None]
        return self.of_weights(self._exact(gram, counts))

    def _exact(self, gram: NDArray[np.float32], counts: NDArray[np.float64]) -> sp.csr_matrix:
        """Return W from the Gram matrix of the scaled X."""
        config = self.config
        B = closed_form(gram, config.regularisation)
        B *= (counts**-config.power)[:, None].astype(np.float32)
        B *= (counts**config.lift).astype(np.float32)
        return strongest_of_columns(B, config.k)

    def support(self, X: sp.csr_matrix) -> NDArray[np.int32]:
        """Return the items that the regression of each item may use, int32 (items, width), nearest first, −1 for none.

        They depend on `spread`, `power` and `repeats`; a narrower support is the beginning of a wider one.
        """
        config, n = self.config, X.shape[1]
        R, counts = scaled(X, config.spread, config.power)
        # the nearest items by co-occurrence, rare items first: they say more about j than popular ones
        return nearest(R, np.ones(n), counts ** (0.75 - config.power), 0.0, min(config.support, n))[0]

    def _local(
        self,
        R: sp.csr_matrix,
        counts: NDArray[np.float64],
        lift: NDArray[np.float64],
        support: NDArray[np.int32],
    ) -> sp.csr_matrix:
        """Return the matrix whose column j is the regression of item j over its support."""
        W = regressions(R, R, support, self.config.regularisation)
        W = sp.diags_array(counts**-self.config.power) @ W @ sp.diags_array(lift)
        return sp.csr_matrix(W, dtype=np.float32)


def regressions(
    inputs: sp.csr_matrix,
    targets: sp.csr_matrix,
    support: NDArray[np.int32],
    regularisation: float,
    known: Known | None = None,
) -> sp.csr_matrix:
    """Return the ridge regression of each item over its support, sparse (items, items): column j is that of item j.

    Parameters
    ----------
    inputs, targets
        Sparse float32 (rows, items): what is read, and what is predicted of each item. They can be the same.
    support
        int32 (items, width): the items that each regression may use, nearest first, −1 for none. It is cut to what is affordable.
    regularisation
        λ.
    known
        A model whose residual they learn (default: they learn all of the targets).
    """
    n, T = inputs.shape[1], inputs.T.tocsr()
    width = affordable_support(support, np.diff(T.indptr), inputs.shape[0])
    support = np.ascontiguousarray(support[:, :width])
    values = np.zeros(support.shape, np.float32)
    given = csr_arrays(T)
    wanted = given if targets is inputs else csr_arrays(targets.T.tocsr())
    ridge = np.float32(regularisation)
    if known is None:
        none = np.zeros((n, 0), np.float32)
        known = csr_arrays(sp.csr_matrix((n, n), dtype=np.float32)), none, none, np.ones(n, np.float32)
    run_rows(n, solve_support_rows, given, wanted, inputs.shape[0], support, ridge, known, values)
    return sparse_rows(support, values, n).T.tocsr()


def affordable_support(support: NDArray[np.int32], users: NDArray[np.integer], n_users: int) -> int:
    """Return how many items a support may have for the equations of an item to take about `MAX_ADDITIONS` additions.

    The whole width on sparse data, less where items have many thousand users each.

    Parameters
    ----------
    support
        int32 (items, width), −1 for none.
    users
        int (items,): the number of users who took each item.
    n_users
        Number of all users.
    """
    entries = np.where(support >= 0, users[np.maximum(support, 0)], 0).sum(1, dtype=np.float64)
    additions = np.mean(entries**2) / (2 * max(n_users, 1))  # if users are spread evenly
    width = int(support.shape[1])
    return (
        width
        if additions <= MAX_ADDITIONS
        else max(min(32, width), int(width * np.sqrt(MAX_ADDITIONS / additions)))
    )


def scaled(X: sp.csr_matrix, spread: float, power: float) -> tuple[sp.csr_matrix, NDArray[np.float64]]:
    """Return X with user u scaled by size^−spread and item i by count^−power, and the items' counts (at least 1)."""
    sizes = np.maximum(np.asarray(X.sum(1), np.float64).ravel(), 1e-9)
    counts = np.maximum(np.asarray(X.sum(0), np.float64).ravel(), 1.0)
    R = sp.diags_array(sizes**-spread) @ X @ sp.diags_array(counts**-power)
    return sp.csr_matrix(R, dtype=np.float32), counts


def gram_of(R: sp.csr_matrix) -> NDArray[np.float32]:
    """Return RᵀR as a dense matrix, float32 (items, items), in Fortran's order."""
    n = R.shape[1]
    G = np.zeros((n, n), np.float32, order="F")
    block = max(1, int(2e7) // max(n, 1))
    for start in range(0, n, block):
        G[:, start : start + block] = (R.T @ R[:, start : start + block]).toarray()
    return G


def closed_form(G: NDArray[np.float32], regularisation: float) -> NDArray[np.float32]:
    """Return the EASE weights, float32 (items, items): column j is the ridge regression of item j on all others.

    G: the Gram matrix, float32 (items, items), which is overwritten.
    """
    n = len(G)
    G[np.diag_indices(n)] += regularisation
    factor, failed = scipy.linalg.lapack.spotrf(G, lower=True, overwrite_a=True, clean=False)
    assert not failed, "XᵀX + λI is positive definite"
    P, _ = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    run_rows(n, mirror_rows, P)
    P /= -np.diag(P).copy()
    P[np.diag_indices(n)] = 0
    return np.asarray(P, np.float32)


def strongest_of_columns(B: NDArray[np.float32], k: int) -> sp.csr_matrix:
    """Return the k entries of largest magnitude of each column."""
    n = len(B)
    if n > k:
        for start in range(0, n, 256):
            part = np.abs(B[:, start : start + 256])
            edge = np.partition(part, n - k, axis=0)[n - k]
            B[:, start : start + 256][part < edge] = 0
    return sp.csr_matrix(B, dtype=np.float32)

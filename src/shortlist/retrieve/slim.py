"""SLIM: each item predicted from the others by a ridge regression.

    w_j = argmin ‖x_j − X w‖² + λ‖w‖²,   w_jj = 0

which is item neighbours that know of each other: two neighbours that say the same are counted once (Ning & Karypis
2011, "SLIM: sparse linear methods for top-N recommender systems"). X is first scaled, person u by (history size)^−spread
and item i by count^−power, and the result is scaled back by count^+lift; that turns one λ into a regularisation that
fits rare and popular items alike (Steck 2019, "Markov random fields for collaborative filtering").

Two ways to the same answer:

- **exact** (up to `exact_items` items): the closed form over the whole catalogue, B = I − P·diag(1/P), P = (XᵀX + λI)⁻¹
  (EASE; Steck 2019, "Embarrassingly shallow autoencoders for sparse data"). O(items³) time, three items² matrices.
- **local** (beyond): each item's regression over its `support` nearest items only, solved by conjugate gradients. With
  the support as large as the catalogue the two agree. O(items · support²) time, and items · support memory: 100,000
  items need some hundred megabytes, not the 40 GB of their dense matrix.

The model keeps each item's `k` strongest weights. Not for data where most items have one or two events.
"""

from __future__ import annotations

from typing import Self

import numba
import numpy as np
import scipy.linalg
import scipy.sparse as sp
from pydantic import Field

from shortlist.data.dataset import Dataset
from shortlist.retrieve.item_item import ItemItem, ItemItemConfig
from shortlist.retrieve.kernels.cooccurrence import as_matrix, nearest, parts_of
from shortlist.retrieve.kernels.select import in_parts

MEETINGS = 1_000_000
"""The most additions, on average, that one item's equations may take to build; a millisecond or two."""


class SLIMConfig(ItemItemConfig):
    regularisation: float = Field(8.0, gt=0)
    """λ, in units of one event of a person with one event, for an item with one event."""
    spread: float = Field(0.15, ge=0, le=1)
    """Exponent by which people of long histories count less."""
    power: float = Field(0.3, ge=0, le=1)
    """Exponent by which popular items count less; regularisation grows with count^(2·power)."""
    lift: float = Field(0.3, ge=0, le=1)
    """Exponent by which popular items are scaled up again when recommended."""
    support: int = Field(256, ge=1, le=4096)
    """How many items each regression may use (local)."""
    exact_items: int = Field(6_000, ge=0)
    """The largest catalogue that is solved exactly; 12,000 items take about 2 GB and half a minute."""
    k: int = Field(512, ge=1)
    """How many weights of each item are kept (exact)."""


class SLIM(ItemItem):
    Config = SLIMConfig
    name = "slim"

    def fit(self, dataset: Dataset) -> Self:
        return self.fit_matrix(self.taken(dataset))

    def fit_matrix(self, X: sp.csr_matrix) -> Self:
        """From a (users, items) matrix of weights."""
        config = self.config
        R, counts = scaled(X, config.spread, config.power)
        lift = counts**config.lift
        if X.shape[1] <= config.exact_items:
            B = closed_form(R, config.regularisation)
            B *= (counts**-config.power)[:, None].astype(np.float32)
            B *= lift.astype(np.float32)
            self.weights = strongest(B, config.k)
        else:
            self.weights = self._local(R, counts, lift)
        return self

    def _local(self, R: sp.csr_matrix, counts: np.ndarray, lift: np.ndarray) -> sp.csr_matrix:
        """Column j of the result is the regression of item j."""
        config, n = self.config, R.shape[1]
        # the nearest by how much of their own popularity they share with j: rare items say more than popular ones
        support, _ = nearest(R, np.ones(n), counts ** (0.75 - config.power), 0.0, min(config.support, n))
        T = R.T.tocsr()
        support = np.ascontiguousarray(support[:, : affordable(support, np.diff(T.indptr), R.shape[0])])
        values = np.zeros(support.shape, np.float32)
        in_parts(
            n,
            _solve_rows,
            _solve_parallel,
            parts_of(T),
            R.shape[0],
            support,
            np.float32(config.regularisation),
            values,
        )
        W = as_matrix(support, values, n).T.tocsr()
        W = sp.diags_array(counts**-config.power) @ W @ sp.diags_array(lift)
        return sp.csr_matrix(W, dtype=np.float32)


def affordable(support: np.ndarray, taken: np.ndarray, n_users: int) -> int:
    """How wide the supports may be for an item's equations to take about `MEETINGS` additions: all of the width on sparse
    data, less where items have many thousand people each. taken int (items,): how many people took each item.
    """
    entries = np.where(support >= 0, taken[np.maximum(support, 0)], 0).sum(1, dtype=np.float64)
    meetings = np.mean(entries**2) / (2 * max(n_users, 1))  # if people were spread evenly
    width = support.shape[1]
    return width if meetings <= MEETINGS else max(min(32, width), int(width * np.sqrt(MEETINGS / meetings)))


def scaled(X: sp.csr_matrix, spread: float, power: float) -> tuple[sp.csr_matrix, np.ndarray]:
    """X with person u scaled by size^−spread and item i by count^−power, float32, and the items' counts (at least 1)."""
    sizes = np.maximum(np.asarray(X.sum(1), np.float64).ravel(), 1e-9)
    counts = np.maximum(np.asarray(X.sum(0), np.float64).ravel(), 1.0)
    R = sp.diags_array(sizes**-spread) @ X @ sp.diags_array(counts**-power)
    return sp.csr_matrix(R, dtype=np.float32), counts


def closed_form(R: sp.csr_matrix, regularisation: float) -> np.ndarray:
    """EASE, float32 (items, items): every column the ridge regression of that item on all others."""
    n = R.shape[1]
    G = np.zeros((n, n), np.float32, order="F")
    block = max(1, int(2e7) // max(n, 1))
    for start in range(0, n, block):
        G[:, start : start + block] = (R.T @ R[:, start : start + block]).toarray()
    G[np.diag_indices(n)] += regularisation
    factor, failed = scipy.linalg.lapack.spotrf(G, lower=True, overwrite_a=True, clean=False)
    assert not failed, "XᵀX + λI is positive definite"
    P, _ = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    P = _mirrored(P)
    P /= -np.diag(P).copy()
    P[np.diag_indices(n)] = 0
    return P


@numba.njit(cache=True, nogil=True, parallel=True)
def _mirrored(P):  # type: ignore[no-untyped-def]
    """The lower triangle copied over the upper one, as LAPACK leaves it out."""
    n = len(P)
    for i in numba.prange(n):
        for j in range(i + 1, n):
            P[i, j] = P[j, i]
    return P


def strongest(B: np.ndarray, k: int) -> sp.csr_matrix:
    """Each column's k entries of largest magnitude, the rest dropped."""
    n = len(B)
    if n > k:
        for start in range(0, n, 256):
            part = np.abs(B[:, start : start + 256])
            edge = np.partition(part, n - k, axis=0)[n - k]
            B[:, start : start + 256][part < edge] = 0
    return sp.csr_matrix(B, dtype=np.float32)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _solve_rows(low, high, T, n_users, support, ridge, values):  # type: ignore[no-untyped-def]
    """For each item: the normal equations over its support, built from the people who took any of it, then solved.

    The people's lists are chained: `head[person]` is their latest entry, `link` the one before. As an item of the
    support comes in, it meets all that its people already hold, and nothing of XᵀX is ever looked up.
    """
    width = support.shape[1]
    head = np.full(n_users, -1, np.int32)
    G, b = np.empty((width, width), np.float32), np.empty(width, np.float32)
    link, holder, weight = np.empty(1024, np.int32), np.empty(1024, np.int32), np.empty(1024, np.float32)
    for item in range(low, high):
        m = 0
        while m < width and support[item, m] >= 0:
            m += 1
        G[:m, :m] = 0
        b[:m] = 0
        total = 0
        for a in range(m):
            total += T[0][support[item, a] + 1] - T[0][support[item, a]]
        if total > len(link):
            link, holder, weight = (
                np.empty(2 * total, np.int32),
                np.empty(2 * total, np.int32),
                np.empty(2 * total, np.float32),
            )
        entry = 0
        for a in range(m):
            for at in range(T[0][support[item, a]], T[0][support[item, a] + 1]):
                person, w = T[1][at], T[2][at]
                before = head[person]
                while before >= 0:
                    G[a, holder[before]] += w * weight[before]
                    before = link[before]
                G[a, a] += w * w
                link[entry], holder[entry], weight[entry] = head[person], a, w
                head[person] = entry
                entry += 1
        for at in range(T[0][item], T[0][item + 1]):
            before = head[T[1][at]]
            while before >= 0:
                b[holder[before]] += T[2][at] * weight[before]
                before = link[before]
        for a in range(m):
            for at in range(T[0][support[item, a]], T[0][support[item, a] + 1]):
                head[T[1][at]] = -1
            G[a, a] += ridge
            for c in range(a):
                G[c, a] = G[a, c]
        _conjugate_gradients(G, b, m, values[item])


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _conjugate_gradients(G, b, m, x):  # type: ignore[no-untyped-def]
    """G[:m, :m] x = b[:m], preconditioned by the diagonal, as far as float32 reaches."""
    r, p, q = b[:m].copy(), np.empty(m, np.float32), np.empty(m, np.float32)
    rz = 0.0
    for i in range(m):
        x[i] = 0
        p[i] = r[i] / G[i, i]
        rz += r[i] * p[i]
    enough = rz * 1e-12
    for _ in range(100):
        if rz <= enough:
            break
        pq = 0.0
        for i in range(m):
            total = np.float32(0)
            for j in range(m):
                total += G[i, j] * p[j]
            q[i] = total
            pq += total * p[i]
        step = np.float32(rz / pq)
        before, rz = rz, 0.0
        for i in range(m):
            x[i] += step * p[i]
            r[i] -= step * q[i]
            rz += r[i] * r[i] / G[i, i]
        again = np.float32(rz / before)
        for i in range(m):
            p[i] = r[i] / G[i, i] + again * p[i]


@numba.njit(cache=True, nogil=True, parallel=True)
def _solve_parallel(cuts, T, n_users, support, ridge, values):  # type: ignore[no-untyped-def]
    for part in numba.prange(len(cuts) - 1):
        _solve_rows(cuts[part], cuts[part + 1], T, n_users, support, ridge, values)

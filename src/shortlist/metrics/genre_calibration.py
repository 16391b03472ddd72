"""Genre calibration: whether a slate follows the shares of a user's tastes.

A user who watched 70 % romance and 30 % action should not get ten romances, but an accurate ranker gives just that,
since romance is the better choice at every place. The metric compares the shares of genres on a slate with those of
the history (Steck 2018, "Calibrated recommendations").
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

BLEND = 0.01
"""Weight of the history's shares in the slate's (α in the paper): a missing genre costs much, but not infinitely much."""


def miscalibration(
    slates: NDArray[np.integer],
    indptr: NDArray[np.integer],
    taken: NDArray[np.integer],
    genres: sp.csr_matrix,
    k: int,
) -> NDArray[np.float64]:
    """Kullback–Leibler divergence of a slate's genre shares from the history's, in nats.

    0 if the shares agree. Does not measure quality within a genre, and rewards repeating old proportions.

    Formula (Steck 2018, eq. 6): Σ_g p(g) ln(p(g) ÷ q̃(g)) with q̃ = (1 − α) q + α p, p the history's shares, q the slate's.

    Parameters
    ----------
    slates : ndarray of int, shape (users, n)
        Item codes, −1 where a slate is shorter.
    indptr : ndarray of int, shape (users + 1,)
        The history of user b is `taken[indptr[b]:indptr[b + 1]]`.
    taken : ndarray of int
        Item codes.
    genres : csr_matrix, shape (items, genres)
        The genres of each item. An item counts 1, divided equally among its genres.
    k
        The number of places that count.

    Returns
    -------
    ndarray of float64, shape (users,)
        NaN without a history or slate.
    """
    share = sp.csr_matrix(genres, dtype=np.float64)
    total = np.asarray(share.sum(1)).ravel()
    share = sp.diags(1 / np.maximum(total, 1e-12)) @ share
    liked = _shares(np.repeat(np.arange(len(slates)), np.diff(indptr)), taken, share, len(slates))
    top = slates[:, :k]
    owner, _ = np.nonzero(top >= 0)
    shown = _shares(owner, top[top >= 0], share, len(slates))
    blended = (1 - BLEND) * shown + BLEND * liked
    terms = np.where(liked > 0, liked * np.log(np.maximum(liked, 1e-300) / np.maximum(blended, 1e-300)), 0.0)
    known = (liked.sum(1) > 0) & (shown.sum(1) > 0)
    return np.where(known, terms.sum(1), np.nan)


def _shares(
    owner: NDArray[np.integer], items: NDArray[np.integer], share: sp.csr_matrix, n: int
) -> NDArray[np.float64]:
    counts = sp.csr_matrix((np.ones(len(items)), (owner, items)), shape=(n, share.shape[0]))
    sums = np.asarray((counts @ share).todense())
    total = sums.sum(1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))

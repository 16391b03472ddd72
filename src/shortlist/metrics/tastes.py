"""Does a slate keep to what a person likes, in the proportions in which they like it?

Someone who watched 70 % romance and 30 % action should not get ten romances: an accurate ranker gives them just that,
because romance is the safer bet at every place. Steck (2018, "Calibrated recommendations") measures how far the shares of
genres on a slate are from those of the history.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

BLEND = 0.01
"""So much of the history's shares is mixed into the slate's, so that a missing genre costs much and not infinity."""


def miscalibration(
    slates: np.ndarray, indptr: np.ndarray, taken: np.ndarray, genres: sp.csr_matrix, k: int
) -> np.ndarray:
    """Kullback–Leibler divergence of a slate's genre shares from the history's, nats, float64 (users,): 0 where they
    agree. NaN without a history or slate. Hides quality within each genre, and rewards repeating old proportions for ever.

    genres (items, genres): an item's genres; each item counts 1, in equal parts. indptr, taken: histories, ragged.
    """
    share = sp.csr_matrix(genres, dtype=np.float64)
    total = np.asarray(share.sum(1)).ravel()
    share = sp.diags(1 / np.maximum(total, 1e-12)) @ share
    liked = _shares(np.repeat(np.arange(len(slates)), np.diff(indptr)), taken, share, len(slates))
    top = slates[:, :k]
    owner, _ = np.nonzero(top >= 0)
    shown = _shares(owner, top[top >= 0], share, len(slates))
    mixed = (1 - BLEND) * shown + BLEND * liked
    terms = np.where(liked > 0, liked * np.log(np.maximum(liked, 1e-300) / np.maximum(mixed, 1e-300)), 0.0)
    known = (liked.sum(1) > 0) & (shown.sum(1) > 0)
    return np.where(known, terms.sum(1), np.nan)


def _shares(owner: np.ndarray, items: np.ndarray, share: sp.csr_matrix, n: int) -> np.ndarray:
    counts = sp.csr_matrix((np.ones(len(items)), (owner, items)), shape=(n, share.shape[0]))
    sums = np.asarray((counts @ share).todense())
    total = sums.sum(1, keepdims=True)
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)

"""How good a ranking is for each person, from which of its places hit.

Every function takes `hits` bool (users, n), best place first (False where a list is shorter), `relevant` int (users,),
how many items were relevant to each person, and `k`; it gives float64 (users,). A person without anything relevant has
no value (NaN) rather than a zero: nothing could have been found. Formulas are those of ranx and TREC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shortlist.metrics.lists import gains, ragged


def member(items: np.ndarray, truth: list[np.ndarray]) -> np.ndarray:
    """Bool (B, K): which of each request's items came true."""
    indptr, wanted = ragged(truth)
    return gains(items, indptr, wanted) > 0


def recall(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of what was relevant that is among the first k. Hides where in the k it is."""
    return _over(hits[:, :k].sum(1), relevant)


def precision(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the first k that was relevant. Hides that people with few relevant items cannot reach 1."""
    return _defined(hits[:, :k].sum(1) / k, relevant)


def hit_rate(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where anything relevant is among the first k."""
    return _defined(hits[:, :k].any(1).astype(np.float64), relevant)


def mrr(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 / place of the first hit among the first k, 0 without one. Hides every hit after the first."""
    top = hits[:, :k]
    return _defined(np.where(top.any(1), 1.0 / (top.argmax(1) + 1), 0.0), relevant)


def average_precision(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Mean, over what was relevant, of the precision at each hit among the first k. Its mean over people is MAP@k."""
    row, place = np.nonzero(hits[:, :k])
    starts = np.searchsorted(row, np.arange(len(hits)))
    at = np.arange(len(row)) - starts[row] + 1  # hits come in order of place: this one is its person's at-th
    return _over(np.bincount(row, at / (place + 1), len(hits)), relevant)


def ndcg(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Σ hit / log₂(place + 1), over the same sum of the best possible list (Järvelin & Kekäläinen 2002)."""
    top = hits[:, :k]
    ideal = np.concatenate([[0.0], np.cumsum(discount(k))])[np.minimum(relevant, k)]
    return _over(top @ discount(top.shape[1]), ideal)


def graded_ndcg(
    gain: np.ndarray, indptr: np.ndarray, wanted: np.ndarray, k: int, exponential: bool = False
) -> np.ndarray:
    """NDCG where some hits are worth more than others: Σ gain / log₂(place + 1), over the best possible sum.

    gain float (users, n): what each place of a list brings (`lists.gains`); indptr int64 (users + 1,) and wanted float:
    each person's gains, ragged, also of what is not on the list. exponential: 2^gain − 1 instead (Burges et al. 2005),
    which makes the best grade count far more. Hides, like all of these, whether the grade was asked for by the ranking or
    by the person.
    """
    if exponential:
        gain, wanted = np.exp2(gain) - 1, np.exp2(wanted) - 1
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort([-wanted, owner])
    place = np.arange(len(owner)) - indptr[owner[order]]
    best = np.where(place < k, wanted[order] / np.log2(place + 2), 0.0)
    ideal = np.bincount(owner[order], best, len(indptr) - 1)
    top = gain[:, :k].astype(np.float64)
    return _over(top @ discount(top.shape[1]), ideal)


def discount(k: int) -> np.ndarray:
    """What a place counts in DCG, 1 / log₂(place + 1) for places from 1, float64 (k,)."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=np.asarray(below) > 0)


def _defined(values: ArrayLike, relevant: np.ndarray) -> np.ndarray:
    return np.where(np.asarray(relevant) > 0, values, np.nan)

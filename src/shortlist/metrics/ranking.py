"""How good a ranking is for each person, from which of its places hit.

Every function takes `hits` bool (users, n), best place first (False where a list is shorter), `relevant` int (users,),
how many items were relevant to each person, and `k`; it gives float64 (users,). A person without anything relevant has
no value (NaN) rather than a zero: nothing could have been found. Formulas are those of ranx and TREC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def member(items: np.ndarray, truth: list[np.ndarray]) -> np.ndarray:
    """bool (B, K): which of each request's items came true."""
    width = np.int64(max(items.max(initial=-1), max((t.max(initial=-1) for t in truth), default=-1))) + 1
    owner = np.repeat(np.arange(len(truth), dtype=np.int64), [len(t) for t in truth])
    wanted = owner * width + (np.concatenate(truth) if len(truth) else np.empty(0, np.int64))
    return np.isin(np.arange(len(items), dtype=np.int64)[:, None] * width + items, wanted) & (items >= 0)


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
    top = hits[:, :k]
    at = np.cumsum(top, 1) / np.arange(1, top.shape[1] + 1)
    return _over((at * top).sum(1), relevant)


def ndcg(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Σ hit / log₂(place + 1), over the same sum of the best possible list (Järvelin & Kekäläinen 2002)."""
    top = hits[:, :k]
    discount = 1.0 / np.log2(np.arange(2, max(k, top.shape[1]) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount[:k])])[np.minimum(relevant, k)]
    return _over((top * discount[: top.shape[1]]).sum(1), ideal)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=np.asarray(below) > 0)


def _defined(values: ArrayLike, relevant: np.ndarray) -> np.ndarray:
    return np.where(np.asarray(relevant) > 0, values, np.nan)

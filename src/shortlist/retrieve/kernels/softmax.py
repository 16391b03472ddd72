"""The softmax loss: the cross-entropy of each request's candidates, with the weights of a sample."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.retrieve.kernels.parallel import run_rows

LEAST_HESSIAN = 1e-6


class RequestSoftmax:
    """Gradients and loss of the softmax over the candidates of each request.

    The model of a request is that the next item is candidate j with probability p_j = w_j e^{m_j} / Σ_k w_k e^{m_k}, where m are the
    margins and w says how many candidates a row stands for: negatives are a sample, and the weights make the sum that of all candidates
    (sampled softmax). The loss of a request is −Σ_j y_j log(e^{m_j} / Σ_k w_k e^{m_k}) with labels y of sum 1, so that each request counts
    the same, as in the mean of NDCG, of which it is a bound. It compares candidates of one request only: what all of them share, such as
    how active the user is, need not be learnt. The margins define an order, and are calibrated afterwards.

    Cost: O(rows) a round.

    Parameters
    ----------
    request
        int64 (rows,): the request of each row; those of a request are adjacent.
    label, weight
        float64 (rows,): what followed, and how many candidates a row stands for.

    References
    ----------
    Bruch (2021). An alternative cross entropy loss for learning-to-rank. WWW.
    Jean, Cho, Memisevic & Bengio (2015). On using very large target vocabulary for neural machine translation. ACL.
    """

    def __init__(
        self, request: NDArray[np.int64], label: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> None:
        first = np.flatnonzero(np.diff(request, prepend=-1))
        owner = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(request))))
        label = np.where(label > 0, weight, 0.0)
        total = np.add.reduceat(label, first) if len(first) else np.zeros(0)
        self.requests = int((total > 0).sum())
        """Requests with a positive candidate; the others have no gradient."""
        self._first, self._owner = first, owner
        self._ends = np.append(first, len(request)).astype(np.int64)
        self._share = label / np.maximum(total, 1e-12)[owner]
        self._log_weight = np.log(np.maximum(weight, 1e-12))
        self._counted = total > 0

    def gradient(
        self, margins: NDArray[np.floating], _data: object = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return first and second derivative by the margins, float32 (rows,)."""
        first, second = np.zeros((2, len(self._share)), np.float32)
        score = margins.reshape(-1).astype(np.float64, copy=False)
        known = self._ends, self._counted, self._log_weight, self._share
        run_rows(len(self._first), _gradient_rows, score, known, first, second)
        return first, second

    def metric(self, margins: NDArray[np.floating], _data: object = None) -> tuple[str, float]:
        """Return the mean loss of the requests that have a positive candidate."""
        return "loss", float(self.losses(margins).sum() / max(self.requests, 1))

    def losses(self, margins: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of each row in the losses of the requests, float64 (rows,)."""
        return np.asarray(-self._share * (self._log_probability(margins) - self._log_weight))

    def _log_probability(self, margins: NDArray[np.floating]) -> NDArray[np.float64]:
        score = margins.reshape(-1).astype(np.float64) + self._log_weight
        highest = np.maximum.reduceat(score, self._first)[self._owner]
        total = np.add.reduceat(np.exp(score - highest), self._first)[self._owner]
        return np.asarray(score - highest - np.log(total))


@numba.njit(cache=True, nogil=True)
def _gradient_rows(
    low: int,
    high: int,
    margins: NDArray[np.float64],
    known: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
) -> None:
    """Write the derivatives of the requests low ≤ request < high that have a positive candidate."""
    ends, counted, log_weight, share = known
    for request in range(low, high):
        if not counted[request]:
            continue
        begin, end = ends[request], ends[request + 1]
        highest = -np.inf
        for at in range(begin, end):
            highest = max(highest, margins[at] + log_weight[at])
        p, total = np.empty(end - begin), 0.0
        for at in range(begin, end):
            p[at - begin] = np.exp(margins[at] + log_weight[at] - highest)
            total += p[at - begin]
        for at in range(begin, end):
            chance = p[at - begin] / total
            first[at] = chance - share[at]
            second[at] = max(chance * (1 - chance), LEAST_HESSIAN)

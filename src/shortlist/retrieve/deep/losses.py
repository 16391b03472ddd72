"""The losses of next-item prediction. Only training imports it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def full_softmax(states: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the cross-entropies of targets against the whole catalogue.

    Parameters
    ----------
    states
        (N, d).
    vectors
        (items, d).
    targets
        int64 (N,).
    weights
        (N,).
    """
    losses = functional.cross_entropy((states @ vectors.T).float(), targets, reduction="none")
    return (losses * weights).sum()


def sampled_softmax(
    states: Tensor,
    own: Tensor,
    negatives: Tensor,
    log_expected: Tensor,
    same: Tensor,
    weights: Tensor,
    hard: Tensor | None = None,
) -> Tensor:
    """Return the weighted sum of the cross-entropies of targets against sampled items, corrected for how they were sampled.

    The softmax needs Σ exp(s) over the whole catalogue. It is estimated by the target, which counts once, and the
    negatives, each divided by how often it is expected in the sample (logQ correction): exp(s − log(K·q)). A negative that
    is the target itself is left out. The expectation of the estimate is the whole sum but for the target's second share.

    Parameters
    ----------
    states
        (N, d).
    own
        (N, d): the vectors of the targets.
    negatives
        (K, d): the vectors of the sampled items, the same for all targets.
    log_expected
        (K,): log(K·q), the logarithm of the expected number of each in the sample.
    same
        bool (N, K): whether a negative is the target, or otherwise not to be counted.
    weights
        (N,).
    hard
        (N, H): the scores of further negatives of each target, corrected already.

    References
    ----------
    Bengio & Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language model".
    Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item recommendations".
    """
    right = (states * own).sum(-1).float()
    wrong = (states @ negatives.T).float()
    wrong = wrong.sub_(log_expected).masked_fill_(
        same, float("-inf")
    )  # in place: this matrix is the largest of a step
    scores = torch.cat([right[:, None], wrong] if hard is None else [right[:, None], wrong, hard.float()], 1)
    first = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    return (functional.cross_entropy(scores, first, reduction="none") * weights).sum()

"""The position-based estimator: fixed slates, evaluated from every slot in which the log showed their items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator
from shortlist.evaluate.offpolicy.slates import SlateLog


def estimate_pbm(
    log: SlateLog,
    slates: NDArray[np.integer],
    examination: NDArray[np.float64],
    predicted_reward: NDArray[np.floating] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicyEstimate]:
    """Estimate the value of fixed slates under the position-based model.

    The model assumes that the reward of an item in slot k is (probability that slot k is examined) × (reward of the
    item once examined). Then the reward in any slot says what the item would bring in any other: an item of the target
    slate's slot j that the log showed in slot k counts with eⱼ / eₖ, divided by its propensity there. That uses K²
    matches of both slates where ``position`` uses K. The price is the examination curve, which must be right; see
    `shortlist.rank.propensity` for its estimate from a log.

    Parameters
    ----------
    log : SlateLog
        The logged slates.
    slates : ndarray of int, shape (n_slates, n_slots)
        The slates of the target policy; −1 for an empty slot.
    examination : ndarray of float, shape (n_slots,)
        The examination probability of each slot, relative to the first.
    predicted_reward : ndarray of float, shape (n_slates, n_slots), optional
        A model of the reward of the target slates' items once examined, fitted on other users. Enables ``pbm-dr``.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples.

    Returns
    -------
    dict of str to OffPolicyEstimate
        ``sn-pbm``, in which each slot of the target slate is divided by its own Σw, and ``pbm-dr``.

    References
    ----------
    .. [1] Li, S. et al. (2018). Offline evaluation of ranking policies with click models.
    """
    slots = log.reward.shape[1]
    e = np.asarray(examination, np.float64)[:slots]
    # matches[:, j, k]: slot j of the target slate holds the item of the logged slot k
    matches = (slates[:, :, None] == log.action[:, None, :]) / log.propensity[:, None, :] / slots
    share = matches.sum(2).mean(0)
    scale = np.divide(1.0, share, out=np.zeros(slots), where=share > 0)
    per_slot = np.einsum("njk,j,j,k->nk", matches, scale, e, 1 / e)
    used = np.einsum("njk,j->n", matches, e) / e.sum()
    ratio = RatioEstimator(used, log.reward.sum(1), log.cluster, resamples, seed)
    value = (per_slot * log.reward).sum(1)
    found = {"sn-pbm": ratio.estimate("sn-pbm", value)}
    if predicted_reward is not None:
        direct = predicted_reward @ e
        predicted = np.einsum("njk,j,j,nj->n", matches, scale, e, predicted_reward)
        found["pbm-dr"] = ratio.estimate("pbm-dr", direct + value - predicted)
    return found

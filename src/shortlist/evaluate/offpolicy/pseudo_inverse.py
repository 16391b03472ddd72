"""The pseudo-inverse estimator: slates with a single reward."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator
from shortlist.evaluate.offpolicy.slates import SlateLog

FloatArray = NDArray[np.float64]
MAX_ENUMERATED = 200_000
"""Up to this many slates are enumerated; beyond that they are sampled."""


def pseudo_inverse(
    log: SlateLog,
    group: NDArray[np.integer],
    gamma: FloatArray,
    marginals: FloatArray,
    resamples: int = 500,
    seed: int = 0,
) -> OffPolicyEstimate:
    """Estimate the value of a policy if the reward of a slate is a sum over slots, without the rewards of the slots.

    The weight of a slate s is 1ₛᵀ Γ⁺ q, with the marginals q of the target policy and the pairwise marginals Γ of the
    logging policy. Weights can be negative.

    Parameters
    ----------
    log : SlateLog
        The logged slates; only the sums of their rewards are used.
    group : ndarray of int, shape (n_slates,)
        Which logging policy made each slate.
    gamma : ndarray of float, shape (n_groups, n_slots · n_actions, n_slots · n_actions)
        `pairwise_marginals` of each logging policy.
    marginals : ndarray of float, shape (n_slates, n_slots, n_actions)
        The target policy's probability of each item in each slot.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples.

    References
    ----------
    .. [1] Swaminathan, A. et al. (2017). Off-policy evaluation for slate recommendation.
    """
    n, slots = log.action.shape
    actions = marginals.shape[2]
    weight = np.empty(n)
    for g in np.unique(group):
        rows = np.flatnonzero(group == g)
        inverse = np.linalg.pinv(gamma[g], rcond=1e-8, hermitian=True)
        projected = marginals[rows].reshape(len(rows), slots * actions) @ inverse
        cells = np.arange(slots) * actions + log.action[rows]
        weight[rows] = np.take_along_axis(projected, cells, axis=1).sum(1)
    reward = log.reward.sum(1)
    # weights can be negative: the overlap is measured by their size
    ratio = RatioEstimator(np.abs(weight), reward, log.cluster, resamples, seed)
    return ratio.estimate("pseudo-inverse", weight * reward)


def pairwise_marginals(weights: FloatArray, slots: int, samples: int = 20_000, seed: int = 0) -> FloatArray:
    """Return Γ of a Plackett–Luce policy: the probability that item a is in slot k and item b in slot l.

    Parameters
    ----------
    weights : ndarray of float, shape (n_actions,)
        The Plackett–Luce weights, of any sum.
    slots : int
        Length of the slates.
    samples : int, default 20000
        Number of sampled slates if there are too many to enumerate; the cost of enumeration grows with n_actions!.
    seed : int, default 0
        Seed of the samples.

    Returns
    -------
    ndarray of float, shape (n_slots · n_actions, n_slots · n_actions)
    """
    actions = len(weights)
    share = np.asarray(weights, np.float64) / np.sum(weights)
    count = 1
    for slot in range(slots):
        count *= actions - slot
    slates: NDArray[np.int64]
    if count <= MAX_ENUMERATED:
        slates = np.array(list(permutations(range(actions), slots)))
        chance, left = np.ones(len(slates)), np.ones(len(slates))
        for slot in range(slots):
            chance *= share[slates[:, slot]] / left
            left = np.maximum(left - share[slates[:, slot]], 1e-12)
    else:
        keys = np.log(share) + np.random.default_rng(seed).gumbel(size=(samples, actions))
        slates = np.argsort(-keys, axis=1)[:, :slots]
        chance = np.full(samples, 1.0 / samples)
    cells = np.arange(slots) * actions + slates
    gamma = np.zeros((slots * actions, slots * actions))
    for first in range(slots):
        for second in range(slots):
            np.add.at(gamma, (cells[:, first], cells[:, second]), chance)
    return gamma

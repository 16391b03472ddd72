"""The cascade doubly robust estimator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.offpolicy.bandit import BanditLog
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator
from shortlist.evaluate.offpolicy.reward_model import fit_reward_model
from shortlist.evaluate.offpolicy.slates import SlateLog


def cascade_dr(
    log: SlateLog,
    target_propensity: NDArray[np.float64],
    target_policy: NDArray[np.float64],
    context: NDArray[np.floating],
    action_features: NDArray[np.floating],
    resamples: int = 500,
    seed: int = 0,
) -> OffPolicyEstimate:
    """Estimate the value of a policy, doubly robust under the cascade assumption.

    The reward model of slot k predicts the reward of slots k … K together. The models are fitted from the last slot
    upwards, on the reward and the prediction of the slots below.

    Parameters
    ----------
    log : SlateLog
        The logged slates.
    target_propensity : ndarray of float, shape (n_slates, n_slots)
        The target policy's probability of each logged item in its slot, given the slots above.
    target_policy : ndarray of float, shape (n_slates, n_slots, n_actions)
        The same for every item.
    context : ndarray of float, shape (n_slates, n_context)
        Features of the context, for the reward models.
    action_features : ndarray of float, shape (n_actions, n_features)
        Features of the items, for the reward models.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples and of the reward models.

    References
    ----------
    .. [1] Kiyohara, H. et al. (2022). Doubly robust off-policy evaluation for ranking policies under the cascade
       behavior model.
    """
    n, slots = log.reward.shape
    step = np.asarray(target_propensity, np.float64) / log.propensity
    through = np.concatenate([np.ones((n, 1)), np.cumprod(step, axis=1)], axis=1)
    below, value = np.zeros(n), np.zeros(n)
    for slot in range(slots - 1, -1, -1):
        rewards = BanditLog(
            log.action[:, slot], log.reward[:, slot] + below, log.propensity[:, slot], log.cluster
        )
        predicted = fit_reward_model(rewards, context, action_features, seed=seed + slot)
        expected = np.einsum("na,na->n", target_policy[:, slot], predicted)
        value += through[:, slot + 1] * (log.reward[:, slot] - rewards.of_actions(predicted))
        value += through[:, slot] * expected
        below = expected
    ratio = RatioEstimator(through[:, -1], log.reward.sum(1), log.cluster, resamples, seed)
    return ratio.estimate("cascade-dr", value)

"""Marginalised importance sampling: weights of categories instead of items, for large catalogues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.evaluate.offpolicy.bandit import BanditLog
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator

FloatArray = NDArray[np.float64]


def estimate_mips(
    log: BanditLog,
    target_policy: FloatArray,
    logging_policy: FloatArray,
    category: NDArray[np.integer],
    predicted_reward: NDArray[np.floating] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicyEstimate]:
    """Estimate the value of a policy over many items by MIPS, its self-normalised and its doubly robust form.

    In a catalogue of thousands the probability that the log shows exactly the item of the target policy is tiny, and
    weights explode. If the reward depends on the category of an item (topic, price range, a cluster of its vectors) and
    little on the item itself, the probability of the category suffices: w = π(category | x) / π₀(category | x), both
    sums over the items of the category. These weights are far smaller. The differences between items of one category
    are the bias, which no interval shows: choose categories whose items are similar, and compare with finer ones.

    Parameters
    ----------
    log : BanditLog
        The logged data.
    target_policy, logging_policy : ndarray of float, shape (n_rows, n_actions)
        The probability of every action in each row.
    category : ndarray of int, shape (n_actions,)
        The category of each action, from 0.
    predicted_reward : ndarray of float, shape (n_rows, n_actions), optional
        The reward model (`fit_reward_model`); enables the doubly robust form.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples.

    Returns
    -------
    dict of str to OffPolicyEstimate
        ``mips``, ``snmips`` and with a reward model ``mdr``.

    References
    ----------
    .. [1] Saito, Y. & Joachims, T. (2022). Off-policy evaluation for large action spaces via embeddings.
    """
    weight = category_weights(target_policy, logging_policy, category)[
        np.arange(len(log)), category[log.action]
    ]
    ratio = RatioEstimator(weight, log.reward, log.cluster, resamples, seed)
    categories = int(category.max(initial=-1)) + 1
    weighted = weight * log.reward
    found = {
        "mips": ratio.estimate("mips", weighted, categories=categories),
        "snmips": ratio.estimate("snmips", weighted, weight, categories=categories),
    }
    if predicted_reward is not None:
        residual = log.reward - log.of_actions(predicted_reward)
        direct = np.einsum("na,na->n", target_policy, predicted_reward)
        found["mdr"] = ratio.estimate("mdr", direct + weight * residual, categories=categories)
    return found


def category_weights(
    target_policy: FloatArray, logging_policy: FloatArray, category: NDArray[np.integer]
) -> FloatArray:
    """Return the importance weight of every category in each row, float (n_rows, n_categories)."""
    member = np.zeros((len(category), int(category.max(initial=-1)) + 1))
    member[np.arange(len(category)), category] = 1.0
    target, logging = target_policy @ member, logging_policy @ member
    return np.divide(target, logging, out=np.zeros_like(target), where=logging > 0)

"""Off-policy evaluation of single actions: the value of another choice of one item.

With w = π(a | x) / π₀(a | x), the target policy's probability of the logged action over the logged propensity, and q̂ a
reward model:

| estimator | estimate of a row | bias | variance |
| --- | --- | --- | --- |
| ips | w r (Horvitz & Thompson 1952) | none if the log covers the policy | large |
| snips | w r, over Σw instead of n (Swaminathan & Joachims 2015) | small | smaller |
| clipped-ips | min(w, λ) r (Ionides 2008) | towards frequent actions | smaller |
| shrunk-ips | λw / (w² + λ) · r (Su et al. 2020) | likewise | smaller |
| dm | Σₐ π(a) q̂(a) | that of q̂ | smallest |
| dr | Σₐ π(a) q̂(a) + w (r − q̂) (Dudík et al. 2011) | none if w or q̂ is right | between |
| sndr | dr with the correction over Σw | small | smaller |
| switch-dr | dr with w only where w ≤ λ (Wang et al. 2017) | that of q̂ where w is large | smaller |
| shrunk-dr | dr with λw / (w² + λ) (Su et al. 2020) | likewise | smaller |
| cv-ips | w r − β (w − 1) (Gupta et al. 2024) | of order 1/n | smaller |
| cv-dr | w r − β₁ (w − 1) − β₂ (w q̂ − Σₐ π(a) q̂(a)) (Tan 2010) | of order 1/n | smallest that needs no right model |

The terms that β multiplies have mean 0 for every policy: control variates (Owen & Zhou 2000). β is fitted by least
squares over users. λ is chosen by `choose_limit`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.estimate import owners_of
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator
from shortlist.evaluate.offpolicy.weight_limits import (
    choose_limit,
    clip_weights,
    cluster_deviations,
    shrink_weights,
    switch_weights,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BanditLog:
    """Logged bandit feedback: actions, rewards and propensities.

    Attributes
    ----------
    action : ndarray of int, shape (n_rows,)
        The item that was shown.
    reward : ndarray of float, shape (n_rows,)
        The reward that followed.
    propensity : ndarray of float, shape (n_rows,)
        The probability with which the logging policy took the action.
    cluster : ndarray, shape (n_rows,)
        The user of each row.
    """

    action: NDArray[np.generic]
    reward: FloatArray
    propensity: FloatArray
    cluster: NDArray[np.generic]

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        return f"BanditLog({len(self):,} rows, mean reward {self.reward.mean():.4g})"

    @classmethod
    def of(
        cls, action: ArrayLike, reward: ArrayLike, propensity: ArrayLike, cluster: ArrayLike | None = None
    ) -> BanditLog:
        """Make a log and check it. Without `cluster` every row has a user of its own.

        Raises
        ------
        DataError
            If a propensity is not a probability or a reward is not finite; the message names the row.
        """
        chance, rewards = np.asarray(propensity, np.float64), np.asarray(reward, np.float64)
        invalid = np.flatnonzero(~((chance > 0) & (chance <= 1)))
        if len(invalid):
            raise DataError(
                f"row {invalid[0] + 1}: the propensity is {chance[invalid[0]]}, and must be above 0 and at most 1 "
                f"({len(invalid):,} such rows): it is the probability with which the item was shown",
                field="propensity",
            )
        infinite = np.flatnonzero(~np.isfinite(rewards))
        if len(infinite):
            raise DataError(f"row {infinite[0] + 1}: the reward is {rewards[infinite[0]]}", field="reward")
        users = np.arange(len(rewards)) if cluster is None else np.asarray(cluster)
        return cls(np.asarray(action), rewards, chance, users)

    def of_actions(self, values: NDArray[np.generic]) -> FloatArray:
        """Return the columns of the logged actions from values of all actions, float (n_rows, n_actions)."""
        return np.asarray(values[np.arange(len(self)), self.action])


def estimate_bandit(
    log: BanditLog,
    target_propensity: FloatArray,
    predicted_reward: NDArray[np.floating] | None = None,
    target_policy: FloatArray | None = None,
    resamples: int = 500,
    seed: int = 0,
    direct_prediction: NDArray[np.floating] | None = None,
) -> dict[str, OffPolicyEstimate]:
    """Estimate the value of a target policy by every estimator that the arguments allow.

    Parameters
    ----------
    log : BanditLog
        The logged data.
    target_propensity : ndarray of float, shape (n_rows,)
        The target policy's probability of each logged action.
    predicted_reward : ndarray of float, shape (n_rows, n_actions), optional
        The reward model's prediction of every action (`fit_reward_model`), fitted on other users than those of the
        row. Enables dm and the doubly robust estimators.
    target_policy : ndarray of float, shape (n_rows, n_actions), optional
        The target policy's probability of every action; required with `predicted_reward`.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples.
    direct_prediction : ndarray of float, shape (n_rows, n_actions), optional
        Another reward model, for dm alone: dm needs a model that is right where the target policy acts
        (``fit_reward_model(weight=...)``), dr one that explains the log.

    Returns
    -------
    dict of str to OffPolicyEstimate
        Estimator → its estimate or refusal.
    """
    weight = np.asarray(target_propensity, np.float64) / log.propensity
    ratio = RatioEstimator(weight, log.reward, log.cluster, resamples, seed)
    weighted = weight * log.reward
    found = [
        ratio.estimate("ips", weighted),
        ratio.estimate("cv-ips", _controlled(weighted, (weight - 1.0)[:, None], log.cluster)),
        ratio.estimate("snips", weighted, weight),
    ]
    for name, limiter in (("clipped-ips", clip_weights), ("shrunk-ips", shrink_weights)):
        limit = choose_limit(weight, log.cluster, lambda w: w * log.reward, limiter)
        found.append(ratio.estimate(name, limiter(weight, limit) * log.reward, limit=limit))
    if predicted_reward is not None and target_policy is not None:
        direct = predicted_reward if direct_prediction is None else direct_prediction
        found.append(ratio.estimate("dm", np.einsum("na,na->n", target_policy, direct)))
        found += _doubly_robust(log, weight, predicted_reward, target_policy, ratio)
    return {estimate.estimator: estimate for estimate in found}


def _doubly_robust(
    log: BanditLog,
    weight: FloatArray,
    predicted_reward: NDArray[np.floating],
    target_policy: FloatArray,
    ratio: RatioEstimator,
) -> list[OffPolicyEstimate]:
    expected = np.einsum("na,na->n", target_policy, predicted_reward)
    predicted = log.of_actions(predicted_reward)
    residual = log.reward - predicted
    variates = np.column_stack([weight - 1.0, weight * predicted - expected])
    found = [
        ratio.estimate("dr", expected + weight * residual),
        ratio.estimate("cv-dr", _controlled(weight * log.reward, variates, log.cluster)),
        # written as one ratio: the correction is over Σw, the direct part over n
        ratio.estimate("sndr", expected * weight.mean() + weight * residual, weight),
    ]
    for name, limiter in (("switch-dr", switch_weights), ("shrunk-dr", shrink_weights)):
        limit = choose_limit(weight, log.cluster, lambda w: expected + w * residual, limiter)
        found.append(ratio.estimate(name, expected + limiter(weight, limit) * residual, limit=limit))
    return found


def _controlled(rows: FloatArray, variates: FloatArray, cluster: NDArray[np.generic]) -> FloatArray:
    """Subtract from rows, float (n,), what control variates, float (n, k) with mean 0, explain of them over users."""
    owners = owners_of(cluster)
    by_user = np.column_stack([cluster_deviations(column, owners) for column in variates.T])
    beta = np.linalg.lstsq(by_user, cluster_deviations(rows, owners), rcond=None)[0]
    return np.asarray(rows - variates @ beta)

"""Off-policy evaluation of slates: the value of another policy from logged slates.

There are about 10²⁴ slates of 8 out of 1,000 items, and no log has the new one. So an estimator assumes how the reward
of a slot comes about. The weaker the assumption, the more rows are needed:

| estimator | the reward of a slot depends on | weight of slot k |
| --- | --- | --- |
| ips | the whole slate | product over all slots |
| cascade (reward-interaction IPS, McInerney et al. 2020) | the slots above | product over slots 1 … k |
| cascade-dr (Kiyohara et al. 2022) | the slots above; a model predicts the rest | likewise, for the residual |
| position (independent IPS, Li et al. 2018) | item and slot | probability of the item in the slot |
| pbm (Li et al. 2018) | the item, times the examination of the slot | likewise, from every slot |
| pseudo-inverse (Swaminathan et al. 2017) | the slate's reward is a sum over slots | 1ₛᵀ Γ⁺ q |

`sn-…` divides by Σw instead of n. Users read from the top, so `cascade` is the safe assumption, and `position` the one
with small intervals. If both answer and differ clearly, the assumption of `position` is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.policy_value import OffPolicyEstimate, RatioEstimator

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SlateLog:
    """Logged slates of equal length, with a reward for each slot.

    Attributes
    ----------
    action : ndarray of int, shape (n_slates, n_slots)
        The items.
    reward : ndarray of float, shape (n_slates, n_slots)
        The reward of each slot.
    propensity : ndarray of float, shape (n_slates, n_slots)
        The probability of the item in its slot, given the slots above.
    cluster : ndarray, shape (n_slates,)
        The user of each slate.
    marginal : ndarray of float, shape (n_slates, n_slots), optional
        The probability of the item in its slot, whatever is above.
    """

    action: NDArray[np.generic]
    reward: FloatArray
    propensity: FloatArray
    cluster: NDArray[np.generic]
    marginal: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("propensity", "marginal"):
            chance = getattr(self, name)
            if chance is not None and not ((chance > 0) & (chance <= 1)).all():
                row, slot = np.argwhere(~((chance > 0) & (chance <= 1)))[0]
                raise DataError(
                    f"slate {row + 1}, slot {slot + 1}: the {name} is {chance[row, slot]}, and must be above 0 and at most 1",
                    field=name,
                )

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        return f"SlateLog({len(self):,} slates of {self.reward.shape[1]} slots)"


def estimate_slates(
    log: SlateLog,
    target_propensity: FloatArray,
    target_marginal: FloatArray | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicyEstimate]:
    """Estimate the value of a policy from its probabilities of the logged slates.

    Parameters
    ----------
    log : SlateLog
        The logged slates.
    target_propensity : ndarray of float, shape (n_slates, n_slots)
        The target policy's probability of each logged item in its slot, given the slots above.
    target_marginal : ndarray of float, shape (n_slates, n_slots), optional
        The same, whatever is above; together with the log's own it enables ``position``.
    resamples : int, default 500
        Bootstrap resamples of users.
    seed : int, default 0
        Seed of the resamples.

    Returns
    -------
    dict of str to OffPolicyEstimate
        ``ips``, ``cascade``, ``position`` and their self-normalised forms ``sn-…``.
    """
    step = np.asarray(target_propensity, np.float64) / log.propensity
    through = np.cumprod(step, axis=1)
    weights = {"ips": np.repeat(through[:, -1:], step.shape[1], axis=1), "cascade": through}
    if target_marginal is not None and log.marginal is not None:
        weights["position"] = np.asarray(target_marginal / log.marginal)
    found: dict[str, OffPolicyEstimate] = {}
    for name, weight in weights.items():
        found |= _estimate_per_slot(name, log, weight, resamples, seed)
    return found


def _estimate_per_slot(
    name: str, log: SlateLog, weight: FloatArray, resamples: int, seed: int
) -> dict[str, OffPolicyEstimate]:
    # overlap is measured in the slot with the smallest effective sample size
    effective = weight.sum(0) ** 2 / np.maximum((weight**2).sum(0), 1e-300)
    worst = weight[:, int(np.argmin(effective))]
    ratio = RatioEstimator(worst, log.reward.sum(1), log.cluster, resamples, seed)
    # each slot over its own Σw: Σₖ Σ wr / Σw, written as one ratio over n
    normalised = (weight * log.reward / np.maximum(weight.mean(0), 1e-12)).sum(1)
    return {
        name: ratio.estimate(name, (weight * log.reward).sum(1)),
        f"sn-{name}": ratio.estimate(f"sn-{name}", normalised),
    }

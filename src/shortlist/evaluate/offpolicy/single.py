"""One item was shown; what if another policy had chosen? Estimators for single choices.

With w = π(a | x) / π₀(a | x), the new policy's chance of the logged action over the logged chance, and q̂ a model of the outcome:

| name | estimate of a row | bias, variance |
| --- | --- | --- |
| ips | w r (Horvitz & Thompson 1952) | none where the log covers all, large |
| snips | w r, over Σw instead of n (Swaminathan & Joachims 2015) | small, less |
| clipped | min(w, λ) r (Ionides 2008) | towards what is common, less |
| shrunk | λw / (w² + λ) · r (Su et al. 2020) | likewise, smoother |
| dm | Σₐ π(a) q̂(a) | that of q̂, least |
| dr | Σₐ π(a) q̂(a) + w (r − q̂) (Dudík et al. 2011) | none if either is right |
| sndr | dr with the correction over Σw | small |
| switch-dr | dr with w only where w ≤ λ (Wang et al. 2017) | that of q̂ where w is large |
| shrunk-dr | dr with λw / (w² + λ) (Su et al. 2020) | likewise, smoother |
| cv-ips | w r − β (w − 1) (Gupta et al. 2024) | of the order 1/n, less |
| cv-dr | w r − β₁ (w − 1) − β₂ (w q̂ − Σₐ π(a) q̂(a)) (Tan 2010) | likewise, least of those that need no right model |

What β multiplies is 0 on average, whatever the policy: control variates (Owen & Zhou 2000). β is the one that leaves the least spread
over people, by least squares; snips and dr are what a β of their own choice gives.

λ is chosen from the log alone: the one with the least estimated variance + bias², where the bias is how far the clipped estimate is
from the unclipped one, less what chance explains of that (as in MAGIC: Thomas & Brunskill 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.support import OffPolicy, overlap, settle

LADDER = 12
Clip = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Choices:
    """A log of single choices, n rows. `action` int (n,); `reward` float (n,); `propensity` float (n,): the chance with
    which the logging policy took that action then; `cluster` int (n,): whose row it is, each its own without.
    """

    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    cluster: np.ndarray

    @classmethod
    def of(
        cls,
        action: np.ndarray,
        reward: np.ndarray,
        propensity: np.ndarray,
        cluster: np.ndarray | None = None,
    ) -> Choices:
        """Raises `DataError` naming the row where a propensity is no probability or a reward is not finite."""
        propensity, reward = np.asarray(propensity, np.float64), np.asarray(reward, np.float64)
        bad = np.flatnonzero(~((propensity > 0) & (propensity <= 1)))
        if len(bad):
            raise DataError(
                f"row {bad[0] + 1}: the propensity is {propensity[bad[0]]}, and must be above 0 and at most 1 ({len(bad):,} such rows): "
                "it is the chance with which that item was shown there",
                field="propensity",
            )
        lost = np.flatnonzero(~np.isfinite(reward))
        if len(lost):
            raise DataError(f"row {lost[0] + 1}: the reward is {reward[lost[0]]}", field="reward")
        own = np.arange(len(reward)) if cluster is None else np.asarray(cluster)
        return cls(np.asarray(action), reward, propensity, own)

    def __len__(self) -> int:
        return len(self.reward)


def estimate_choices(
    log: Choices,
    chance: np.ndarray,
    outcome: np.ndarray | None = None,
    policy: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
    direct: np.ndarray | None = None,
) -> dict[str, OffPolicy]:
    """Every estimator that what is given allows: name → its value, or its refusal.

    chance float (n,): the new policy's chance of each logged action; for the direct method and all doubly robust ones also
    policy float (n, A): its chance of every action, and outcome float (n, A): the model of the outcome (`outcome.py`), learnt
    from other rows than those it speaks of. direct float (n, A): another model for the direct method alone. Alone, a model should be
    right where the new policy asks (`fit_outcome(weight=)`); beside a correction by weights it need only explain the log well.
    """
    weight = np.asarray(chance, np.float64) / log.propensity
    n = len(log)
    one, rows = np.ones(n), np.arange(n)
    found: dict[str, OffPolicy] = {}

    covered = overlap(weight, log.reward, log.cluster)

    def keep(name: str, above: np.ndarray, below: np.ndarray, **facts: object) -> None:
        found[name] = settle(name, above, below, covered, log.cluster, draws, seed, facts)

    keep("ips", weight * log.reward, one)
    variates = (weight - 1.0)[:, None]
    keep("cv-ips", steadied(weight * log.reward, variates, log.cluster), one)
    keep("snips", weight * log.reward, weight)
    for name, clip in (("clipped", clipped), ("shrunk", shrunk)):
        limit = choose_limit(weight, log.cluster, lambda w: w * log.reward, clip)
        keep(name, clip(weight, limit) * log.reward, one, limit=limit)
    if outcome is None or policy is None:
        return found
    alone = outcome if direct is None else direct
    keep("dm", np.einsum("na,na->n", policy, alone), one)
    told = np.einsum("na,na->n", policy, outcome)
    left = log.reward - outcome[rows, log.action]
    keep("dr", told + weight * left, one)
    variates = np.column_stack([variates, weight * outcome[rows, log.action] - told])
    keep("cv-dr", steadied(weight * log.reward, variates, log.cluster), one)
    # written as one ratio: the correction is over Σw, the direct part over n
    keep("sndr", told * weight.mean() + weight * left, weight)
    for name, clip in (("switch-dr", switched), ("shrunk-dr", shrunk)):
        limit = choose_limit(weight, log.cluster, lambda w: told + w * left, clip)
        keep(name, told + clip(weight, limit) * left, one, limit=limit)
    return found


def steadied(rows: np.ndarray, variates: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Rows' estimates, float (n,), less what variates float (n, k) of mean 0 explain of them, by sums over people."""
    _, owner = np.unique(cluster, return_inverse=True)
    each = np.column_stack([_deviations(column, owner) for column in variates.T])
    beta = np.linalg.lstsq(each, _deviations(rows, owner), rcond=None)[0]
    return np.asarray(rows - variates @ beta)


def _deviations(rows: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Each person's sum of how far their rows are from the mean, float (people,). owner int (n,): 0 … people − 1."""
    return np.bincount(owner, rows - rows.mean())


def clipped(weight: np.ndarray, limit: float) -> np.ndarray:
    return np.minimum(weight, limit)


def shrunk(weight: np.ndarray, limit: float) -> np.ndarray:
    return np.asarray(weight if np.isinf(limit) else limit * weight / (weight**2 + limit))


def switched(weight: np.ndarray, limit: float) -> np.ndarray:
    return np.where(weight <= limit, weight, 0.0)


def choose_limit(
    weight: np.ndarray,
    cluster: np.ndarray,
    estimate: Callable[[np.ndarray], np.ndarray],
    clip: Clip,
) -> float:
    """λ for a clip, from the log alone: the least of variance + bias². estimate: rows' estimates, float (n,), from weights."""
    top = float(weight.max(initial=1.0))
    scale = top**2 if clip is shrunk else top
    limits = [np.inf, *np.geomspace(scale, max(float(np.quantile(weight, 0.5)), 1e-3), LADDER)]
    _, owner = np.unique(cluster, return_inverse=True)

    def spread(rows: np.ndarray) -> float:
        """The variance of the mean, over people."""
        return float((_deviations(rows, owner) ** 2).sum()) / len(rows) ** 2

    whole = estimate(weight)
    errors = []
    for limit in limits:
        rows = estimate(clip(weight, limit))
        gap = rows - whole
        errors.append(spread(rows) + max(float(gap.mean()) ** 2 - spread(gap), 0.0))
    return float(limits[int(np.argmin(errors))])

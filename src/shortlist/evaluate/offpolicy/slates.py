"""Whole slates were shown; what if another policy had made them?

A slate of 8 out of 1,000 items is one of 10²⁴: no log has the new one. So something is assumed about how a slot's outcome comes
about, and the less is assumed, the more rows are needed:

| name | assumes of a slot's outcome | weight of slot k |
| --- | --- | --- |
| ips | nothing | Π over all slots |
| cascade (rips) | it depends on the slots above (McInerney et al. 2020) | Π over slots 1 … k |
| cascade-dr | the same, with a model of what follows (Kiyohara et al. 2022) | likewise, on what the model leaves |
| position (iips) | it depends on item and slot alone (Li et al. 2018) | chance of the item in that slot |
| examined | it depends on the item, times the chance that the slot is looked at (Li et al. 2018) | likewise, from every slot |
| pseudo-inverse | the slate's outcome is a sum over its slots (Swaminathan et al. 2017) | 1ₛᵀ Γ⁺ q |

`sn…` of each is over Σw instead of n. People read from the top, so `cascade` is the safe assumption and `position` the one that
gives small intervals; where both can answer, and differ clearly, the assumption of `position` is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from shortlist.errors import DataError
from shortlist.evaluate.offpolicy.outcome import fit_outcome
from shortlist.evaluate.offpolicy.support import OffPolicy, overlap, settle


@dataclass(frozen=True)
class SlateLog:
    """n slates of K slots. `action` int (n, K); `reward` float (n, K): what each slot brought; `propensity` float (n, K): the
    chance of that item in that slot, given the slots above; `marginal` float (n, K): its chance there whatever is above, where
    known; `cluster` int (n,): whose slate it is.
    """

    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    cluster: np.ndarray
    marginal: np.ndarray | None = None

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


def estimate_slates(
    log: SlateLog,
    chance: np.ndarray,
    marginal: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicy]:
    """The estimators that need the new policy's chances of what was logged: chance float (n, K), given the slots above;
    marginal float (n, K), whatever is above (with the log's own).
    """
    step = np.asarray(chance, np.float64) / log.propensity
    through = np.cumprod(step, axis=1)
    found: dict[str, OffPolicy] = {}
    for name, weight in (
        ("ips", np.repeat(through[:, -1:], step.shape[1], axis=1)),
        ("cascade", through),
        ("position", None if marginal is None or log.marginal is None else marginal / log.marginal),
    ):
        if weight is not None:
            found |= _per_slot(name, log, np.asarray(weight), draws, seed)
    return found


def _per_slot(name: str, log: SlateLog, weight: np.ndarray, draws: int, seed: int) -> dict[str, OffPolicy]:
    total = (weight * log.reward).sum(1)
    n = len(weight)
    # judged by its heaviest slot: an estimate is as good as its worst part
    worst = weight[:, int(np.argmin(weight.sum(0) ** 2 / np.maximum((weight**2).sum(0), 1e-300)))]
    covered = overlap(worst, log.reward.sum(1), log.cluster)
    # each slot over its own Σw: Σₖ Σ wr / Σw, written as one ratio over n
    scaled = (weight * log.reward / np.maximum(weight.mean(0), 1e-12)).sum(1)
    return {
        name: settle(name, total, np.ones(n), covered, log.cluster, draws, seed),
        f"sn-{name}": settle(f"sn-{name}", scaled, np.ones(n), covered, log.cluster, draws, seed),
    }


def estimate_examined(
    log: SlateLog,
    slates: np.ndarray,
    examined: np.ndarray,
    outcome: np.ndarray | None = None,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, OffPolicy]:
    """What fixed slates would bring, from every slot in which the log showed one of their items.

    If an item in slot k brings (chance that slot k is looked at) × (what it brings once looked at), then what it brought in any
    slot says what it would bring in any other: an item of the new slate's slot j that the log showed in slot k counts with
    eⱼ / eₖ, over the chance with which it was shown there. That uses K² meetings of both slates where `position` uses K, at the
    price of the examination curve, which must be right (`rank/position.py` estimates it from the log).

    slates int (n, K): the new policy's; examined float (K,): e, the top slot 1; outcome float (n, K): a model of what each item of
    the new slates brings once looked at, learnt from other people, which adds the doubly robust form. Each of the new slate's
    slots is divided by its own Σw.
    """
    n, slots = log.reward.shape
    e = np.asarray(examined, np.float64)[:slots]
    # meets[:, j, k]: the new slate's slot j is what the log showed in slot k
    meets = (slates[:, :, None] == log.action[:, None, :]) / log.propensity[:, None, :] / slots
    share = meets.sum(2).mean(0)
    scale = np.divide(1.0, share, out=np.zeros(slots), where=share > 0)
    per = np.einsum("njk,j,j,k->nk", meets, scale, e, 1 / e)
    used = np.einsum("njk,j->n", meets, e) / e.sum()
    covered, one = overlap(used, log.reward.sum(1), log.cluster), np.ones(n)
    value = (per * log.reward).sum(1)
    found = {"sn-examined": settle("sn-examined", value, one, covered, log.cluster, draws, seed)}
    if outcome is not None:
        direct = outcome @ e
        said = np.einsum("njk,j,j,nj->n", meets, scale, e, outcome)
        found["examined-dr"] = settle(
            "examined-dr", direct + value - said, one, covered, log.cluster, draws, seed
        )
    return found


def cascade_dr(
    log: SlateLog,
    chance: np.ndarray,
    policy: np.ndarray,
    context: np.ndarray,
    about: np.ndarray,
    draws: int = 500,
    seed: int = 0,
) -> OffPolicy:
    """Doubly robust under the cascade assumption.

    chance float (n, K) as above; policy float (n, K, A): the new policy's chance of every item in each slot, given the logged
    slots above; context (n, d), about (A, e): what the model of the outcome is told (`outcome.py`). The model of slot k predicts
    what slots k … K bring together, and is learnt from the last slot up, on outcome and the model of the slots below.
    """
    n, slots = log.reward.shape
    step = np.asarray(chance, np.float64) / log.propensity
    through = np.concatenate([np.ones((n, 1)), np.cumprod(step, axis=1)], axis=1)
    rows = np.arange(n)
    below = np.zeros(n)
    value = np.zeros(n)
    for slot in range(slots - 1, -1, -1):
        target = log.reward[:, slot] + below
        model = fit_outcome(context, log.action[:, slot], target, log.cluster, about, seed=seed + slot)
        expected = np.einsum("na,na->n", policy[:, slot], model)
        own = model[rows, log.action[:, slot]]
        value += through[:, slot + 1] * (log.reward[:, slot] - own) + through[:, slot] * expected
        below = expected
    return settle(
        "cascade-dr",
        value,
        np.ones(n),
        overlap(through[:, -1], log.reward.sum(1), log.cluster),
        log.cluster,
        draws,
        seed,
    )


def pseudo_inverse(
    log: SlateLog,
    group: np.ndarray,
    gamma: np.ndarray,
    marginals: np.ndarray,
    draws: int = 500,
    seed: int = 0,
) -> OffPolicy:
    """Slates whose outcome is a sum over slots, without knowing which slot brought what.

    group int (n,): which logging policy made each slate; gamma float (groups, K·A, K·A): for each, the chance that item a is in
    slot k and item b in slot l (`pairwise`); marginals float (n, K, A): the new policy's chance of each item in each slot.
    """
    n, slots = log.action.shape
    items = marginals.shape[2]
    weight = np.empty(n)
    for g in np.unique(group):
        mine = np.flatnonzero(group == g)
        inverse = np.linalg.pinv(gamma[g], rcond=1e-8, hermitian=True)
        wanted = marginals[mine].reshape(len(mine), slots * items) @ inverse
        at = np.arange(slots) * items + log.action[mine]
        weight[mine] = np.take_along_axis(wanted, at, axis=1).sum(1)
    outcome = log.reward.sum(1)
    # weights can be negative here: what they carry is judged by their size
    return settle(
        "pseudo-inverse",
        weight * outcome,
        np.ones(n),
        overlap(np.abs(weight), outcome, log.cluster),
        log.cluster,
        draws,
        seed,
    )


def pairwise(weight: np.ndarray, slots: int, draws: int = 20_000, seed: int = 0) -> np.ndarray:
    """Γ of a Plackett–Luce policy, float64 (K·A, K·A): the chance that item a is in slot k and item b in slot l. weight float
    (A,), of any sum. Exact by going through all slates where there are at most 200,000; else from so many draws.
    """
    items = len(weight)
    share = np.asarray(weight, np.float64) / np.sum(weight)
    count = 1
    for at in range(slots):
        count *= items - at
    if count <= 200_000:
        slates = np.array(list(permutations(range(items), slots)))
        chance = np.ones(len(slates))
        left = np.ones(len(slates))
        for slot in range(slots):
            chance *= share[slates[:, slot]] / left
            left -= share[slates[:, slot]]
            left = np.maximum(left, 1e-12)
    else:
        rng = np.random.default_rng(seed)
        keys = np.log(share) + rng.gumbel(size=(draws, items))
        slates = np.argsort(-keys, axis=1)[:, :slots]
        chance = np.full(draws, 1.0 / draws)
    flat = np.arange(slots) * items + slates
    gamma = np.zeros((slots * items, slots * items))
    for a in range(slots):
        for b in range(slots):
            np.add.at(gamma, (flat[:, a], flat[:, b]), chance)
    return gamma

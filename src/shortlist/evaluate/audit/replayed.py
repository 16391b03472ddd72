"""What propensities say of each policy: off-policy estimates from slates that were shown with chance, in choices and in seconds.

The old engine of a world hardly explores, so that its own log has no number for policies that differ from it (`support.py` would
refuse them all). As a team would before an audit, it is asked to explore for a while: its weights to the power of a half, each
propensity known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.audit.agree import Score
from shortlist.evaluate.audit.contenders import Contender, Visit, first_list, in_batches
from shortlist.evaluate.offpolicy import (
    BanditLog,
    OffPolicyEstimate,
    SlateLog,
    estimate_bandit,
    estimate_pbm,
    estimate_slates,
    fit_reward_model,
)
from shortlist.evaluate.offpolicy.estimate import cluster_bootstrap
from shortlist.metrics.significance import Estimate
from shortlist.rank.propensity import examination
from shortlist.recommender import Recommender
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population, PopulationState

SAYS = {
    "snips top slot": "Only the top slot; rows in which the log showed the same item there.",
    "sn-cascade": "Whole slates, as far down as they agree with the log's.",
    "sn-position": "Slot by slot: rows in which the log showed the same item in the same slot.",
    "sn-pbm": "Rows in which the log showed one of the items in any slot, by how much each slot is looked at.",
    "pbm-dr": "The same, with a model of the outcome for the rest.",
    "model": "What a model of the outcome predicts for the slate; no propensities.",
}


@dataclass(frozen=True)
class Shown:
    """n explored slates: `user`, `device` int (n,); `action` int and `propensity` float (n, K); `rewards`: name → float (n, K)."""

    user: np.ndarray
    device: np.ndarray
    action: np.ndarray
    propensity: np.ndarray
    rewards: dict[str, np.ndarray]


def replayed_scores(
    recommender: Recommender,
    moment: int,
    population: Population,
    everyone: list[Contender],
    known: np.ndarray,
    sessions: int,
    draws: int,
    seed: int,
    progress: Progress = silent,
) -> list[Score]:
    """Every estimator for every policy, in what was taken and in seconds. known: codes of what people took before."""
    shown = explore(population, known, sessions, seed)
    # a policy's slate for each person and device, asked once, as known at the end of training
    pairs, of = np.unique(shown.user * (shown.device.max() + 1) + shown.device, return_inverse=True)
    codes, device = pairs // (shown.device.max() + 1), pairs % (shown.device.max() + 1)
    ids = recommender.dataset.users.ids.ids(codes)
    contexts = population.request_contexts(device)
    slates = {}
    for number, policy in enumerate(everyone):
        made = in_batches(policy, Visit(codes, ids, contexts, moment), population.n_slots)
        slates[policy.name] = made[of]
        progress("slates beside the explored ones", (number + 1) / len(everyone))
    positive = recommender.project.objectives[recommender.project.relevant]
    curve = examination(recommender.dataset, positive, resamples=20)
    slots = population.n_slots
    examined = np.maximum(curve.at(np.arange(slots)), 0.02) if len(curve.share) else np.ones(slots)
    scores = []
    _, person = np.unique(shown.user, return_inverse=True)
    for number, reward in enumerate(shown.rewards):
        models = _outcomes(recommender, shown, reward, examined, slates)
        found: dict[str, dict[str, OffPolicyEstimate]] = {}
        direct: dict[str, Estimate | None] = {}
        for name, made in slates.items():
            found[name] = _estimates(shown, reward, made, examined, models[name], draws, seed)
            rows = models[name] @ examined
            direct[name] = cluster_bootstrap(rows, np.ones(len(rows)), person, draws, seed)[0]
        for estimator in next(iter(found.values())):
            answers = {name: found[name][estimator] for name in found}
            scores.append(
                Score(
                    f"{estimator} ({reward})",
                    "from propensities",
                    "up",
                    SAYS[estimator],
                    {n: a.value for n, a in answers.items()},
                    {n: _around(a.value, draws, seed) for n, a in answers.items()},
                    {n: a.refused for n, a in answers.items() if a.refused},
                )
            )
        drawn = {n: _around(e, draws, seed) for n, e in direct.items()}
        scores.append(Score(f"model ({reward})", "from a model", "up", SAYS["model"], direct, drawn))
        progress("off-policy estimates", (number + 1) / len(shown.rewards))
    return scores


def explore(population: Population, known: np.ndarray, sessions: int, seed: int) -> Shown:
    """So many sessions in which the old engine explores, on people who come as often whatever they were shown."""
    rng = np.random.default_rng([seed, 13])
    weight = np.sqrt(population.logging_weights)
    weight /= weight.sum(1, keepdims=True)
    life = PopulationState.start(population, seed + 1, known)
    parts: list[tuple[np.ndarray, ...]] = []
    while sum(len(p[0]) for p in parts) < sessions:
        who, device = life.visitors()
        session, item, _, chance = plackett_luce(rng, weight, population.groups[who], population.n_slots)
        whole = np.flatnonzero(np.bincount(session, minlength=len(who)) == population.n_slots)
        keep = np.isin(session, whole)
        action = item[keep].reshape(-1, population.n_slots)
        lived = life.respond(who[whole], device[whole], action)
        life.reset_visits()
        parts.append(
            (
                lived.users,
                lived.contexts,
                action,
                chance[keep].reshape(action.shape),
                lived.chosen,
                lived.outcomes,
            )
        )
    user, device, action, chance, taken, seconds = (
        np.concatenate(p)[:sessions] for p in zip(*parts, strict=True)
    )
    rewards = {population.choice_kind + "s": taken.astype(np.float64), population.outcome_unit: seconds}
    return Shown(user, device, action, np.clip(chance, 1e-12, 1.0), rewards)


def _estimates(
    shown: Shown,
    reward: str,
    made: np.ndarray,
    examined: np.ndarray,
    model: np.ndarray,
    draws: int,
    seed: int,
) -> dict[str, OffPolicyEstimate]:
    value = shown.rewards[reward]
    log = SlateLog(shown.action, value, shown.propensity, shown.user)
    same = (made == shown.action).astype(np.float64)
    top = BanditLog.of(shown.action[:, 0], value[:, 0], shown.propensity[:, 0], shown.user)
    # the chance of an item in a slot whatever is above is not logged; that given what was above stands for it
    marginal = SlateLog(shown.action, value, shown.propensity, shown.user, shown.propensity)
    slots = estimate_slates(marginal, same, same, draws, seed)
    return {
        "snips top slot": estimate_bandit(top, same[:, 0], resamples=draws, seed=seed)["snips"],
        "sn-cascade": slots["sn-cascade"],
        "sn-position": slots["sn-position"],
        **estimate_pbm(log, made, examined, model, draws, seed),
    }


def _outcomes(
    recommender: Recommender, shown: Shown, reward: str, examined: np.ndarray, slates: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What a model learnt from the explored slates of other people expects of every slate's items once looked at: policy →
    float (n, K). Told: which groups of items a person took, and how items did in training.
    """
    train = recommender.dataset
    log, n_items = train.log, len(train.items)
    groups = first_list(train)
    of = np.zeros((n_items, 1)) if groups is None else np.asarray(groups.matrix().todense(), np.float64)
    h = train.histories
    profile = np.zeros((len(train.users), of.shape[1]))
    np.add.at(profile, h.owner, of[h.item])
    profile /= np.maximum(profile.sum(1, keepdims=True), 1)
    seen = np.bincount(log.item[log.is_kind([IMPRESSION])], minlength=n_items)
    taken = np.bincount(log.item[log.acted], minlength=n_items)
    value = np.bincount(log.item[log.acted], np.nan_to_num(log.value[log.acted]), n_items)
    known = np.stack([np.log1p(seen), (taken + 1) / (seen + 20), value / (seen + 20)], axis=1)
    about = np.hstack([of, known]).astype(np.float32)
    n, slots = shown.action.shape
    context = np.hstack([profile[shown.user], np.zeros((n, known.shape[1]))]).astype(np.float32)
    # all slots teach, each by how much it is looked at; only one row a slate is asked
    asked = np.zeros((n * slots, n_items), bool)
    first = np.arange(n) * slots
    for made in slates.values():
        there = made >= 0
        asked[np.repeat(first, there.sum(1)), made[there]] = True
    log = BanditLog(
        shown.action.ravel(),
        (shown.rewards[reward] / examined).ravel(),
        shown.propensity.ravel(),
        np.repeat(shown.user, slots),
    )
    whole = fit_reward_model(log, np.repeat(context, slots, axis=0), about, asked)[first]
    return {
        name: np.where(made >= 0, np.take_along_axis(whole, np.maximum(made, 0), axis=1), 0.0)
        for name, made in slates.items()
    }


def _around(e: Estimate | None, draws: int, seed: int) -> np.ndarray:
    """Draws of an estimate, from its interval."""
    if e is None:
        return np.empty(0)
    spread = max(e.high - e.low, 0.0) / 3.92
    return e.value + spread * np.random.default_rng([seed, 5]).standard_normal(draws)

"""Off-policy estimates of every policy of an audit, from randomised slates.

A world's logging policy explores little, so its log covers no policy that differs from it (`Overlap.refusal`). As a
team would before an audit, the logging policy explores for a while: its weights to the power of ½, with known
propensities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.audit.agreement import MetricScore
from shortlist.evaluate.audit.policies import AuditPolicy, AuditRequest, first_list_attribute
from shortlist.evaluate.offpolicy import (
    BanditLog,
    OffPolicyEstimate,
    SlateLog,
    estimate_bandit,
    estimate_pbm,
    estimate_slates,
    fit_reward_model,
)
from shortlist.evaluate.offpolicy.estimate import cluster_bootstrap, owners_of
from shortlist.metrics.significance import Estimate
from shortlist.rank.propensity import estimate_examination
from shortlist.recommender import Recommender
from shortlist.simulate.plackett_luce import plackett_luce
from shortlist.simulate.population import Population, PopulationState

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DESCRIPTIONS = {
    "snips top slot": "The top slot alone: rows in which the log showed the same item there.",
    "sn-cascade": "Whole slates, down to the first slot in which they differ from the log's.",
    "sn-position": "Slot by slot: rows in which the log showed the same item in the same slot.",
    "sn-pbm": "Rows in which the log showed one of the items in any slot, weighted by examination.",
    "pbm-dr": "The same, with a reward model for the rest.",
    "model": "The prediction of a reward model for the slate, without propensities.",
}
MIN_EXAMINATION = 0.02


@dataclass(frozen=True)
class OffPolicySettings:
    """How off-policy estimates are made.

    Attributes
    ----------
    sessions : int
        Number of randomised sessions.
    resamples, seed : int
        Bootstrap resamples of users, and the seed of everything.
    """

    sessions: int
    resamples: int
    seed: int


@dataclass(frozen=True, eq=False)
class RandomisedLog:
    """Randomised slates with their responses.

    Attributes
    ----------
    users, contexts : ndarray of int, shape (n_sessions,)
        Who saw the slates, and in which context.
    action : ndarray of int, shape (n_sessions, n_slots)
        The items.
    propensity : ndarray of float, shape (n_sessions, n_slots)
        The probability of each item in its slot, given the slots above.
    rewards : dict of str to ndarray of float, shape (n_sessions, n_slots)
        Name of a reward → its values.
    """

    users: IntArray
    contexts: IntArray
    action: IntArray
    propensity: FloatArray
    rewards: dict[str, FloatArray]

    def __repr__(self) -> str:
        return f"RandomisedLog({len(self.users):,} sessions, rewards {', '.join(self.rewards)})"


def off_policy_scores(
    recommender: Recommender,
    moment: int,
    state: PopulationState,
    policies: list[AuditPolicy],
    settings: OffPolicySettings,
    progress: Progress = silent,
) -> list[MetricScore]:
    """Estimate every policy by every estimator, in choices and in outcomes.

    Parameters
    ----------
    recommender : Recommender
        The trained recommender.
    moment : int
        The end of training in ms; the policies' slates are those of this moment.
    state : PopulationState
        The users at that moment; they respond to the randomised slates.
    policies : list of AuditPolicy
        The policies.
    settings : OffPolicySettings
        Sizes and seed.
    progress : callable, optional
        Called with a description and the share that is done.
    """
    population = state.population
    log = explore(state, settings.sessions, settings.seed)
    slates = _policy_slates(recommender, moment, population, policies, log, progress)
    positive = recommender.project.objectives[recommender.project.relevant]
    curve = estimate_examination(recommender.dataset, positive, resamples=20, seed=recommender.project.seed)
    slots = np.arange(population.n_slots)
    examined = np.maximum(curve.at(slots), MIN_EXAMINATION) if len(curve.share) else np.ones(len(slots))
    scores = []
    progress("off-policy estimates", 0.0)
    for number, reward in enumerate(log.rewards):
        predicted = _predict_rewards(recommender.dataset, log, reward, examined, slates)
        scores += _reward_scores(log, reward, slates, examined, predicted, settings)
        progress("off-policy estimates", (number + 1) / len(log.rewards))
    return scores


def explore(state: PopulationState, sessions: int, seed: int) -> RandomisedLog:
    """Simulate randomised sessions of the logging policy; users come equally often, whatever they are shown."""
    population, rng = state.population, np.random.default_rng([seed, 13])
    weights = np.sqrt(population.logging_weights)
    weights /= weights.sum(1, keepdims=True)
    parts: list[tuple[NDArray[np.generic], ...]] = []
    while sum(len(part[0]) for part in parts) < sessions:
        users, contexts = state.visitors()
        session, item, _, chance = plackett_luce(rng, weights, population.groups[users], population.n_slots)
        full = np.flatnonzero(np.bincount(session, minlength=len(users)) == population.n_slots)
        keep = np.isin(session, full)
        action = item[keep].reshape(-1, population.n_slots)
        batch = state.respond(users[full], contexts[full], action)
        state.reset_visits()
        propensity = chance[keep].reshape(action.shape)
        parts.append((batch.users, batch.contexts, action, propensity, batch.chosen, batch.outcomes))
    columns = [np.concatenate(column)[:sessions] for column in zip(*parts, strict=True)]
    users, contexts, action = (column.astype(np.int64) for column in columns[:3])
    propensity, chosen, outcomes = (column.astype(np.float64) for column in columns[3:])
    rewards = {f"{population.choice_kind}s": chosen, population.outcome_unit: outcomes}
    return RandomisedLog(users, contexts, action, np.clip(propensity, 1e-12, 1.0), rewards)


def _policy_slates(
    recommender: Recommender,
    moment: int,
    population: Population,
    policies: list[AuditPolicy],
    log: RandomisedLog,
    progress: Progress,
) -> dict[str, IntArray]:
    """Each policy's slate for each session; it is asked once for each user and context."""
    width = int(log.contexts.max()) + 1
    pairs, row_of = np.unique(log.users * width + log.contexts, return_inverse=True)
    codes, contexts = pairs // width, pairs % width
    ids = recommender.dataset.users.ids.ids(codes)
    request = AuditRequest(codes, ids, population.request_contexts(contexts), moment)
    slates = {}
    progress("slates for the randomised sessions", 0.0)
    for number, policy in enumerate(policies):
        slates[policy.name] = policy.slates(request, population.n_slots)[row_of]
        progress("slates for the randomised sessions", (number + 1) / len(policies))
    return slates


def _reward_scores(
    log: RandomisedLog,
    reward: str,
    slates: dict[str, IntArray],
    examined: FloatArray,
    predicted: dict[str, FloatArray],
    settings: OffPolicySettings,
) -> list[MetricScore]:
    resamples, seed, owners = settings.resamples, settings.seed, owners_of(log.users)
    estimates: dict[str, dict[str, OffPolicyEstimate]] = {}
    direct: dict[str, Estimate | None] = {}
    for name, made in slates.items():
        estimates[name] = _estimates(log, reward, made, examined, predicted[name], settings)
        rows = np.asarray(predicted[name] @ examined)
        direct[name] = cluster_bootstrap(rows, np.ones(len(rows)), owners, resamples, seed)[0]
    scores = []
    for estimator in next(iter(estimates.values())):
        found = {name: of[estimator] for name, of in estimates.items()}
        scores.append(
            MetricScore(
                f"{estimator} ({reward})",
                "from propensities",
                "up",
                DESCRIPTIONS[estimator],
                {name: e.value for name, e in found.items()},
                {name: _draws(e.value, resamples, seed) for name, e in found.items()},
                {name: e.refused for name, e in found.items() if e.refused},
            )
        )
    drawn = {name: _draws(e, resamples, seed) for name, e in direct.items()}
    model = MetricScore(f"model ({reward})", "from a model", "up", DESCRIPTIONS["model"], direct, drawn)
    return [*scores, model]


def _estimates(
    log: RandomisedLog,
    reward: str,
    made: IntArray,
    examined: FloatArray,
    predicted: FloatArray,
    settings: OffPolicySettings,
) -> dict[str, OffPolicyEstimate]:
    value, resamples, seed = log.rewards[reward], settings.resamples, settings.seed
    same = (made == log.action).astype(np.float64)
    top = BanditLog.of(log.action[:, 0], value[:, 0], log.propensity[:, 0], log.users)
    # the marginal probability of an item in a slot is not logged; the one given the slots above stands in for it
    slate_log = SlateLog(log.action, value, log.propensity, log.users, log.propensity)
    by_slot = estimate_slates(slate_log, same, same, resamples, seed)
    return {
        "snips top slot": estimate_bandit(top, same[:, 0], resamples=resamples, seed=seed)["snips"],
        "sn-cascade": by_slot["sn-cascade"],
        "sn-position": by_slot["sn-position"],
        **estimate_pbm(slate_log, made, examined, predicted, resamples, seed),
    }


def _predict_rewards(
    train: Dataset, log: RandomisedLog, reward: str, examined: FloatArray, slates: dict[str, IntArray]
) -> dict[str, FloatArray]:
    """Predict the reward of every slate's items once examined: policy → float (n_sessions, n_slots)."""
    context, features = _features(train, log)
    n, slots = log.action.shape
    # all slots are training rows, corrected for examination; predictions are needed for one row of each slate
    first = np.arange(n) * slots
    requested = np.zeros((n * slots, len(features)), np.bool_)
    for made in slates.values():
        shown = made >= 0
        requested[np.repeat(first, shown.sum(1)), made[shown]] = True
    rows = BanditLog(
        log.action.ravel(),
        (log.rewards[reward] / examined).ravel(),
        log.propensity.ravel(),
        np.repeat(log.users, slots),
    )
    predicted = fit_reward_model(rows, np.repeat(context, slots, axis=0), features, requested)[first]
    return {
        name: np.where(made >= 0, np.take_along_axis(predicted, np.maximum(made, 0), axis=1), 0.0)
        for name, made in slates.items()
    }


def _features(train: Dataset, log: RandomisedLog) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features of the users (shares of the topics they chose) and of the items (topics and counts in training)."""
    events, n_items = train.log, len(train.items)
    topics = first_list_attribute(train)
    member = np.zeros((n_items, 1)) if topics is None else np.asarray(topics.matrix().todense(), np.float64)
    histories = train.histories
    profile = np.zeros((len(train.users), member.shape[1]))
    np.add.at(profile, histories.owner, member[histories.item])
    profile /= np.maximum(profile.sum(1, keepdims=True), 1)
    shown = np.bincount(events.item[events.is_kind([IMPRESSION])], minlength=n_items)
    acted = events.item[events.acted]
    chosen = np.bincount(acted, minlength=n_items)
    value = np.bincount(acted, np.nan_to_num(events.value[events.acted]), n_items)
    counts = np.stack([np.log1p(shown), (chosen + 1) / (shown + 20), value / (shown + 20)], axis=1)
    padding = np.zeros((len(log.users), counts.shape[1]))
    context = np.hstack([profile[log.users], padding]).astype(np.float32)
    return context, np.hstack([member, counts]).astype(np.float32)


def _draws(estimate: Estimate | None, resamples: int, seed: int) -> FloatArray:
    """Draws of an estimate from a normal distribution with its interval."""
    if estimate is None:
        return np.empty(0)
    spread = max(estimate.high - estimate.low, 0.0) / 3.92
    return np.asarray(estimate.value + spread * np.random.default_rng([seed, 5]).standard_normal(resamples))

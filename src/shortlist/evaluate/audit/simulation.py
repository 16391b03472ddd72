"""The audit in a simulated world: every policy is measured as a team would measure it, and then serves for real.

1. A recommender is trained on the world's log up to the test, as `evaluate` does.
2. **Offline metrics**: every policy makes a slate for each test request, and every metric is computed from the log.
3. **Off-policy estimates**: randomised slates are reweighted to each policy (`evaluate/offpolicy`).
4. **The truth**: each policy serves the same users for many days. Users choose, return or stay away, and tire of topics
   (`simulate/population.py`); the policy observes their events. The truth is the expected outcome of a user over all
   days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.audit.agreement import MetricScore, agreements
from shortlist.evaluate.audit.off_policy_metrics import OffPolicySettings, off_policy_scores
from shortlist.evaluate.audit.offline_metrics import OfflineSettings, offline_scores
from shortlist.evaluate.audit.policies import AuditPolicy, AuditRequest, audit_policies
from shortlist.evaluate.audit.result import AuditResult
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.folds import make_folds
from shortlist.metrics.significance import Estimate, Resamples
from shortlist.recommender import Recommender
from shortlist.simulate.event_feed import EventFeed
from shortlist.simulate.population import Population, PopulationState
from shortlist.simulate.world import World

DAY = 86_400_000
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ServingSettings:
    """How long the policies serve, and how the intervals are made.

    Attributes
    ----------
    rounds : int
        Number of days.
    resamples, seed : int
        Bootstrap resamples of users, and the seed of the users.
    """

    rounds: int
    resamples: int
    seed: int


def audit_world(
    world: World,
    rounds: int = 20,
    explored: int = 20_000,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress = silent,
) -> AuditResult:
    """Audit metrics in a simulated world. It takes some minutes for a thousand users.

    Parameters
    ----------
    world : World
        The world.
    rounds : int, default 20
        Days for which each policy serves.
    explored : int, default 20000
        Randomised sessions for the off-policy estimates.
    seed : int, default 0
        Seed of everything that is drawn.
    resamples : int, default 1000
        Resamples of users and policies.
    progress : callable, optional
        Called with a description and the share that is done.
    """
    population, slots = world.population, world.population.n_slots
    settings = {**world.settings, "evaluate": {**world.settings.get("evaluate", {}), "k": slots}}
    project = parse_project(settings, f"the {world.name} world")
    dataset = world.dataset()
    fold = next(make_folds(project, dataset))
    recommender = Recommender(project).fit(fold.train, progress=progress)
    policies = audit_policies(recommender, population, seed)
    slates = _test_slates(policies, fold, slots, progress)
    offline = OfflineSettings(population.outcome_kind, slots, resamples, seed)
    scores = offline_scores(recommender, fold, dataset, slates, offline)
    pairs = _chosen_pairs(fold, population)
    scores += off_policy_scores(
        recommender,
        fold.moment,
        PopulationState.start(population, seed + 1, pairs),
        policies,
        OffPolicySettings(explored, resamples, seed),
        progress,
    )
    serving = ServingSettings(rounds, resamples, seed)
    truth, by_round = true_outcomes(recommender, fold.moment, population, policies, pairs, serving, progress)
    return AuditResult(
        name=world.name,
        simulated=True,
        truth=truth,
        scores=scores,
        agreements=agreements(truth, scores, resamples, seed),
        descriptions={policy.name: policy.description for policy in policies},
        bad=[policy.name for policy in policies if policy.bad],
        facts=_facts(population, fold, len(policies), rounds, explored),
        rounds=by_round,
    )


def _facts(population: Population, fold: Fold, policies: int, rounds: int, explored: int) -> dict[str, Any]:
    """The conditions of the audit."""
    return {
        "policies": policies,
        "users": population.n_users,
        "items": len(fold.train.items),
        "days_served": rounds,
        "randomised_sessions": explored,
        "test_users": len(fold.users),
        "trained_until": fold.facts.get("test_from", ""),
    }


def _test_slates(
    policies: list[AuditPolicy], fold: Fold, slots: int, progress: Progress
) -> dict[str, NDArray[np.int64]]:
    """The slate of each policy for each test request."""
    request = AuditRequest(fold.users, fold.ids, None, fold.moment)
    slates = {}
    progress("slates for the test", 0.0)
    for number, policy in enumerate(policies):
        slates[policy.name] = policy.slates(request, slots)
        progress("slates for the test", (number + 1) / len(policies))
    return slates


def true_outcomes(
    recommender: Recommender,
    moment: int,
    population: Population,
    policies: list[AuditPolicy],
    chosen_pairs: NDArray[np.int64],
    settings: ServingSettings,
    progress: Progress = silent,
) -> tuple[MetricScore, dict[str, list[float]]]:
    """Let each policy serve the same users, one round a day from `moment` on.

    Returns
    -------
    truth : MetricScore
        The expected outcome per user over all rounds.
    by_round : dict of str to list of float
        The same in each round.
    """
    resampling = Resamples(population.n_users, settings.resamples, settings.seed)
    values: dict[str, Estimate | None] = {}
    resampled: dict[str, FloatArray] = {}
    by_round: dict[str, list[float]] = {}
    progress("serving with each policy", 0.0)
    for number, policy in enumerate(policies):
        state = PopulationState.start(population, settings.seed, chosen_pairs)
        _serve(recommender, policy, state, moment, settings)
        means = resampling.means(state.total_expected_outcome)[:, 0]
        low, high = np.quantile(means, [0.025, 0.975])
        mean = float(state.total_expected_outcome.mean())
        values[policy.name] = Estimate(mean, float(low), float(high))
        resampled[policy.name] = means
        by_round[policy.name] = [float(outcome.mean()) for outcome in state.expected_outcomes]
        progress("serving with each policy", (number + 1) / len(policies))
    _forget(recommender)
    description = f"{population.outcome_unit} per user over {settings.rounds} days"
    return MetricScore("true long-run outcome", "truth", "up", description, values, resampled), by_round


def _serve(
    recommender: Recommender,
    policy: AuditPolicy,
    state: PopulationState,
    moment: int,
    settings: ServingSettings,
) -> None:
    """Let a policy serve for some days; the recommender observes every event after it happened."""
    population, train = state.population, recommender.dataset
    user_ids = np.array(train.users.ids.ids(np.arange(population.n_users)))
    item_ids = np.array(train.items.ids.ids(np.arange(population.n_items)))
    rng = np.random.default_rng([settings.seed, 19])
    feed = EventFeed(population, user_ids, item_ids)
    _forget(recommender)
    for day in range(settings.rounds):
        now = moment + day * DAY
        recommender.state.observe(feed.deliver_until(now))
        users, contexts = state.visitors()
        if not len(users):
            state.skip_round()
            continue
        given = population.request_contexts(contexts)
        request = AuditRequest(users, user_ids[users].tolist(), given, now, feed.delivered)
        sessions = state.respond(users, contexts, policy.slates(request, population.n_slots))
        feed.add(rng, sessions, np.full(len(users), now / 1000.0))


def _forget(recommender: Recommender) -> None:
    """Drop the events that were observed since training."""
    recommender.reset()


def _chosen_pairs(fold: Fold, population: Population) -> NDArray[np.int64]:
    log = fold.train.log
    chosen = log.is_kind([population.choice_kind])
    return population.pair_codes(log.user[chosen].astype(np.int64), log.item[chosen].astype(np.int64))

"""The closed loop: serve → users respond → events → retrain → serve.

A recommender in use causes the log that it learns from. It never learns about items that it does not show, items that
it shows often look good, and users whom it bores stay away. A held-out test measures none of that. Here every policy
starts with the same users, the same log and the same items to come. In each round it is retrained on everything that it
has caused, serves for some days, and observes every event as a server does. The outcome is the expected outcome of each
user in the world's own unit (seconds watched, apps kept, margin), which the world knows exactly.

The random numbers of the users depend on the seed and the day and not on the policy, so policies are compared on common
random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.data.progress import Progress, silent
from shortlist.errors import ShortlistError, suggestion
from shortlist.simulate.arrays import FloatArray, IntArray
from shortlist.simulate.closed_loop.measures import MEASURES, RoundTally
from shortlist.simulate.closed_loop.policies import (
    LoopPolicy,
    LoopRequest,
    PolicySlates,
    PolicySpec,
    loop_policies,
)
from shortlist.simulate.closed_loop.record import LoopRecord
from shortlist.simulate.closed_loop.result import LoopResult
from shortlist.simulate.event_log import DAY, START, session_events
from shortlist.simulate.population import PopulationState
from shortlist.simulate.world import World

NOON = 43_200
"""Seconds from midnight to the first visit of a day."""
VISIT_SPAN = 20_000
"""Seconds over which the visits of a day are spread."""


def simulate(
    make_world: Callable[[int], World],
    rounds: int = 10,
    seeds: int = 5,
    days: int = 2,
    only: list[str] | None = None,
    progress: Progress = silent,
) -> LoopResult:
    """Simulate the closed loop of several policies.

    Parameters
    ----------
    make_world : callable
        Seed → the world, with items that arrive during ``rounds × days`` days after its log.
    rounds : int, default 10
        Number of rounds; before each of them every policy is retrained.
    seeds : int, default 5
        Number of worlds; intervals are over them.
    days : int, default 2
        Days of a round.
    only : list of str, optional
        Names of the policies to simulate. Default: all of them.
    progress : callable, optional
        Called with a description and the share that is done.

    Raises
    ------
    ShortlistError
        If `only` names a policy that does not exist.
    """
    values: dict[str, dict[str, list[list[float]]]] = {}
    descriptions: dict[str, str] = {}
    for seed in range(seeds):
        world = make_world(seed)
        chosen = _chosen_policies(world, only)
        for number, (name, spec) in enumerate(chosen.items()):
            part = ProgressPart(progress, (seed + number / len(chosen)) / seeds, 1 / len(chosen) / seeds)
            descriptions[name] = spec.description
            part(0.0)
            measured = _run_policy(world, spec.make(world), rounds, days, seed, part)
            for measure, series in measured.items():
                values.setdefault(name, {m: [] for m in MEASURES})[measure].append(series)
    arrays = {policy: {m: np.array(series) for m, series in of.items()} for policy, of in values.items()}
    facts: dict[str, Any] = {
        "users": world.users.num_rows,
        "items": world.items.num_rows,
        "events_of_the_log": world.events.num_rows,
        "rounds": rounds,
        "days_per_round": days,
        "seeds": seeds,
    }
    return LoopResult(world.name, world.population.outcome_unit, arrays, descriptions, facts)


@dataclass(frozen=True)
class ProgressPart:
    """Reports the progress of a part as progress of the whole."""

    progress: Progress
    done: float
    share: float

    def __call__(self, completed: float) -> None:
        """Report which share of the part is done."""
        self.progress("simulating the policies", self.done + completed * self.share)


def _chosen_policies(world: World, only: list[str] | None) -> dict[str, PolicySpec]:
    policies = loop_policies(world)
    for name in sorted(set(only or ()) - set(policies)):
        raise ShortlistError(
            f"there is no policy {name!r}{suggestion(name, policies)}; there are: {', '.join(policies)}",
            field="only",
        )
    return {name: spec for name, spec in policies.items() if only is None or name in only}


def _run_policy(
    world: World, policy: LoopPolicy, rounds: int, days: int, seed: int, progress: ProgressPart
) -> dict[str, list[float]]:
    """Simulate one policy in one world: measure → a number for each round."""
    population = world.population
    rng = np.random.default_rng([seed, 17])
    record = LoopRecord(world)
    state = PopulationState.start(population, seed, record.chosen_pairs())
    slate = record.next_slate
    series: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    impressions = np.zeros(population.n_items, np.int64)
    for number in range(rounds):
        first = population.log_days + number * days
        policy.fit(record.dataset(first))
        tally = RoundTally(population, population.log_days, impressions)
        for day in range(first, first + days):
            policy.observe(record.events_between(day - 1, day) if day > first else [])
            users, contexts = state.visitors()
            if not len(users):
                state.skip_round()
                continue
            now = (START + day * DAY + NOON) * 1000
            ids = record.user_ids[users].tolist()
            request = LoopRequest(ids, population.request_contexts(contexts), now, int(rng.integers(2**31)))
            slates, propensity = _as_arrays(
                policy.recommend(request, population.n_slots), record, population.n_slots
            )
            sessions = state.respond(users, contexts, slates)
            start = START + day * DAY + NOON + rng.random(len(users)) * VISIT_SPAN
            record.add(session_events(rng, population, sessions, slate, start, propensity))
            slate += len(users)
            tally.add(sessions, day)
        for measure, value in tally.measures(state, days, record.available(first + days - 1)).items():
            series[measure].append(value)
        progress((number + 1) / rounds)
    return series


def _as_arrays(answer: PolicySlates, record: LoopRecord, slots: int) -> tuple[IntArray, FloatArray]:
    """Slates as row numbers (−1 for an empty slot), and propensities (NaN there)."""
    slates = np.full((len(answer.items), slots), -1, np.int64)
    propensity = np.full(slates.shape, np.nan)
    for row, (items, chances) in enumerate(zip(answer.items, answer.propensities, strict=True)):
        slates[row, : len(items)] = [record.row_of[item] for item in items]
        propensity[row, : len(items)] = chances
    return slates, propensity

"""The audit in a world: every policy is measured as teams measure, and then lived with.

1. A recommender is trained on the world's log up to the test, as `evaluate` does.
2. **Offline**: every policy makes a slate for everybody who acts in the test; every metric is computed from the log.
3. **From propensities**: some slates are shown with chance, and reweighed to each policy (`evaluate/counterfactual`).
4. **The truth**: each policy serves the same people for many days. They choose, watch, come back or stay away, and tire of what
   they see too much of (`simulate/population.py`); the policy is told of what they do. What counts is the seconds of a person over
   all days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.config.base import IMPRESSION
from shortlist.config.project import parse_project
from shortlist.data.progress import Progress, silent
from shortlist.evaluate.audit.agree import Agreement, Score, agreements
from shortlist.evaluate.audit.contenders import Contender, Visit, contenders, in_batches
from shortlist.evaluate.audit.offline import offline_scores
from shortlist.evaluate.audit.replayed import replayed_scores
from shortlist.evaluate.folds import make_folds
from shortlist.metrics.significance import Estimate, Resamples
from shortlist.recommender import Recommender
from shortlist.simulate.population import Population, PopulationState
from shortlist.simulate.user_model import SessionBatch
from shortlist.simulate.world import World

DAY = 86_400_000
ROUNDS = 20
DRAWS = 1000
EXPLORED = 20_000


@dataclass
class Audit:
    """`truth`: what each policy truly brought; `scores`: what each metric said of it; `agreements`: how far these agree, best
    first; `says` and `bad`: what each policy does, and which were made to be bad.
    """

    name: str
    simulated: bool
    truth: Score
    scores: list[Score]
    agreements: list[Agreement]
    says: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    """What each policy brought in each round, per person."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "simulated": self.simulated,
            "facts": self.facts,
            "truth": {n: e.to_json() for n, e in self.truth.values.items() if e is not None},
            "policies": {n: {"says": s, "made_to_be_bad": n in self.bad} for n, s in self.says.items()},
            "metrics": {
                s.metric: {
                    "family": s.family,
                    "values": {n: None if e is None else e.to_json() for n, e in s.values.items()},
                    "refused": s.refused,
                }
                for s in self.scores
            },
            "agreements": [a.to_json() for a in self.agreements],
            "rounds": self.rounds,
        }


def audit_world(
    world: World,
    rounds: int = ROUNDS,
    explored: int = EXPLORED,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Progress = silent,
) -> Audit:
    """Run it. Takes some minutes for a thousand people. rounds: days lived with each policy; explored: sessions with chance for
    the off-policy estimates. Raises `ShortlistError` for a world without people to show things to.
    """
    population = world.population
    slots = population.n_slots
    settings = {**world.settings, "evaluate": {**world.settings.get("evaluate", {}), "k": slots}}
    project = parse_project(settings, f"the {world.name} world")
    dataset = world.dataset()
    fold = next(make_folds(project, dataset))
    recommender = Recommender(project).fit(fold.train, progress)
    everyone = contenders(recommender, population, seed)
    visit = Visit(fold.users, fold.ids, None, fold.moment)
    slates: dict[str, np.ndarray] = {}
    for number, policy in enumerate(everyone):
        slates[policy.name] = in_batches(policy, visit, slots)
        progress("slates for the test", (number + 1) / len(everyone))
    scores = offline_scores(recommender, fold, dataset, slates, population.outcome_kind, slots, draws, seed)
    log = fold.train.log
    taken = log.is_kind([population.choice_kind])
    known = log.user[taken].astype(np.int64) * len(dataset.items) + log.item[taken]
    scores += replayed_scores(
        recommender, fold.moment, population, everyone, known, explored, draws, seed, progress
    )
    truth, by_round = live(
        recommender, fold.moment, population, everyone, known, rounds, draws, seed, progress
    )
    return Audit(
        world.name,
        True,
        truth,
        scores,
        agreements(truth, scores, draws, seed),
        {c.name: c.says for c in everyone},
        [c.name for c in everyone if c.bad],
        {
            "policies": len(everyone),
            "people": population.n_users,
            "items": len(dataset.items),
            "days_lived": rounds,
            "explored_sessions": explored,
            "test_people": len(fold.users),
            "learnt_until": fold.facts.get("test_from", ""),
        },
        by_round,
    )


def live(
    recommender: Recommender,
    moment: int,
    population: Population,
    everyone: list[Contender],
    known: np.ndarray,
    rounds: int,
    draws: int,
    seed: int,
    progress: Progress = silent,
) -> tuple[Score, dict[str, list[float]]]:
    """What each policy brings over the rounds, one a day from `moment` on."""
    train = recommender.dataset
    ids = np.array(train.users.ids.ids(np.arange(population.n_users)), object)
    again = Resamples(population.n_users, draws, seed)
    values: dict[str, Estimate | None] = {}
    drawn: dict[str, np.ndarray] = {}
    by_round: dict[str, list[float]] = {}
    for number, policy in enumerate(everyone):
        recommender.ready(train, recommender.features.priors)  # forget what the policy before was told
        life = PopulationState.start(population, seed, known)
        for day in range(rounds):
            who, device = life.visitors()
            if not len(who):
                life.skip_round()
                continue
            now = moment + day * DAY
            contexts = population.request_contexts(device)
            slates = in_batches(policy, Visit(who, ids[who].tolist(), contexts, now), population.n_slots)
            session = life.respond(who, device, slates)
            tell(recommender, population, session, ids, contexts, now)
            progress("lives with each policy", (number + (day + 1) / rounds) / len(everyone))
        means = again.means(life.total_expected_outcome)[:, 0]
        low, high = np.quantile(means, [0.025, 0.975])
        values[policy.name] = Estimate(float(life.total_expected_outcome.mean()), float(low), float(high))
        drawn[policy.name] = means
        by_round[policy.name] = [float(worth.mean()) for worth in life.expected_outcomes]
    recommender.ready(train, recommender.features.priors)
    says = f"seconds a person spends over {rounds} days"
    return Score("true long-run seconds", "truth", "up", says, values, drawn), by_round


def tell(
    recommender: Recommender,
    population: Population,
    session: SessionBatch,
    ids: np.ndarray,
    contexts: list[dict[str, Any]] | None,
    now: int,
) -> None:
    """Let the recommender take in what people saw and did, as a server would."""
    items = recommender.dataset.items.ids
    clicked, watched = population.choice_kind, population.outcome_kind
    there = IMPRESSION in recommender.dataset.log.kinds
    what = items.ids(np.maximum(session.slates, 0).ravel())
    slots = session.slates.shape[1]
    for row in range(len(session.users)):
        person, context = ids[session.users[row]], None if contexts is None else contexts[row]
        for slot in range(slots):
            if session.slates[row, slot] < 0:
                continue
            item = what[row * slots + slot]
            if there:
                recommender.observe(person, item, IMPRESSION, now, None, context)
            if session.chosen[row, slot]:
                if clicked != watched:
                    recommender.observe(person, item, clicked, now + 5_000, None, context)
                seconds = float(session.outcomes[row, slot])
                recommender.observe(
                    person, item, watched, now + 5_000 + round(1000 * seconds), seconds, context
                )

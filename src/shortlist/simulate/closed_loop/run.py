"""The loop for real: serve → people respond → events → train again → serve.

A recommender in use makes the log that it learns from. What it never shows, it never learns about; what it shows much looks good; people
whom it bores stay away. None of that is in a held-out test. Here every policy begins from the same people, the same log of an older engine and the same
items that are still to come, and then lives with what it does: each round it is trained on all that has happened to it so far,
serves for some days, and is told of every event as a server would be. What counts is the world's own unit (seconds watched, apps kept, margin)
that a person is expected to get in each round, which the world knows exactly.

Beside it stands what feedback does (Chaney et al. 2018, "How algorithmic confounding in recommendation systems increases homogeneity and
decreases utility"): how much of the catalogue is shown, how mixed slates are, how unequal the showings, and what becomes of new items.

The random numbers of people depend on the seed and the day and not on the policy, so that two policies are compared on the same luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.errors import ShortlistError
from shortlist.metrics.exposure import gini
from shortlist.metrics.significance import Estimate
from shortlist.simulate.audience import Audience, Life, Session
from shortlist.simulate.closed_loop.players import Asked, Player, players
from shortlist.simulate.engine import log_of
from shortlist.simulate.world import DAY, START, World, events_table
from shortlist.store.event_store import StoredEvent

NEW = 14
"""An item is new for so many days."""
SEEN = 10
"""A new item has met an audience when it was shown so often."""
NOON = 43_200
MEASURES = ("worth", "a visit", "visits", "coverage", "mixed", "unequal", "new shown", "new found")
SAYS = {
    "worth": "{unit} a person",
    "a visit": "{unit} a visit",
    "visits": "visits a person and day",
    "coverage": "share of the catalogue that was shown",
    "mixed": "how mixed slates are: the chance that two items of one are of different topics",
    "unequal": "Gini coefficient of showings over items",
    "new shown": f"share of showings that new items (under {NEW} days) had",
    "new found": f"share of the items that came in the loop which were shown {SEEN} times or more",
}


@dataclass
class Loop:
    """`values[policy][measure]`: float (seeds, rounds). `says`: what each policy does."""

    name: str
    unit: str
    values: dict[str, dict[str, np.ndarray]]
    says: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    def total(self, policy: str, measure: str = "worth") -> np.ndarray:
        """The mean over rounds, float (seeds,)."""
        return np.asarray(self.values[policy][measure].mean(1))

    def estimate(self, policy: str, measure: str = "worth") -> Estimate:
        return over_seeds(self.total(policy, measure))

    def by_round(self, policy: str, measure: str = "worth") -> list[Estimate]:
        return [over_seeds(column) for column in self.values[policy][measure].T]

    def against(self, policy: str, other: str, measure: str = "worth") -> Estimate:
        """By how much of the other's a policy brings more: 0.1 is a tenth. Seed by seed, so that luck in common falls away."""
        mine, theirs = self.total(policy, measure), np.maximum(self.total(other, measure), 1e-12)
        e = over_seeds(np.log(np.maximum(mine, 1e-12) / theirs))
        return Estimate(*(float(np.expm1(v)) for v in (e.value, e.low, e.high)))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "simulated": True,
            "unit": self.unit,
            "facts": self.facts,
            "policies": {
                name: {
                    "says": self.says[name],
                    "worth": self.estimate(name).to_json(),
                    "recipe_brings_more": None
                    if name == "recipe" or "recipe" not in self.values
                    else self.against("recipe", name).to_json(),
                    "measures": {m: [e.to_json() for e in self.by_round(name, m)] for m in MEASURES},
                    "seeds": {m: self.values[name][m].tolist() for m in MEASURES},
                }
                for name in self.values
            },
        }


def over_seeds(values: np.ndarray) -> Estimate:
    """Mean with the t-interval of 95 % over seeds; of one seed there is none."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Estimate(mean, mean, mean)
    half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half)


def simulate(
    make: Callable[[int], World],
    rounds: int = 10,
    seeds: int = 5,
    days: int = 2,
    only: list[str] | None = None,
    progress: Progress = silent,
) -> Loop:
    """Live with every policy. make: seed → the world, with `rounds` × `days` days of items still to come when its log ends. days: of one
    round. only: some policies. Raises `ShortlistError` for a policy there is not, or a world without people.
    """
    values: dict[str, dict[str, list[list[float]]]] = {}
    says: dict[str, str] = {}
    facts: dict[str, Any] = {}
    unit = name = ""
    for seed in range(seeds):
        world = make(seed)
        if world.audience is None:
            raise ShortlistError(
                f"the {world.name} world has no people who could be shown anything", field="name"
            )
        unit, name = world.audience.unit, world.name
        everyone = players(world)
        strange = set(only or ()) - set(everyone)
        if strange:
            raise ShortlistError(
                f"there is no policy {sorted(strange)[0]!r}; there are: {', '.join(everyone)}", field="only"
            )
        chosen = {n: p for n, p in everyone.items() if only is None or n in only}
        for number, (policy, (said, made)) in enumerate(chosen.items()):
            done, step = (seed + number / len(chosen)) / seeds, 1 / len(chosen) / seeds
            lived = _live(world, made(world), rounds, days, seed, Part(progress, done, step))
            says[policy] = said
            for measure, line in lived.items():
                values.setdefault(policy, {m: [] for m in MEASURES})[measure].append(line)
        facts = {
            "people": world.users.num_rows,
            "items": world.items.num_rows,
            "events_of_the_log": world.events.num_rows,
            "rounds": rounds,
            "days_a_round": days,
            "seeds": seeds,
        }
    arrays = {p: {m: np.array(lines) for m, lines in of.items()} for p, of in values.items()}
    return Loop(name, unit, arrays, says, facts)


@dataclass(frozen=True)
class Part:
    """A part of the way, told as progress on the whole."""

    progress: Progress
    done: float
    step: float

    def __call__(self, at: float) -> None:
        self.progress("lives with each policy", self.done + at * self.step)


def _live(
    world: World, player: Player, rounds: int, days: int, seed: int, progress: Part
) -> dict[str, list[float]]:
    """One policy and one seed: measure → a number for each round."""
    a = world.audience
    assert a is not None
    rng = np.random.default_rng([seed, 17])
    record = _Record(world, a)
    first, slots = a.days, a.slots
    people = np.array(world.users["user_id"].to_pylist(), object)
    row_of = {item: row for row, item in enumerate(world.items["item_id"].to_pylist())}
    life = Life.begin(a, seed, _known(world, a, row_of))
    slate = int(pc.max(world.events["slate"]).as_py() or 0) + 1
    lines: dict[str, list[float]] = {m: [] for m in MEASURES}
    ever = np.zeros(len(a.topic), np.int64)
    for turn in range(rounds):
        today = first + turn * days
        player.learn(record.dataset(today))
        heard = today
        tally = _Tally(a, first, ever)
        for day in range(today, today + days):
            moment = (START + day * DAY + NOON) * 1000
            player.hear(record.between(heard, day))
            heard = day
            who, device = life.visitors()
            if not len(who):
                life.skip()
                continue
            asked = Asked(people[who].tolist(), a.contexts(device), moment, int(rng.integers(2**31)))
            items, chances = player.answer(asked, slots)
            slates, propensity = np.full((len(who), slots), -1, np.int64), np.full((len(who), slots), np.nan)
            for line, (shown, chance) in enumerate(zip(items, chances, strict=True)):
                slates[line, : len(shown)] = [row_of[item] for item in shown]
                propensity[line, : len(shown)] = chance
            session = life.show(who, device, slates)
            start = START + day * DAY + NOON + rng.random(len(who)) * 20_000
            record.add(log_of(rng, a, session, slate, start, propensity))
            slate += len(who)
            tally.add(session, day)
        for measure, value in tally.measures(life, days, record.available(today + days - 1)).items():
            lines[measure].append(value)
        progress((turn + 1) / rounds)
    return lines


class _Record:
    """All that has happened and that is known to be coming: the log of the older engine, then what the policy brought about."""

    def __init__(self, world: World, audience: Audience) -> None:
        self.world, self.audience = world, audience
        self.parts = [world.events, *([] if world.pending is None else [world.pending])]
        self.ids = np.array(world.items["item_id"].to_pylist())
        self.people = np.array(world.users["user_id"].to_pylist())

    def add(self, columns: dict[str, np.ndarray]) -> None:
        self.parts.append(events_table(columns, self.people, self.ids).select(self.world.events.column_names))

    def available(self, day: int) -> np.ndarray:
        """Bool (items,): what is in the catalogue on a day."""
        arrival = self.audience.arrival
        return np.ones(len(self.ids), bool) if arrival is None else arrival <= day

    def dataset(self, day: int) -> Dataset:
        """What a company would train on in the morning of a day."""
        events = pa.concat_tables(self.parts)
        events = events.filter(pc.less(events["timestamp"], START + day * DAY)).sort_by("timestamp")
        items = self.world.items.filter(pa.array(self.available(day)))
        # an item of the log is in the catalogue, though a policy may ask about the rest only when it is there
        project = parse_project(self.world.settings, f"the {self.world.name} world")
        return Dataset.from_frames(events, items, self.world.users, project)

    def between(self, day: int, later: int) -> list[StoredEvent]:
        """What has happened from one morning to another, as a server would be told."""
        low, high = START + day * DAY, START + later * DAY
        found: list[StoredEvent] = []
        for table in self.parts:
            time = table["timestamp"]
            part = table.filter(pc.and_(pc.greater_equal(time, low), pc.less(time, high)))
            for at, row in enumerate(part.to_pylist()):
                context = {name: row[name] for name in self.audience.columns}
                found.append(
                    StoredEvent(
                        f"{len(found)}-{at}", row["user_id"], row["item_id"], row["kind"], row["timestamp"] * 1000, row["value"], context
                    )
                )  # fmt: skip
        return sorted(found, key=lambda e: e.time)


class _Tally:
    """What one round's slates add up to. ever int (items,): how often each item was shown in all rounds, which is carried on."""

    def __init__(self, audience: Audience, first: int, ever: np.ndarray) -> None:
        self.audience, self.first, self.ever = audience, first, ever
        self.shown = np.zeros(len(audience.topic), np.int64)
        self.fresh = self.visits = 0
        self.mixed: list[np.ndarray] = []

    def add(self, session: Session, day: int) -> None:
        a = self.audience
        there = session.slates >= 0
        items = session.slates[there]
        self.shown += np.bincount(items, minlength=len(self.shown))
        if a.arrival is not None:
            self.fresh += int((a.arrival[items] > day - NEW).sum())
        self.visits += len(session.who)
        topics = np.zeros((len(session.who), a.topic.shape[1]))
        np.add.at(topics, np.nonzero(there)[0], a.topic[items])
        topics /= np.maximum(topics.sum(1, keepdims=True), 1e-12)
        self.mixed.append(1 - (topics**2).sum(1))

    def measures(self, life: Life, days: int, available: np.ndarray) -> dict[str, float]:
        a = self.audience
        worth = np.sum(life.worth[-days:], axis=0)
        total = max(int(self.shown.sum()), 1)
        came = np.zeros(len(available), bool) if a.arrival is None else available & (a.arrival >= self.first)
        self.ever += self.shown
        return {
            "worth": float(worth.mean()),
            "a visit": float(worth.sum() / max(self.visits, 1)),
            "visits": self.visits / (a.users * days),
            "coverage": float((self.shown[available] > 0).mean()),
            "mixed": float(np.concatenate(self.mixed).mean()) if self.mixed else 0.0,
            "unequal": float(gini(self.shown[available].astype(np.float64))),
            "new shown": self.fresh / total,
            "new found": float((self.ever[came] >= SEEN).mean()) if came.any() else 0.0,
        }


def _known(world: World, audience: Audience, row_of: dict[Any, int]) -> np.ndarray:
    """What people had already taken when the log ended, as codes user × items + item."""
    taken = world.events.filter(pc.equal(world.events["kind"], audience.kinds[0]))
    users = {user: row for row, user in enumerate(world.users["user_id"].to_pylist())}
    who = np.array([users[u] for u in taken["user_id"].to_pylist()], np.int64)
    what = np.array([row_of[i] for i in taken["item_id"].to_pylist()], np.int64)
    return np.unique(who * len(audience.topic) + what)

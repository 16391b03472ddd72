"""The people of a world, who can be shown anything, and what that does to them in the long run.

A log says what an older engine's slates brought. Here any slate can be tried, again and again, on the same people. What a
session brings changes whether they come back, as has been found of real services:

- **returning**: somebody whose session was worth the time comes back sooner; the chance of a visit moves towards how good the
  last ones were (Wu et al. 2017, "Returning is believing"; Zou et al. 2019). Clicks that disappoint count against it.
- **satiation**: the more of a topic was shown lately, the less it is wanted, until it has rested (Leqi et al. 2021, "Rebounding
  bandits for modeling satiation effects"). Always the same topic tires, also one that is loved.

- **needs**: in a shop, what was bought is not needed again for a while, and what goes with it is (`Audience.needs`).

What is not: people who talk to each other, tastes that drift by themselves, makers who react.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Chance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Realised = Callable[[np.random.Generator, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Needs = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
Followed = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Events of one kind that follow a session: the kind, places int (e,) in the flattened slates, seconds since the session began,
values (NaN: none)."""
Happen = Callable[[np.random.Generator, "Session"], list[Followed]]
LEARNS = 0.25
"""How far the habit of coming moves with each session."""
WORTH_IT = 240.0
"""Seconds that make a session worth coming back for: 1 − 1/e of the way."""
TIRES, RESTS = 0.35, 0.75
"""What one slate full of a topic adds to how tired of it one is, and how much of that is left at the next round."""
AGAIN = 0.1
"""How much less something is chosen again that was chosen before."""
NEEDED = 0.95
"""What is left of a need after a day."""


@dataclass(frozen=True)
class Audience:
    """`topic` float (items, topics), rows sum to 1; `examined` float (slots,): the chance that a slot is looked at; `lean` float
    (users, devices): what they use; `choose(who, what, device)`: the chance that a looked-at item is taken;
    `bring(who, what, device)`: the seconds that follow if it is; `activity` float (users,), mean 1; `group` int (users,) and
    `weight` float (groups, items): the older engine at the end of the log. `kinds`: the events of a choice and of its seconds.
    """

    topic: np.ndarray
    examined: np.ndarray
    lean: np.ndarray
    choose: Chance
    bring: Chance
    activity: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    kinds: tuple[str, str]
    happen: Happen
    """The events that follow what people chose, as a log would have them."""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What a log knows of the moment: column → its value for each device. What it lacks is hidden from everybody."""
    arrival: np.ndarray | None = None
    """int (items,): the day, since the log began, on which an item is there; all always without."""
    unit: str = "seconds"
    """What `bring` counts."""
    worth_it: float = WORTH_IT
    disappoints: float = 20.0
    """A choice that is expected to bring less lets down."""
    again: float | np.ndarray = AGAIN
    """How much less (or, above 1, more) something is chosen that was chosen before; for all, or float (items,)."""
    realise: Realised | None = None
    """What choices truly bring, drawn: (rng, who, what, device). Without: what is expected, × a gamma draw of mean 1."""
    needs: Needs | None = None
    """Changes needs float (users, topics), in place, by what was chosen: (needs, who, what, got). They multiply the chance of a choice by
    e^need, and halve in two weeks."""
    days: int = 0
    """How long the log is."""

    def contexts(self, device: np.ndarray) -> list[dict[str, str]] | None:
        """What a client would say of the moment of each request; None where a log has no such columns."""
        if not self.columns:
            return None
        return [{name: values[d] for name, values in self.columns.items()} for d in device.tolist()]

    @property
    def users(self) -> int:
        return len(self.lean)

    @property
    def slots(self) -> int:
        return len(self.examined)

    def devices(self, rng: np.random.Generator, who: np.ndarray) -> np.ndarray:
        """What each uses this time, int."""
        drawn = rng.random(len(who))[:, None] > np.cumsum(self.lean[who], axis=1)[:, :-1]
        return np.asarray(drawn.sum(1))


@dataclass
class Session:
    """What happened to m slates: `who`, `device` int (m,); `slates` int (m, slots); `taken` bool and `seconds` float (m, slots)."""

    who: np.ndarray
    device: np.ndarray
    slates: np.ndarray
    taken: np.ndarray
    seconds: np.ndarray

    def chosen(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What was taken: its places in the flattened slates, and who, what, on which device."""
        at = np.flatnonzero(self.taken.ravel())
        visit = at // self.slates.shape[1]
        return at, (self.who[visit], self.slates.ravel()[at], self.device[visit])


@dataclass
class Life:
    """People over rounds: `habit` float (users,), the chance to come; `tired` float (users, topics); `known`: sorted codes
    user × items + item of what they took. The same seed gives the same visits to every policy.
    """

    audience: Audience
    habit: np.ndarray
    tired: np.ndarray
    known: np.ndarray
    needs: np.ndarray
    """float (users, topics); stays 0 where nobody's needs change."""
    seed: int = 0
    round: int = 0
    worth: list[np.ndarray] = field(default_factory=list)
    """Expected seconds of each round, float (users,)."""

    @classmethod
    def begin(cls, audience: Audience, seed: int = 0, known: np.ndarray | None = None) -> Life:
        """Everybody comes every other round on average, by activity, and is rested."""
        users, topics = audience.users, audience.topic.shape[1]
        none = np.empty(0, np.int64) if known is None else np.unique(known)
        return cls(
            audience, np.full(users, 0.5), np.zeros((users, topics)), none, np.zeros((users, topics)), seed
        )

    def visitors(self) -> tuple[np.ndarray, np.ndarray]:
        """Who comes this round, and with which device."""
        rng = np.random.default_rng([self.seed, self.round, 0])
        chance = np.clip(self.habit * self.audience.activity, 0, 0.95)
        who = np.flatnonzero(rng.random(len(chance)) < chance)
        return who, self.audience.devices(rng, who)

    def show(self, who: np.ndarray, device: np.ndarray, slates: np.ndarray) -> Session:
        """Let visitors see slates int (m, slots), −1 where there is nothing; they choose, and are changed by it."""
        a, items = self.audience, self.audience.topic.shape[0]
        rng = np.random.default_rng([self.seed, self.round, 1])
        m, slots = slates.shape
        shown = slates >= 0
        what = np.where(shown, slates, 0)
        flat, person = what.ravel(), np.repeat(who, slots)
        on = np.repeat(device, slots)
        bored = np.exp(-(self.tired[person] * a.topic[flat]).sum(1))
        seen = np.isin(person.astype(np.int64) * items + flat, self.known)
        again = a.again[flat] if isinstance(a.again, np.ndarray) else a.again
        chance = a.choose(person, flat, on) * bored * np.where(seen, again, 1.0)
        if a.needs is not None:
            chance = np.minimum(chance * np.exp((self.needs[person] * a.topic[flat]).sum(1)), 0.97)
        chance = chance.reshape(m, slots) * a.examined[:slots] * shown
        seconds = a.bring(person, flat, on).reshape(m, slots)
        taken = rng.random((m, slots)) < chance
        if a.realise is None:
            got = np.where(taken, seconds * rng.gamma(4.0, 0.25, (m, slots)), 0.0)
        else:
            got = np.where(taken, a.realise(rng, person, flat, on).reshape(m, slots), 0.0)
        expected = np.zeros(a.users)
        expected[who] = (chance * seconds).sum(1)
        self.worth.append(expected)
        # a choice that brought next to nothing was a disappointment
        let_down = (taken & (seconds < a.disappoints)).sum(1)
        good = np.clip(1 - np.exp(-np.maximum(got.sum(1), 0) / a.worth_it) - 0.15 * let_down, 0, 1)
        self.habit[who] += LEARNS * (good - self.habit[who])
        self.tired *= RESTS
        share = np.zeros((m, a.topic.shape[1]))
        np.add.at(share, np.repeat(np.arange(m), slots), a.topic[flat] * shown.ravel()[:, None] / slots)
        self.tired[who] += TIRES * share * 4
        self.known = np.union1d(self.known, (person.astype(np.int64) * items + flat)[taken.ravel()])
        if a.needs is not None:
            chosen = taken.ravel()
            self.needs *= NEEDED
            a.needs(self.needs, person[chosen], flat[chosen], got.ravel()[chosen])
        self.round += 1
        return Session(who, device, slates, taken, got)

    def skip(self) -> None:
        """A round in which nobody came."""
        self.worth.append(np.zeros(self.audience.users))
        self.tired *= RESTS
        self.needs *= NEEDED
        self.round += 1

    @property
    def utility(self) -> np.ndarray:
        """Expected seconds of each person over all rounds so far, float (users,)."""
        return np.asarray(np.sum(self.worth, axis=0))

"""How simulated users respond to the items that they are shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from shortlist.simulate.arrays import BoolArray, FloatArray, IntArray


class OutcomeEvents(NamedTuple):
    """Events of one kind that follow a batch of slates.

    Attributes
    ----------
    kind : str
        The event kind, for example ``"click"``.
    cells : ndarray of int, shape (n_events,)
        The positions of the items in the flattened slates.
    delay : ndarray of float, shape (n_events,)
        Seconds between the slate and the event.
    value : ndarray of float, shape (n_events,)
        The values of the events; NaN where an event has none.
    """

    kind: str
    cells: IntArray
    delay: FloatArray
    value: FloatArray


@dataclass(frozen=True, eq=False)
class SessionBatch:
    """Slates that were shown and the responses to them, one row a session.

    Attributes
    ----------
    users : ndarray of int, shape (n_sessions,)
        Row numbers of the users.
    contexts : ndarray of int, shape (n_sessions,)
        The context of each session: the device, the daytime or the household member.
    slates : ndarray of int, shape (n_sessions, n_slots)
        Row numbers of the items, −1 for an empty slot.
    chosen : ndarray of bool, shape (n_sessions, n_slots)
        Which of them the user chose (clicked, installed, played).
    outcomes : ndarray of float, shape (n_sessions, n_slots)
        The outcome of each choice, 0 where nothing was chosen.
    """

    users: IntArray
    contexts: IntArray
    slates: IntArray
    chosen: BoolArray
    outcomes: FloatArray

    def __repr__(self) -> str:
        sessions, slots = self.slates.shape
        return f"SessionBatch({sessions} sessions of {slots} slots, {int(self.chosen.sum())} choices)"

    def choices(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Return the cells that were chosen (positions in the flattened slates), their users, items and contexts."""
        cells = np.flatnonzero(self.chosen.ravel())
        row = cells // self.slates.shape[1]
        return cells, self.users[row], self.slates.ravel()[cells], self.contexts[row]


class UserModel(ABC):
    """The true preferences of a world's users.

    A user model answers the question that a log cannot: how would this user respond to that item? Recommenders never
    see it. It follows the examination hypothesis: a user looks at slot *k* with a probability that depends on the slot
    alone, and chooses an examined item with a probability that depends on user, item and context
    (`choice_probability`). A choice has an outcome, such as seconds watched or margin, and is followed by events.

    All arguments named `users`, `items` and `contexts` are integer arrays of one shape, and the results have that
    shape. The rows are row numbers of the world's tables. The division into a choice model and a user state that
    changes (`PopulationState`) follows RecSim [1]_.

    References
    ----------
    .. [1] Ie, E. et al. (2019). RecSim: A configurable simulation platform for recommender systems.
    """

    has_needs: ClassVar[bool] = False
    """Whether choices change what users need (`update_needs`)."""

    @abstractmethod
    def choice_probability(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the probability that an examined item is chosen."""

    @abstractmethod
    def expected_outcome(self, users: IntArray, items: IntArray, contexts: IntArray) -> FloatArray:
        """Return the expected outcome of a choice."""

    def draw_outcome(
        self, rng: np.random.Generator, users: IntArray, items: IntArray, contexts: IntArray
    ) -> FloatArray:
        """Draw outcomes of choices. Default: the expectation times a gamma variable with mean 1 and variance ¼."""
        return self.expected_outcome(users, items, contexts) * rng.gamma(4.0, 0.25, len(users))

    @abstractmethod
    def outcome_events(self, rng: np.random.Generator, sessions: SessionBatch) -> list[OutcomeEvents]:
        """Draw the events that follow the choices of some sessions, as a log would record them."""

    def update_needs(self, needs: FloatArray, users: IntArray, items: IntArray, outcomes: FloatArray) -> None:  # noqa: B027 - most worlds have no needs
        """Change `needs`, float (n_users, n_topics), in place after some choices. Default: no change."""

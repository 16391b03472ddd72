"""Who takes what and when: people of a few tastes, items of one taste each, so that a model has something to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000
START = 1_735_689_600_000
"""2025-01-01 in UTC, ms."""


@dataclass(frozen=True)
class Taste:
    """Choices: who chose which item, and when, in order of time.

    Attributes
    ----------
    user, item : ndarray of shape (n,), int64
        Numbers from 0.
    time : ndarray of shape (n,), int64
        Whole seconds, in ms.
    liked : ndarray of shape (n,), bool
        Whether the item is of the person's taste.
    rng
        For what else is random.
    given
        The order into which choices were put.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    time: NDArray[np.int64]
    liked: NDArray[np.bool_]
    rng: np.random.Generator
    given: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        n: int,
        seed: int,
        users: int = 300,
        items: int = 120,
        days: int = 120,
        tastes: int = 6,
        loyal: float = 0.8,
    ) -> Taste:
        """Draw choices: with probability `loyal` one of the own taste, the popular ones more often."""
        rng = np.random.default_rng(seed)
        user = rng.integers(users, size=n)
        popular = 1 / np.arange(1, items // tastes + 1) ** 0.7
        place = rng.choice(items // tastes, size=n, p=popular / popular.sum())
        liked = rng.random(n) < loyal
        taste = np.where(liked, user % tastes, rng.integers(tastes, size=n))
        seconds = np.sort(rng.integers(days * 86_400, size=n))
        return cls(user, place * tastes + taste, START + seconds * 1000, taste == user % tastes, rng)

    @property
    def order(self) -> NDArray[np.int64]:
        """The order of time, in which `also` has put the choices."""
        return self.given if self.given is not None else np.arange(len(self))

    def also(self, rows: NDArray[np.int64], later: int) -> Taste:
        """Add some of the choices once more, so many ms later."""
        time = np.concatenate([self.time, self.time[rows] + later])
        order = np.argsort(time, kind="stable")
        both = [
            np.concatenate([column, column[rows]])[order] for column in (self.user, self.item, self.liked)
        ]
        return Taste(both[0], both[1], time[order], both[2], self.rng, order)

    def __len__(self) -> int:
        return len(self.user)

    def stamps(self, form: str, minutes: bool = False) -> list[str]:
        """Return the times as texts in a format of strftime."""
        unit = "datetime64[m]" if minutes else "datetime64[s]"
        moments = self.time.astype("datetime64[ms]").astype(unit).tolist()
        return [moment.strftime(form) for moment in moments]

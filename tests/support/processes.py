"""What other processes do with a recommender; a process that is spawned imports these functions by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shortlist.recommender import Recommender

Answer = list[list[tuple[Any, float]]]
HELD: list[Recommender] = []
"""What a process inherits by a fork."""


def answers(recommender: Recommender, users: list[Any], now: int) -> Answer:
    """Return slates of users, alone and as a batch, which must be equal."""
    alone = [[(r.item, r.score) for r in recommender.recommend(user, n=5, now=now)] for user in users]
    together = recommender.recommend(users=users, n=5, now=now)
    assert [[(r.item, r.score) for r in slate] for slate in together] == alone
    return alone


def inherited_answers(users: list[Any], now: int) -> Answer:
    return answers(HELD[0], users, now)


def loaded_answers(bundle: Path, users: list[Any], now: int) -> Answer:
    return answers(Recommender.load(bundle), users, now)

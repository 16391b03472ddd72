"""Team-draft interleaving: two rankings on one slate, and people choose (Radlinski et al. 2008).

As captains pick players: in each round a coin says which ranking picks first, each picks its best item that is not yet taken. A
choice counts for the team whose item it was. Everybody is their own control, so that far fewer people are needed than to compare
two groups (Chapelle et al. 2012 found ten to a hundred times fewer); what it cannot tell is how much more they do in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def team_draft(a: Sequence[Any], b: Sequence[Any], n: int, seed: int) -> tuple[list[Any], list[int]]:
    """The n items of one slate from two rankings, and whose pick each was: 0 for a, 1 for b."""
    rng = np.random.default_rng(seed)
    rankings = (list(a), list(b))
    at, taken = [0, 0], set()
    items: list[Any] = []
    teams: list[int] = []
    while len(items) < n:
        first = int(rng.integers(2))
        picked = False
        for team in (first, 1 - first):
            ranking = rankings[team]
            while at[team] < len(ranking) and ranking[at[team]] in taken:
                at[team] += 1
            if at[team] < len(ranking) and len(items) < n:
                items.append(ranking[at[team]])
                taken.add(ranking[at[team]])
                teams.append(team)
                picked = True
        if not picked:
            break
    return items, teams

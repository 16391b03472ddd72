"""A simulated experiment that is read every day, for tests and benchmarks of sequential analysis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shortlist.experiments.analyse import ExposedPeople

DAYS, USERS_PER_DAY = 14, 120


def daily_looks(rng: np.random.Generator, effect: float) -> Iterator[ExposedPeople]:
    """Return the data of one experiment on each of its days: users join day by day, and their outcomes grow."""
    n = DAYS * USERS_PER_DAY
    arm = rng.integers(0, 2, n)
    start = np.repeat(np.arange(DAYS), USERS_PER_DAY)
    eager = rng.gamma(1.0, 1.0, n)  # a few users do most, and did so before
    before = rng.poisson(5 * eager).astype(float)
    each_day = rng.poisson(eager[:, None] * np.where(arm == 1, 1 + effect, 1.0)[:, None], (n, DAYS))
    total = np.cumsum(each_day * (np.arange(DAYS) >= start[:, None]), axis=1)
    for day in range(DAYS):
        joined = start <= day
        yield ExposedPeople(
            ["a", "b"],
            [1, 1],
            arm[joined],
            {"play": total[joined, day].astype(float)},
            {"play": before[joined]},
            start[joined],
        )

"""From the sums of groups of people to metrics with intervals, by the bootstrap of one machine.

Where each group is one person, the values are those of the people, and so is every interval. Larger groups are drawn at random, so
that the mean of a group varies as the mean of so many people does: the value of a group is its part in the mean over all people
(linearised where some have no value), and resampling groups gives the intervals that resampling people would give.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.evaluate.comparison import JudgedPeople
from shortlist.evaluate.slices import MIN_PEOPLE, SliceColumn
from shortlist.metrics.significance import PairedMetrics

Floats = NDArray[np.float64]


def group_values(total: Floats, count: Floats) -> Floats:
    """Return a value for each group, whose mean is the mean over all people; NaN for a group in which nobody has a value.

    Parameters
    ----------
    total : ndarray of float64, shape (groups,)
        The sum of the values of its people.
    count : ndarray of float64, shape (groups,)
        How many of them have a value.
    """
    there = count > 0
    values = np.full(len(total), np.nan)
    if there.any():
        mean = total.sum() / count.sum()
        values[there] = mean + (total - mean * count)[there] * (there.sum() / count.sum())
    return values


def judged_groups(
    found: pa.Table,
    names: Sequence[str],
    columns: Sequence[str],
    parts: Sequence[SliceColumn],
    draws: int,
    seed: int,
) -> JudgedPeople:
    """Make the metrics of groups from their sums.

    Parameters
    ----------
    found : pyarrow.Table
        Sums of each group, recommender and metric, as `judge_parts` makes them.
    names, columns : sequence of str
        The recommenders, and the metrics and keys of slices, by number; the first column is the main metric.
    parts : sequence of SliceColumn
        The slices. Those of few people are left out.
    draws, seed : int
        The resamples.
    """
    groups = np.unique(found.column("person").to_numpy())
    place = (
        found.column("name").to_numpy(),
        found.column("metric").to_numpy(),
        np.searchsorted(groups, found.column("person").to_numpy()),
    )
    total, count = np.zeros((2, len(names), len(columns), len(groups)))
    np.add.at(total, place, found.column("total").to_numpy())
    np.add.at(count, place, found.column("n").to_numpy())
    people = count.sum(2)  # (recommenders, columns)
    keys = {part.key: part for part in parts}
    shared = [
        number
        for number, column in enumerate(columns)
        if people[:, number].min() >= (MIN_PEOPLE if column in keys else 1)
    ]
    values = {
        name: {columns[c]: group_values(total[row, c], count[row, c]) for c in shared}
        for row, name in enumerate(names)
    }
    everyone = int(people[:, 0].max())
    measured = PairedMetrics.from_values(values, draws, seed, everyone / max(len(groups), 1))
    kept = [keys[columns[c]] for c in shared if columns[c] in keys]
    by_cut = {name: [float(total[row, 0].sum() / people[row, 0])] for row, name in enumerate(names)}
    sizes = {columns[c]: int(people[0, c]) for c in shared if columns[c] in keys}
    return JudgedPeople(measured, kept, by_cut, everyone, sizes)

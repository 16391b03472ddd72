"""The slates of a log as matrices: what was shown, with which chance, and what followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.config.rank import RankSettings
from shortlist.data.dataset import Dataset
from shortlist.rank.labels import labels
from shortlist.rank.list_members import ListMembers, list_members
from shortlist.rank.past_requests import shown_slates
from shortlist.rank.propensity import estimate_examination

MAX_SLATES = 20_000
"""More slates are thinned out evenly over time."""
MAX_SLOTS = 40
"""Slots that count; a longer slate is read up to here."""
MIN_EXAMINATION = 0.05
"""Least examination probability of a slot: an outcome is divided by it."""
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class LoggedSlates:
    """Slates that were shown, in order of time.

    Attributes
    ----------
    users : ndarray of int, shape (n_slates,)
        User codes of the data set.
    moments : ndarray of int, shape (n_slates,)
        When each slate was shown, ms.
    contexts : list of dict
        The context of each slate; empty where the log has none.
    items : ndarray of int, shape (n_slates, n_slots)
        Item codes of the data set, −1 for an empty slot.
    chances : ndarray of float, shape (n_slates, n_slots)
        Probability of each item in its slot, given the slots above; NaN where it is unknown.
    outcomes : dict of str to ndarray of float, shape (n_slates, n_slots)
        Objective → what followed; NaN where it is unknown.
    examined : ndarray of float, shape (n_slots,)
        Probability that a slot is looked at, relative to the first.
    lists : ListMembers
        The items and given numbers of the slates that were given lists.
    """

    users: IntArray
    moments: IntArray
    contexts: list[dict[str, Any]]
    items: IntArray
    chances: FloatArray
    outcomes: dict[str, FloatArray]
    examined: FloatArray
    lists: ListMembers

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"LoggedSlates({len(self):,} slates of up to {self.items.shape[1]} slots)"

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """Slates whose chances are all known, and that were drawn at random in at least one slot, bool (n_slates,)."""
        shown = self.items >= 0
        known = (~np.isnan(self.chances) | ~shown).all(1)
        return np.asarray(known & ((self.chances < 1) & shown).any(1))

    def utility(self, weights: Mapping[str, float], scales: Mapping[str, float]) -> FloatArray:
        """Return the utility of what followed, Σ weight × outcome ÷ scale; 0 for an empty slot."""
        return combine(self.outcomes, weights, scales)


def combine(
    values: Mapping[str, FloatArray], weights: Mapping[str, float], scales: Mapping[str, float]
) -> FloatArray:
    """Return Σ weight × value ÷ scale over objectives; an unknown value counts as 0."""
    parts = [weights[name] / scales[name] * np.nan_to_num(values[name]) for name in weights if weights[name]]
    return np.asarray(np.sum(parts, axis=0), np.float64)


def read_logged_slates(
    project: Project, dataset: Dataset, start: int, end: int, most: int = MAX_SLATES
) -> LoggedSlates | None:
    """Read the slates that a log shows in start ≤ time < end (ms); None if it has none with positions.

    Parameters
    ----------
    project
        Its objectives say what counts as an outcome.
    dataset
        The log; outcomes after `end` count too.
    start, end
        The time of the slates.
    most
        More slates are thinned out evenly over time.
    """
    log = dataset.log
    rng = np.random.default_rng(project.seed)
    past = shown_slates(dataset, start, end, RankSettings(max_rows=MAX_SLATES * MAX_SLOTS), rng)
    pairs = [
        (part[(log.position[part] >= 0) & (log.position[part] < MAX_SLOTS)], part)
        for part in past.shown or ()
    ]
    pairs = [(part, whole) for part, whole in pairs if len(part)]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: int(log.time[pair[0][0]]))
    if len(pairs) > most:
        pairs = [pairs[at] for at in np.linspace(0, len(pairs) - 1, most).astype(int)]
    parts = [part for part, _ in pairs]
    compares = any(feature.get("kind") == "within_list" for feature in project.features)
    rows = np.concatenate(parts)
    slate = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    slot = log.position[rows].astype(np.int64)
    shape = len(parts), int(slot.max()) + 1
    first = np.array([part[0] for part in parts])

    def matrix(values: NDArray[Any], empty: float) -> FloatArray:
        made = np.full(shape, empty, np.float64)
        made[slate, slot] = values
        return made

    moments = log.time[first]
    return LoggedSlates(
        log.user[first].astype(np.int64),
        moments,
        [
            {name: value for name, a in log.context.items() if (value := a.show(row)) is not None}
            for row in first.tolist()
        ],
        matrix(log.item[rows], -1).astype(np.int64),
        matrix(log.propensity[rows], np.nan),
        {
            name: matrix(labels(log, objective, log.user[rows], log.item[rows], log.time[rows] - 1), np.nan)
            for name, objective in project.objectives.items()
        },
        _examined(project.objectives, dataset, shape[1], project.seed),
        list_members(dataset, [whole for _, whole in pairs], compares),
    )


def _examined(objectives: Mapping[str, Objective], dataset: Dataset, slots: int, seed: int) -> FloatArray:
    """How often each slot is looked at, from the clicks of the log; 1 everywhere if there are too few."""
    clicked = next((o for o in objectives.values() if o.kind == "probability" and o.given is None), None)
    chosen = next(iter(objectives.values())) if clicked is None else clicked
    curve = estimate_examination(dataset, chosen, resamples=1, seed=seed)
    return np.clip(curve.at(np.arange(slots)), MIN_EXAMINATION, 1 / MIN_EXAMINATION)

"""A rough estimate of each example's probability of a positive outcome, by which unobserved outcomes are weighted.

An observed negative is a true one with a probability that depends on how likely a positive outcome was (`censoring`). So a model of it is
needed before the model itself. The weights depend little on how exact it is: a positive outcome changes the weight of an
example by at most its probability times the share that was not observed. A few trees of large steps on a sample of the rows are
enough, and joint and separate heads use the same estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rank import RankSettings
from shortlist.config.short_repr import ShortRepr
from shortlist.rank.gbdt.boosting_data import BinnedFeatures, BoostingData
from shortlist.rank.gbdt.train import Boosting
from shortlist.rank.targets import Head, Target

ROWS = 100_000
"""Training rows of the first pass; more are sampled."""
SHARE, STEP = 4, 3.0
"""It has this fraction of the trees, with steps as many times larger."""
MAX_STEP = 0.3
"""Largest step, as a learning rate."""

Chances = Mapping[str, tuple[NDArray[np.float32], ...]]
"""Objective → its probability for each row of each part; only of objectives that need it."""


@dataclass(frozen=True, eq=False, repr=False)
class LearningRows(ShortRepr):
    """Training or validation rows, with a target for every head."""

    features: BinnedFeatures
    request: NDArray[np.int64]
    targets: Mapping[str, Target]

    def sample(self, most: int, seed: int) -> LearningRows:
        """Return at most so many rows, drawn at random."""
        if len(self.features) <= most:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.features), most, replace=False))
        targets = {name: target.rows(rows) for name, target in self.targets.items()}
        return LearningRows(self.features.rows(rows), self.request[rows], targets)


def first_pass(
    heads: Sequence[Head],
    parts: tuple[LearningRows, LearningRows],
    settings: RankSettings,
    seed: int,
    threads: int,
) -> Chances:
    """Estimate the probability of each objective that has unobserved outcomes, and of those that it requires.

    Parameters
    ----------
    heads
        Each after the one that it requires.
    parts
        Training and validation rows.
    settings, seed, threads
        As for the model itself.

    Returns
    -------
    mapping
        Empty where every outcome was observed.
    """
    needed = _needed(heads, parts[0])
    rough = settings.model_copy(
        update={
            "trees": -(-settings.trees // SHARE),
            "learning_rate": max(min(settings.learning_rate * STEP, MAX_STEP), settings.learning_rate),
        }
    )
    sampled = tuple(part.sample(ROWS, seed) for part in parts)
    found: dict[str, tuple[NDArray[np.float32], ...]] = {}
    of_sample: dict[str, tuple[NDArray[np.float32], ...]] = {}
    for head in heads:
        if head.name not in needed:
            continue
        # margins of a listwise loss are no probabilities
        own = replace(head, loss_name="chain" if head.given else "logistic")
        data = [
            BoostingData(
                part.features,
                part.request,
                [replace(part.targets[head.name], loss=own.loss)],
                None if head.given is None else of_sample[head.given][side],
            )
            for side, part in enumerate(sampled)
        ]
        boosted = Boosting([own], rough, seed, threads, *data).boost(rough.trees)
        for chances, rows in ((found, parts), (of_sample, sampled)):
            chances[head.name] = tuple(
                own.loss.value(
                    boosted.margins(part.features)[:, 0],
                    np.ones(1, np.float32) if head.given is None else chances[head.given][side],
                ).astype(np.float32)
                for side, part in enumerate(rows)
            )
    return found


def _needed(heads: Sequence[Head], training: LearningRows) -> set[str]:
    """Return the objectives whose probability is needed."""
    by_name = {head.name: head for head in heads}
    needed: set[str] = set()
    for head in heads:
        if (
            head.kind == "probability"
            and head.loss_name != "listwise"
            and training.targets[head.name].censored
        ):
            name: str | None = head.name
            while name is not None:
                needed.add(name)
                name = by_name[name].given
    return needed

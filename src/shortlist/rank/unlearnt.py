"""A warning of objectives that a ranker has hardly learnt."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import TrainingWarning
from shortlist.rank.training_set import TrainingSet

EQUAL = 1e-3
"""Predictions that differ by at most this share of their mean are equal."""


def warn_of_constants(
    objectives: Collection[str], training: TrainingSet, predictions: NDArray[np.float32]
) -> None:
    """Warn of objectives whose predictions are the same for every item, so that they cannot order anything.

    Parameters
    ----------
    objectives
        Their names.
    training
        What the ranker learnt from.
    predictions : ndarray of shape (rows, objectives), float32
        Of validation rows.
    """
    for name, column in zip(objectives, predictions.T, strict=True):
        mean = float(np.abs(column).mean()) if len(column) else 0.0
        if not len(column) or float(np.ptp(column)) > EQUAL * mean:
            continue
        labels = training.labels[name]
        fulfilled = int((np.nan_to_num(labels) != 0).sum())
        warnings.warn(
            f"objective {name!r} is hardly learnt: its prediction is {float(column.mean()):.3g} for every item. {fulfilled:,} of "
            f"{len(labels):,} examples fulfil it; it needs more events, or features that tell them apart",
            TrainingWarning,
            stacklevel=4,
        )

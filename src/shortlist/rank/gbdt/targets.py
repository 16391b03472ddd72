"""What each objective's head is fitted to: labels, weights and loss, from examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.errors import DataError
from shortlist.rank.censoring import base_chance, observation_weights
from shortlist.rank.gbdt.losses import LOSSES, Loss
from shortlist.rank.training_set import TrainingSet

AUTO = {"probability": "logistic", "amount": "tweedie", "grade": "squared"}


def loss_name(objective: Objective) -> str:
    if objective.loss != "auto":
        return objective.loss
    return "chain" if objective.given else AUTO[objective.kind]


@dataclass(frozen=True)
class Target:
    """One objective's side of the examples; float64 (rows,). Weight 0: not known here."""

    name: str
    loss: Loss
    label: np.ndarray
    weight: np.ndarray
    seen: np.ndarray
    """The chance that a positive would have been observed."""

    @property
    def hidden(self) -> bool:
        """Whether some positives may have gone unseen."""
        return bool((self.seen < 0.999).any())

    def weighted(self, chance: np.ndarray | float | None = None) -> np.ndarray:
        """What each row counts for, given the chance of a true positive (one for all where none is given)."""
        if not self.hidden:
            return self.weight
        if chance is None:
            chance = base_chance(self.label, self.seen, self.weight)
        return self.weight * observation_weights(self.label, self.seen, chance)


def make_target(project: Project, examples: TrainingSet, name: str, unit: float, training: bool) -> Target:
    """The target of one objective. Raises `DataError` where training examples never fulfil it."""
    objective = project.objectives[name]
    label = examples.labels[name].astype(np.float64)
    known = ~np.isnan(label)
    if training and (not known.any() or (objective.kind != "grade" and np.nanmax(label) <= 0)):
        where = project.where(f"objectives.{name}")
        raise DataError(
            f"{where}objectives.{name}: no example in the ranker's window fulfils it; widen evaluate.ranker_window",
            f"objectives.{name}",
        )
    if training and objective.kind == "amount" and np.nanmin(label) < 0:
        where = project.where(f"objectives.{name}")
        raise DataError(
            f"{where}objectives.{name}: the values of its events add up to less than 0; an amount is 0 or more",
            f"objectives.{name}",
        )
    seen = np.ones(len(label))
    if objective.kind != "grade":
        seen = seen * examples.arrived[name]
        if project.rank.position_bias == "weights":
            seen = seen * examples.examined
    return Target(
        name,
        LOSSES[loss_name(objective)],
        np.where(known, label, 0.0) / unit,
        np.where(known, examples.weights, 0.0).astype(np.float64),
        seen,
    )


def unit_of(objective: Objective, label: np.ndarray) -> float:
    """Amounts are learnt in units of their mean where not zero, so that steps of boosting are alike."""
    positive = label[label > 0]
    return float(positive.mean()) if objective.kind == "amount" and len(positive) else 1.0

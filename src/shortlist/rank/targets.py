"""Targets that a ranker is fitted to for each objective: labels, weights and a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.errors import DataError
from shortlist.rank.censoring import base_rate, observation_weights
from shortlist.rank.losses import LOSSES, Loss

if TYPE_CHECKING:
    from shortlist.rank.training_set import TrainingSet

AUTO = {"probability": "logistic", "amount": "tweedie", "grade": "squared"}
"""Kind of objective → loss if `loss = "auto"`."""


@dataclass(frozen=True, slots=True)
class Head:
    """One output of a ranker.

    Parameters
    ----------
    name
        The objective.
    kind
        probability, amount or grade.
    loss_name
        A key of `LOSSES`.
    given
        The objective that must happen first, or None.
    """

    name: str
    kind: str
    loss_name: str
    given: str | None

    @classmethod
    def of(cls, name: str, objective: Objective) -> Self:
        """Return the head of an objective; a chain of objectives has the loss `chain`."""
        loss = objective.loss
        if loss == "auto":
            return cls(
                name, objective.kind, "chain" if objective.given else AUTO[objective.kind], objective.given
            )
        return cls(name, objective.kind, loss, objective.given)

    @property
    def loss(self) -> Loss:
        """The loss."""
        return LOSSES[self.loss_name]


def heads_in_order(objectives: Mapping[str, Objective]) -> list[Head]:
    """Return the heads so that each one comes after the objective that it requires."""
    heads = {name: Head.of(name, objective) for name, objective in objectives.items()}

    def depth(head: Head) -> int:
        return 0 if head.given is None else 1 + depth(heads[head.given])

    return sorted(heads.values(), key=depth)


@dataclass(frozen=True, eq=False, repr=False)
class Target:
    """Labels and weights of one objective.

    Parameters
    ----------
    name
        The objective.
    loss
        The loss.
    label : ndarray of shape (rows,), float64
        What followed, in units of `unit_of`; 0 where it is unknown.
    weight : ndarray of shape (rows,), float64
        Weight of the example, 0 where the label is unknown.
    observed : ndarray of shape (rows,), float64
        The probability that a positive outcome would have been observed.
    chance : ndarray of shape (rows,), float32, optional
        Estimated probability of a true positive (`first_pass`), for the weights of unobserved outcomes.
    """

    name: str
    loss: Loss
    label: NDArray[np.float64]
    weight: NDArray[np.float64]
    observed: NDArray[np.float64]
    chance: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {len(self.label)} rows)"

    def rows(self, rows: NDArray[np.integer]) -> Target:
        """Return some of the rows."""
        chance = None if self.chance is None else self.chance[rows]
        return Target(self.name, self.loss, self.label[rows], self.weight[rows], self.observed[rows], chance)

    @property
    def censored(self) -> bool:
        """Whether some positive outcomes may not have been observed."""
        return bool((self.observed < 0.999).any())

    def weighted(self, probability: NDArray[np.floating] | float | None = None) -> NDArray[np.float64]:
        """Return the example weights after correction for unobserved outcomes.

        Parameters
        ----------
        probability
            Probability of a true positive, per row or for all (default: `chance`, or else the base rate).
        """
        if not self.censored:
            return self.weight
        if probability is None:
            probability = self.chance
        if probability is None:
            probability = base_rate(self.label, self.observed, self.weight)
        return np.asarray(self.weight * observation_weights(self.label, self.observed, probability))


def make_target(
    head: Head, examples: TrainingSet, unit: float = 1.0, position_weights: bool = False
) -> Target:
    """Make the target of one objective.

    Parameters
    ----------
    head
        The objective.
    examples
        The examples.
    unit
        Labels are divided by it.
    position_weights
        Whether `examples.examined` lowers the probability of observation.
    """
    label = examples.labels[head.name].astype(np.float64)
    known = ~np.isnan(label)
    observed = np.ones(len(label))
    if head.kind != "grade":
        observed = observed * examples.arrived[head.name]
        if position_weights:
            observed = observed * examples.examined
    return Target(
        head.name,
        head.loss,
        np.where(known, label, 0.0) / unit,
        np.where(known, examples.weights, 0.0).astype(np.float64),
        observed,
    )


def check_labels(head: Head, examples: TrainingSet) -> None:
    """Raise `DataError` if there are no training examples, if they never fulfil an objective, or if amounts are negative."""
    if not len(examples):
        raise DataError(
            "the requests of the ranker's window have no candidates: no source proposes an item that the user has not had. Where "
            "people take the same items again, set rerank.show_seen = true",
            "rerank.show_seen",
        )
    label = examples.labels[head.name]
    field = f"objectives.{head.name}"
    known = ~np.isnan(label)
    if not known.any() or (head.kind != "grade" and np.nanmax(label) <= 0):
        raise DataError(
            f"{field}: no example in the ranker's window fulfils it; widen evaluate.ranker_window", field
        )
    if head.kind == "amount" and np.nanmin(label) < 0:
        raise DataError(
            f"{field}: the values of its events add up to less than 0; an amount must be 0 or more", field
        )


def known_labels(label: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the labels that are known."""
    return label[~np.isnan(label)]


def unit_of(head: Head, label: NDArray[np.float32]) -> float:
    """Return the unit in which amounts are learnt: their mean where not zero, so that boosting steps are comparable."""
    positive = label[label > 0]
    return float(positive.mean()) if head.kind == "amount" and len(positive) else 1.0

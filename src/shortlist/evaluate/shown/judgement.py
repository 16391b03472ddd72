"""Which of several recommenders is better, by what was shown: the result with its reason, or that it cannot be told.

There are two ways, from what a log may contain.

- **by chance**: slates were drawn at random, with chances that are logged. The utility of the slates that a recommender would
  have shown is estimated (`slate_values`). This compares recommenders as they would serve. It needs overlap: if the log
  hardly shows what a recommender would show, the answer is that nothing can be told.
- **by order**: without chances, recommenders are compared by how they order the items that were shown (`order_values`).
  The items were selected by the engine that wrote the log, so among them its own predictions say less than those of
  another model. A model that orders worse here is worse; one that orders better need not be.

Beside both stand the errors of the predictions for what was shown: log loss and calibration error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from shortlist.config.objectives import Objective
from shortlist.evaluate.measures import mean_by_person
from shortlist.evaluate.offpolicy.overlap import Overlap, measure_overlap
from shortlist.evaluate.shown.logged_slates import FloatArray, IntArray, LoggedSlates, combine
from shortlist.evaluate.shown.model_answers import SHOWN, ModelAnswers
from shortlist.evaluate.shown.prediction_errors import PredictionError, compare_losses, prediction_errors
from shortlist.evaluate.shown.slate_values import drawing_weights, order_values, slate_values
from shortlist.metrics.significance import Comparison, PairedMetrics

Way = Literal["chance", "order"]
MIN_SLATES, MIN_PEOPLE = 200, 50
"""Fewer slates, or slates of fewer people, say nothing."""
TINY = 1e-15
"""Least prediction in a geometric mean."""
METRICS: dict[Way, str] = {
    "chance": "utility of a slate",
    "order": "utility of the shown items, in its order",
}


@dataclass(frozen=True, repr=False)
class Judgement:
    """A comparison in one of the two ways.

    Attributes
    ----------
    way : {"chance", "order"}
        How the recommenders were compared.
    comparisons : list of Comparison
        The subject minus each other recommender, in utility per slate.
    values : dict of str to float
        Recommender → mean utility per slate.
    slates, people : int
        Number of slates and of the people who saw them.
    """

    way: Way
    comparisons: list[Comparison]
    values: dict[str, float]
    slates: int
    people: int

    def __repr__(self) -> str:
        return f"Judgement(by {self.way}, {self.slates:,} slates of {self.people:,} people)"

    def against(self, other: str) -> Comparison | None:
        """Return the comparison of the subject with another recommender, if it was made."""
        return next((one for one in self.comparisons if one.b == other), None)

    def sentence(self, other: str) -> str:
        """State the result of one comparison."""
        one = self.against(other)
        assert one is not None
        unit = max(abs(self.values[other]), 1e-12)
        d = one.simultaneous
        numbers = (
            f"{d.value / unit:+.1%} {METRICS[self.way]} (95 %: {d.low / unit:+.1%} to {d.high / unit:+.1%}; "
            f"{self.slates:,} slates of {self.people:,} people)"
        )
        if one.verdict == "can't tell":
            return f"{one.a} cannot be told from {other}: {numbers}."
        return f"{one.a} is {one.verdict} than {other}: {numbers}."

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "comparisons": [one.to_json() for one in self.comparisons],
            "values": self.values,
            "slates": self.slates,
            "people": self.people,
        }


@dataclass(frozen=True, repr=False)
class ShownResult:
    """Comparisons by what was shown.

    Attributes
    ----------
    order : Judgement
        By the order of the items that were shown.
    chance : Judgement, optional
        By the chances with which slates were drawn; with those recommenders whose slates the log covers. None if it covers
        too little.
    refused : dict of str to str
        Recommender → why the chances say nothing about it.
    overlaps : dict of str to Overlap
        Recommender → how much of its slates the log covers; empty without chances.
    errors : dict of str to dict of str to PredictionError
        Objective → recommender → the error of its predictions for what was shown.
    losses : list of Comparison
        By how much the subject's log loss is lower than that of the others, for each objective that is a probability.
    """

    order: Judgement
    chance: Judgement | None = None
    refused: dict[str, str] = field(default_factory=dict)
    overlaps: dict[str, Overlap] = field(default_factory=dict)
    errors: dict[str, dict[str, PredictionError]] = field(default_factory=dict)
    losses: list[Comparison] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"ShownResult({self.order!r}, {self.chance!r})"

    def decides(self, other: str) -> tuple[Judgement, Comparison]:
        """Return what decides between the subject and another recommender.

        Chances, if they tell the two apart; else the order of what was shown, if that does; else what there is.
        """
        by_order = self.order.against(other)
        assert by_order is not None
        by_chance = None if self.chance is None else self.chance.against(other)
        if self.chance is None or by_chance is None:
            return self.order, by_order
        if by_chance.verdict == "can't tell" and by_order.verdict != "can't tell":
            return self.order, by_order
        return self.chance, by_chance

    def sentence(self, other: str) -> str:
        """State what decides, how it was found, and what it cannot say."""
        judgement, _ = self.decides(other)
        if judgement.way == "chance":
            return f"{judgement.sentence(other)} Estimated from the chances with which the slates were drawn."
        by_chance = None if self.chance is None else self.chance.against(other)
        reason = next((f"{of}: {why}" for of, why in self.refused.items() if of in (other, self.subject)), "")
        if self.chance is not None and by_chance is not None:
            reason = self.chance.sentence(other)
        before = f" The chances with which slates were drawn do not decide: {reason}" if reason else ""
        return (
            f"{judgement.sentence(other)} Judged by the order of the items that were shown, which the engine of the log "
            f"selected.{before} Whether other items would have been better cannot be told without exploration "
            "(rerank.explore) or an experiment."
        )

    @property
    def subject(self) -> str:
        """The recommender that is compared with the others."""
        return next(iter(self.order.values))

    def predictions(self) -> str:
        """State the errors of the predictions; empty without probabilities."""
        parts = []
        for objective, of in self.errors.items():
            each = ", ".join(
                f"{name} {error.log_loss:.4f} (calibration error {error.calibration_error:.4f})"
                for name, error in of.items()
            )
            parts.append(f"Log loss of {objective} for what was shown: {each}.")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "chance": None if self.chance is None else self.chance.to_json(),
            "order": self.order.to_json(),
            "decided_by": {one.b: self.decides(one.b)[0].way for one in self.order.comparisons},
            "refused": self.refused,
            "overlap": {name: overlap.to_json() for name, overlap in self.overlaps.items()},
            "predictions": {
                objective: {name: error.to_json() for name, error in of.items()}
                for objective, of in self.errors.items()
            },
            "log_loss": [one.to_json() for one in self.losses],
        }


def judge_shown(
    logged: LoggedSlates,
    answers: Mapping[str, ModelAnswers],
    objectives: Mapping[str, Objective],
    scales: Mapping[str, float],
    draws: int = 1000,
    seed: int = 0,
) -> ShownResult | None:
    """Compare recommenders by slates that were shown; the first one is the subject. None if there are too few slates.

    Parameters
    ----------
    logged
        The slates and what followed.
    answers
        Recommender → its answers (`ask_models`).
    objectives
        The objectives with their weights. Those that a recommender does not predict are left out for all.
    scales
        Objective → scale in the utility.
    draws, seed
        Bootstrap resamples of people, and their seed.
    """
    people = len(np.unique(logged.users))
    if len(logged) < MIN_SLATES or people < MIN_PEOPLE:
        return None
    models = {name: one for name, one in answers.items() if one.predictions}
    known = [name for name in objectives if all(name in one.predictions[SHOWN] for one in models.values())]
    weights = {name: objectives[name].weight for name in known if objectives[name].weight}
    if not weights:
        return None
    judged = _Judged(logged, answers, weights, scales, draws, seed)
    errors = {
        name: prediction_errors(logged, models, name)
        for name in known
        if objectives[name].kind == "probability"
    }
    more: dict[str, Any] = {
        "errors": {name: of for name, of in errors.items() if of},
        "losses": [one for name in errors for one in compare_losses(logged, models, name, draws, seed)],
    }
    order = judged.compared("order", judged.by_order(), np.arange(len(logged)))
    drawn = np.flatnonzero(logged.drawn)
    if len(drawn) < MIN_SLATES:
        return ShownResult(order, **more)
    values, overlaps = judged.by_chance(drawn)
    refusals = {name: overlap.refusal() for name, overlap in overlaps.items()}
    refused = {name: reason for name, reason in refusals.items() if reason}
    covered = {name: value for name, value in values.items() if name not in refused}
    chance = None
    if next(iter(answers)) in covered and len(covered) > 1:
        chance = judged.compared("chance", covered, drawn)
    return ShownResult(order, chance, refused, overlaps, **more)


class _Judged:
    """Slates and answers in units of utility."""

    def __init__(
        self,
        logged: LoggedSlates,
        answers: Mapping[str, ModelAnswers],
        weights: Mapping[str, float],
        scales: Mapping[str, float],
        draws: int,
        seed: int,
    ) -> None:
        self.logged, self.answers = logged, answers
        self.models = [one for one in answers.values() if one.predictions]
        self.weights, self.scales = weights, scales
        self.draws, self.seed = draws, seed
        self.per_look = logged.utility(weights, scales) / logged.examined

    def by_chance(self, rows: IntArray) -> tuple[dict[str, FloatArray], dict[str, Overlap]]:
        """The utility of each recommender's slates for some logged ones, and the overlap."""
        logged, examined = self.logged, self.logged.examined
        shown = logged.items[rows]
        weight = drawing_weights(shown, logged.chances[rows])
        per_look = self.per_look[rows]
        predicted = {of: self._fitted(of, rows, weight) for of in (SHOWN, *self.answers)}
        values, overlaps = {}, {}
        for name, one in self.answers.items():
            found = slate_values(
                shown, per_look, weight, one.target[rows], (predicted[SHOWN], predicted[name]), examined
            )
            values[name] = found.value
            reward = (per_look * examined).sum(1)
            overlaps[name] = measure_overlap(found.covered, reward, logged.users[rows])
        return values, overlaps

    def _fitted(self, of: str, rows: IntArray, weight: FloatArray) -> FloatArray:
        """Predictions of all recommenders together for some slates, per look, on the scale of the outcomes.

        The geometric mean of their predictions: an item that one of them overestimates was chosen for that by this one.
        """
        logged, fitted = self.logged, {}
        for name in self.weights:
            both = _together([one.predictions[of][name][rows] for one in self.models])
            own = _together([one.predictions[SHOWN][name][rows] for one in self.models])
            outcome = np.nan_to_num(logged.outcomes[name][rows]) / logged.examined
            known = ~np.isnan(logged.outcomes[name][rows])
            predicted = float((weight * own * known).sum())
            fitted[name] = both * (float((weight * outcome).sum()) / predicted if predicted > 0 else 0.0)
        return combine(fitted, self.weights, self.scales)

    def by_order(self) -> dict[str, FloatArray]:
        """The utility of the shown items in the order of each recommender."""
        logged = self.logged
        return {
            name: order_values(
                logged.items,
                self.per_look,
                combine(one.predictions[SHOWN], self.weights, self.scales)
                if one.scores is None
                else one.scores,
                logged.examined,
            )
            for name, one in self.answers.items()
        }

    def compared(self, way: Way, values: Mapping[str, FloatArray], rows: IntArray) -> Judgement:
        """Compare the first recommender with the others, person by person."""
        users = self.logged.users[rows]
        columns = {name: {METRICS[way]: mean_by_person(value, users)} for name, value in values.items()}
        subject, *others = values
        measured = PairedMetrics.from_values(columns, self.draws, self.seed)
        return Judgement(
            way,
            measured.compare([(subject, other) for other in others], METRICS[way]),
            {name: measured.mean(name, METRICS[way]) for name in values},
            len(rows),
            len(np.unique(users)),
        )


def _together(predictions: list[FloatArray]) -> FloatArray:
    """The geometric mean of predictions, over those that are known; 0 where none is."""
    stacked = np.stack(predictions)
    known = ~np.isnan(stacked)
    if bool((stacked < 0).any()):  # a grade below 0
        return np.asarray(np.nan_to_num(stacked).sum(0) / np.maximum(known.sum(0), 1))
    logs = np.where(known, np.log(np.maximum(np.nan_to_num(stacked), TINY)), 0.0).sum(0)
    number = known.sum(0)
    return np.where(number > 0, np.exp(logs / np.maximum(number, 1)), 0.0)

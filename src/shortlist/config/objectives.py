"""`[objectives.NAME]` and `[utility]`: what a shown item should achieve, and how objectives become one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from shortlist.config.base import Duration, SettingError, Settings, duration_ms
from shortlist.errors import suggestion

LOSSES = {
    "probability": {"logistic", "listwise"},
    "amount": {"tweedie", "weighted_logistic"},
    "grade": {"squared"},
}
"""Kind of objective → the losses that can learn it."""


class Objective(Settings):
    """An outcome of a shown item, within a window after it was shown.

    Three kinds of outcome are predicted:

    - `probability`: whether an event of these kinds follows (click, play, like);
    - `amount`: the total value that follows, zero if nothing does (seconds, money);
    - `grade`: the value of the event, given that it happens (a rating).
    """

    kind: Literal["probability", "amount", "grade"] = "probability"
    """The kind of quantity that is predicted."""
    events: list[str] = Field(min_length=1)
    """The event kinds that count."""
    at_least: float | None = None
    """Only events with at least this value count."""
    window: Duration = "30d"
    """How long after the impression an event counts."""
    weight: float = 1.0
    """Weight in the utility. Requests can change it."""
    given: str | None = None
    """Another objective of kind probability that must happen first (a purchase requires a click). The probability is then
    learnt as the product of both, over all shown items."""
    loss: Literal["auto", "logistic", "listwise", "tweedie", "weighted_logistic", "squared"] = "auto"
    """The loss that its trees minimise. auto: logistic for a probability, tweedie for an amount, squared for a grade.
    listwise (the softmax over the candidates of a request) learns the order only, and is calibrated afterwards: for requests with one
    wanted item. weighted_logistic learns an amount as odds."""

    @model_validator(mode="after")
    def _check_loss(self) -> Objective:
        losses = LOSSES[self.kind]
        if self.loss not in losses | {"auto"}:
            raise SettingError(
                "loss",
                f"loss = {self.loss!r} is not for a {self.kind}; use {' or '.join(sorted(losses))}",
            )
        if self.given is not None and (self.kind != "probability" or self.loss not in {"auto", "logistic"}):
            raise SettingError("given", "given requires kind = 'probability' and loss = 'logistic' or 'auto'")
        return self

    @property
    def window_ms(self) -> int:
        """The window in milliseconds."""
        return duration_ms(self.window)


class UtilitySettings(Settings):
    """How objectives become one number (`[utility]`). Requests can change each of these without training."""

    combine: Literal["sum", "product"] = "sum"
    """sum: Σ weight × prediction ÷ its mean. product: Π (prediction ÷ its mean) ^ weight, so that an item must be good in
    all of them."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Guard-rails: objective → the lowest mean prediction of a slate, as far as the candidates allow."""


def check_objectives(objectives: Mapping[str, Objective]) -> None:
    """Raise `SettingError` if all weights are 0, or `given` names no probability or forms a cycle."""
    if all(objective.weight == 0 for objective in objectives.values()):
        raise SettingError("objectives", "every objective has weight 0; give at least one a weight")
    for name in objectives:
        path, given = [name], objectives[name].given
        while given is not None:
            if given not in objectives or objectives[given].kind != "probability":
                raise SettingError(
                    f"objectives.{path[-1]}.given",
                    f"given = {given!r} must be another objective of kind probability",
                )
            path.append(given)
            if given in path[:-1]:
                raise SettingError(
                    f"objectives.{name}.given", f"circular dependency: {' → '.join(path)}; remove one of them"
                )
            given = objectives[given].given


def check_objective_name(field: str, name: str, objectives: Mapping[str, Objective]) -> None:
    """Raise `SettingError` for `field` if `name` is not an objective."""
    if name not in objectives:
        known = f"objectives are: {', '.join(objectives)}"
        raise SettingError(field, f"{name!r} is not an objective{suggestion(name, objectives)}; {known}")

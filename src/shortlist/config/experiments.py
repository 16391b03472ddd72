"""`[experiments.NAME]`: A/B tests and interleaving on live traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from shortlist.config.base import SettingError, Settings
from shortlist.config.objectives import Objective, check_objective_name


class Arm(Settings):
    """One arm of an experiment: its share of the users, and what it changes in their requests. Other settings stay."""

    share: float = Field(1.0, gt=0)
    """Share of the users, relative to the other arms' shares."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Objective → weight in the utility."""
    combine: Literal["sum", "product"] | None = None
    """How objectives are combined."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Objective → the lowest mean prediction of a slate."""
    diversity: float | None = Field(None, ge=0, le=1)
    """Strength of diversity, 0 to 1."""
    freshness: float | None = Field(None, ge=0, le=10)
    """Strength of freshness, 0 to 10."""
    explore: float | None = Field(None, ge=0, le=5)
    """Strength of exploration, 0 to 5."""


class Experiment(Settings):
    """An experiment on live traffic. The first arm is the control."""

    arms: dict[str, Arm] = Field(min_length=2)
    """Name → arm."""
    metric: str
    """The objective that decides the experiment."""
    guard_rails: list[str] = Field(default_factory=list)
    """Objectives that must not become significantly worse."""
    method: Literal["ab", "interleave"] = "ab"
    """ab: each user sees one arm. interleave: every user sees both rankings mixed on one slate (two arms)."""
    people: int = Field(5_000, ge=100)
    """Expected number of users. Confidence sequences are tightest there; choose it before the start."""
    salt: str = ""
    """Part of the hash that assigns users to arms. A new salt assigns all users again."""


def check_experiments(experiments: Mapping[str, Experiment], objectives: Mapping[str, Objective]) -> None:
    """Raise `SettingError` if an experiment names an unknown objective, or interleaves other than two arms."""
    for name, experiment in experiments.items():
        field = f"experiments.{name}"
        check_objective_name(f"{field}.metric", experiment.metric, objectives)
        for guard_rail in experiment.guard_rails:
            check_objective_name(f"{field}.guard_rails", guard_rail, objectives)
        for arm_name, arm in experiment.arms.items():
            for setting in ("weights", "at_least"):
                for objective in getattr(arm, setting):
                    check_objective_name(f"{field}.arms.{arm_name}.{setting}", objective, objectives)
        if experiment.method == "interleave" and len(experiment.arms) != 2:
            raise SettingError(
                f"{field}.method",
                f"interleaving compares two arms, but the experiment has {len(experiment.arms)}",
            )

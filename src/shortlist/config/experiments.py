"""`[experiments.NAME]`: A/B tests and interleaving on live traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from shortlist.config.base import SettingError, Settings
from shortlist.config.objectives import Objective, check_objective_name
from shortlist.config.request_defaults import RequestDefaults, check_request_defaults


class Arm(RequestDefaults):
    """One arm of an experiment: its share of the users, and what it changes in their requests. Other settings stay."""

    share: float = Field(1.0, gt=0)
    """Share of the users, relative to the other arms' shares."""


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


def check_experiments(
    experiments: Mapping[str, Experiment], objectives: Mapping[str, Objective], calibration_by: str | None
) -> None:
    """Raise `SettingError` if an experiment names an unknown objective, or interleaves other than two arms.

    `calibration_by` is that of `[rerank]`: without it, no arm can calibrate.
    """
    for name, experiment in experiments.items():
        field = f"experiments.{name}"
        check_objective_name(f"{field}.metric", experiment.metric, objectives)
        for guard_rail in experiment.guard_rails:
            check_objective_name(f"{field}.guard_rails", guard_rail, objectives)
        for arm_name, arm in experiment.arms.items():
            check_request_defaults(f"{field}.arms.{arm_name}", arm, objectives, calibration_by)
        if experiment.method == "interleave" and len(experiment.arms) != 2:
            raise SettingError(
                f"{field}.method",
                f"interleaving compares two arms, but the experiment has {len(experiment.arms)}",
            )

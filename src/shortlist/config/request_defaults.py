"""Settings that requests have where they leave them open: of an arm of an experiment, and of a placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from shortlist.config.base import SettingError, Settings
from shortlist.config.objectives import Objective, check_objective_name

MAX_N = 200
"""The longest slate that can be requested."""


class RequestDefaults(Settings):
    """Defaults of the fields that requests leave open."""

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
    calibration: float | None = Field(None, ge=0, le=1)
    """Strength of genre calibration, 0 to 1."""
    explore: float | None = Field(None, ge=0, le=5)
    """Strength of exploration, 0 to 5."""

    def request_fields(self) -> dict[str, Any]:
        """Return the fields of a request that these settings fill: name → value, None or empty where they leave it open."""
        return {name: getattr(self, name) for name in RequestDefaults.model_fields}


def check_request_defaults(
    field: str, defaults: RequestDefaults, objectives: Mapping[str, Objective], calibration_by: str | None
) -> None:
    """Raise `SettingError` if the settings below `field` name an unknown objective, or calibrate without an attribute.

    Parameters
    ----------
    field
        The table of the settings.
    defaults
        The settings.
    objectives
        The project's objectives.
    calibration_by
        The project's `rerank.calibration_by`.
    """
    for setting in ("weights", "at_least"):
        for objective in getattr(defaults, setting):
            check_objective_name(f"{field}.{setting}", objective, objectives)
    if defaults.calibration and calibration_by is None:
        raise SettingError(
            f"{field}.calibration",
            "calibration needs rerank.calibration_by = the attribute whose shares are the user's tastes",
        )

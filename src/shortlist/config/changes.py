"""Settings that can change while a model serves: weights of objectives, how candidates become a slate, and placements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.config.placements import Placement
from shortlist.config.project import Project, parse_project
from shortlist.errors import ProjectError, suggestion

EDITABLE = ("rules", "diversity", "freshness", "calibration", "explore", "exposure_cap")
"""Settings of `[rerank]` that operators can change while a model serves. The others belong to what was trained."""


def editable_settings(project: Project) -> dict[str, dict[str, Any]]:
    """Return the settings of a project that operators can change: {"rerank": {…}, "weights": {…}, "placements": {…}}."""
    rerank = project.rerank.model_dump()
    return {
        "rerank": {name: rerank[name] for name in EDITABLE},
        "weights": {name: objective.weight for name, objective in project.objectives.items()},
        "placements": {name: _written(placement) for name, placement in project.placements.items()},
    }


def _written(placement: Placement) -> dict[str, Any]:
    """Return what a placement sets; its rules whole, like those of `[rerank]`."""
    found = placement.model_dump(exclude_defaults=True)
    return found | {"rules": [rule.model_dump() for rule in placement.rules]} if placement.rules else found


def check_editable(rerank: Mapping[str, Any]) -> None:
    """Raise `ProjectError` for a setting of `[rerank]` that operators cannot change."""
    for name in rerank:
        if name not in EDITABLE:
            raise ProjectError(
                f"rerank.{name}: operators cannot change this setting{suggestion(name, EDITABLE)}; they can change: "
                f"{', '.join(EDITABLE)}",
                field=f"rerank.{name}",
            )


def changed_project(
    project: Project,
    rerank: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    placements: Mapping[str, Any] | None = None,
) -> Project:
    """Return a project with other settings of serving, checked as a project file is.

    Parameters
    ----------
    project
        The project of a trained model.
    rerank
        Settings of `[rerank]` that differ. `rules` replaces all rules.
    weights
        Objective → weight. Objectives that are not named keep theirs.
    placements
        Placement → all of its settings. Placements that are not named keep theirs; a name that the project does not have is a new one.

    Raises
    ------
    ProjectError
        Names the setting that is wrong, such as `rerank.rules.0.when`.
    """
    settings = project.model_dump()
    settings["rerank"] |= rerank or {}
    for name, weight in (weights or {}).items():
        if name not in project.objectives:
            raise ProjectError(
                f"weights.{name}: there is no such objective{suggestion(name, project.objectives)}; there are: "
                f"{', '.join(project.objectives)}",
                field=f"weights.{name}",
            )
        settings["objectives"][name]["weight"] = weight
    for name, placement in (placements or {}).items():
        settings["placements"][name] = placement
    try:
        found = parse_project(settings, "settings")
    except ProjectError as error:
        raise ProjectError(error.message, field=_as_given(error.field)) from None
    return project.model_copy(
        update={"rerank": found.rerank, "objectives": found.objectives, "placements": found.placements}
    )


def _as_given(field: str | None) -> str | None:
    """Return the name of a setting as callers give it: `weights.play` for `objectives.play.weight`."""
    parts = (field or "").split(".")
    return ".".join(["weights", *parts[1:2]]) if parts[0] == "objectives" else field

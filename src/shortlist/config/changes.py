"""Settings that can change while a model serves: the weights of objectives, and how candidates become a slate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.config.project import Project, parse_project
from shortlist.errors import ProjectError, suggestion


def changed_project(
    project: Project, rerank: Mapping[str, Any] | None = None, weights: Mapping[str, float] | None = None
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
    found = parse_project(settings, "settings")
    return project.model_copy(update={"rerank": found.rerank, "objectives": found.objectives})

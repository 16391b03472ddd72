"""Rankers by the name that a project file gives: `[rank] model`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shortlist.config.plugins import PluginRegistry
from shortlist.config.project import Project
from shortlist.errors import ProjectError
from shortlist.rank.base import Ranker

R = TypeVar("R", bound=Ranker)

RANKERS: PluginRegistry[Ranker] = PluginRegistry(
    "ranker",
    Ranker,
    "shortlist.rankers",
    {
        "gbdt": "shortlist.rank.gbdt.ranker:GBDTRanker",
        "multitask": "shortlist.rank.multitask.ranker:MultitaskRanker",
    },
)
"""Built-in and registered rankers. Packages add theirs by an entry point of the group `shortlist.rankers`."""


def register_ranker(name: str) -> Callable[[type[R]], type[R]]:
    """Register a ranker class, so that `[rank] model = "name"` selects it.

    Parameters
    ----------
    name
        The name in the project file.

    Examples
    --------
    >>> import shortlist
    >>> @shortlist.register_ranker("mine")  # doctest: +SKIP
    ... class MyRanker(shortlist.Ranker): ...
    """
    return RANKERS.register(name)


def make_ranker(project: Project) -> Ranker:
    """Construct the ranker that a project names.

    Raises
    ------
    ProjectError
        For an unknown name, and for options that the ranker does not have; names file and line.
    """
    cls = RANKERS.find(project.rank.model, project.where, "rank.model")
    try:
        return cls(project.rank, project.objectives, project.seed)
    except ProjectError as error:
        place = project.where(error.field) if error.field else ""
        raise ProjectError(f"{place}{error}", field=error.field) from None


def load_ranker(folder: Path, project: Project) -> Ranker:
    """Read a ranker that was saved with this project."""
    cls = RANKERS.find(project.rank.model, project.where, "rank.model")
    return cls.load(folder, project.rank, project.objectives, project.seed)

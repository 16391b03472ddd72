"""The settings of an estimator, as scikit-learn reads and copies them."""

from __future__ import annotations

from typing import Any, Self

from shortlist.config.project import Project


class ProjectParams:
    """What scikit-learn's `clone` and parameter searches ask of an estimator whose one parameter is a project.

    Parameters
    ----------
    project
        Settings; None where `fit` guesses them.
    """

    def __init__(self, project: Project | None = None) -> None:
        self._project = project

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - as in scikit-learn
        """Return the settings, as scikit-learn's estimators do."""
        return {"project": self._project}

    def set_params(self, project: Project | None) -> Self:
        """Replace the settings; a fitted estimator answers by the earlier ones until the next `fit`."""
        self._project = project
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(self._project)

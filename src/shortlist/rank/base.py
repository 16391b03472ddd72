"""The interface of rankers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.rank import RankSettings
from shortlist.errors import NotFittedError
from shortlist.rank.calibration import Calibration

if TYPE_CHECKING:
    from shortlist.rank.training_set import TrainingSet


class Ranker(ABC):
    """Predicts every objective for each candidate of a request.

    A ranker is fitted once and then only read: `predict` is called by several threads at a time and must not write to
    the object. `fit` does not change `settings`. Derive a class, implement `fit`, `predict`, `save` and `load`, and
    register it with `@shortlist.register_ranker("name")`; `[rank] model = "name"` selects it.

    Parameters
    ----------
    settings
        The project's `[rank]`. `settings.options` holds the ranker's own settings.
    objectives
        Name → objective. Predictions have one column per objective, in this order.
    seed
        Seed of everything random in `fit`.

    Attributes
    ----------
    feature_names_ : list of str
        The features, in the order of the columns that `predict` takes.
    calibration_ : mapping of str to Calibration
        Objective → calibration, as far as the ranker calibrates.

    Raises
    ------
    NotFittedError
        From every method that answers, before `fit`.

    Examples
    --------
    >>> from shortlist.config.project import parse_project
    >>> from shortlist.rank.registry import make_ranker
    >>> make_ranker(parse_project({"rank": {"trees": 50}}))
    GBDTRanker(event; not fitted)
    """

    def __init__(self, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0) -> None:
        self.settings = settings
        self.objectives = objectives
        self.seed = seed

    @abstractmethod
    def fit(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: Ranker | None = None,
    ) -> Self:
        """Learn from examples.

        Parameters
        ----------
        examples
            Requests of the ranker window.
        validation
            Later requests, for early stopping and calibration.
        progress
            Called with the fraction done.
        earlier
            A ranker of an earlier model, from which training may continue.
        """

    def refitted(
        self,
        examples: TrainingSet,
        validation: TrainingSet,
        progress: Callable[[float], None] | None = None,
        earlier: Ranker | None = None,
    ) -> Self:
        """Return a ranker that has learnt from the validation slice, too (`rank.refit`).

        `fit` has made its choices with the validation slice, such as how long to train, and its calibration. Now these are known, the
        newest events are examples like others. This ranker is not changed. A ranker that cannot be refitted returns itself, which is
        what this method does unless it is overridden.

        Parameters
        ----------
        examples, validation, progress, earlier
            As `fit` got them.
        """
        del examples, validation, progress, earlier
        return self

    @abstractmethod
    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict every objective.

        Parameters
        ----------
        features : ndarray of shape (rows, features), float32
            NaN where a value is missing.

        Returns
        -------
        ndarray of shape (rows, objectives), float32
            Probabilities, expected amounts or grades, calibrated.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted ranker as data files into a folder. Code and pickles are not allowed."""

    @classmethod
    @abstractmethod
    def load(
        cls, folder: Path, settings: RankSettings, objectives: Mapping[str, Objective], seed: int = 0
    ) -> Self:
        """Read what `save` wrote."""

    @property
    @abstractmethod
    def feature_names_(self) -> list[str]:
        """The features, in the order of the columns."""

    @property
    def calibration_(self) -> Mapping[str, Calibration]:
        """Objective → calibration; empty if the ranker does not use this library's."""
        return {}

    @property
    def choice(self) -> str:
        """The choice of the training between variants of the ranker, in words; empty where there was no choice."""
        return ""

    def importance(self, objective: str) -> dict[str, float]:
        """Return each feature's share of what the ranker learnt, largest first; empty if it is not known."""
        del objective
        return {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's `clone` expects them."""
        del deep
        return {"settings": self.settings, "objectives": self.objectives, "seed": self.seed}

    def set_params(self, **params: Any) -> Self:
        """Refuse to change parameters: they are immutable. Construct a new ranker."""
        if params:
            raise TypeError(f"{type(self).__name__} is immutable; construct a new one")
        return self

    def __repr__(self) -> str:
        try:
            state = f"fitted on {len(self.feature_names_)} features"
        except NotFittedError:
            state = "not fitted"
        return f"{type(self).__name__}({', '.join(self.objectives)}; {state})"

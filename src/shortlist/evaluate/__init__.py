"""Evaluation of recommenders: protocols, metrics, intervals, comparisons, slices and warnings.

The module is callable, so that `shortlist.evaluate(recommender, dataset)` works whether or not the package was imported
before. Given a recommender or a project, it trains and tests (`protocol.py`); given tables of recommendations, it
evaluates them (`external.py`).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any, overload

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress
from shortlist.evaluate import protocol
from shortlist.evaluate.external import evaluate_recommendations
from shortlist.evaluate.protocol import Other
from shortlist.evaluate.report import Report
from shortlist.recommender import Recommender
from shortlist.simulate.world import TrueOutcome


@overload
def evaluate(
    what: Recommender | Project,
    dataset: Dataset,
    progress: Progress = ...,
    truth: TrueOutcome | Mapping[str, TrueOutcome] | None = ...,
    others: Mapping[str, Other] | None = ...,
) -> Report: ...
@overload
def evaluate(what: object, dataset: Dataset | None = ..., **options: Any) -> Report: ...


def evaluate(what: Any, *arguments: Any, **options: Any) -> Report:
    """Evaluate a recommender or a project on a data set, or tables of recommendations.

    Parameters
    ----------
    what : Recommender, Project, mapping of str to table, or table
        A recommender or a project is trained and tested by `protocol.evaluate`; tables are evaluated by
        `evaluate_recommendations`. Further arguments are those of the two functions.
    """
    if isinstance(what, (Recommender, Project)):
        return protocol.evaluate(what, *arguments, **options)
    return evaluate_recommendations(what, *arguments, **options)


class _Callable(types.ModuleType):
    def __call__(self, what: Any, *arguments: Any, **options: Any) -> Report:
        return evaluate(what, *arguments, **options)


sys.modules[__name__].__class__ = _Callable

__all__ = ["Report", "evaluate", "evaluate_recommendations"]

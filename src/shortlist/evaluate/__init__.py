"""Evaluation of recommenders: protocols, metrics, intervals, comparisons, slices and warnings.

The module is callable, so that `shortlist.evaluate(recommender, dataset)` works whether or not the package was imported
before. Given a recommender or a project, it trains and tests (`protocol.py`); given tables of recommendations, it
evaluates them (`external.py`). Its modules are imported when they are first used: `shortlist check` needs one of them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import lazy_loader

if TYPE_CHECKING:
    import pyarrow as pa

    from shortlist.config.project import Project
    from shortlist.data.dataset import Dataset
    from shortlist.data.progress import Progress
    from shortlist.evaluate.external import evaluate_recommendations
    from shortlist.evaluate.protocol import Other
    from shortlist.evaluate.report import Report
    from shortlist.evaluate.train_test import RetrieverReport, evaluate_retriever
    from shortlist.recommender import Recommender
    from shortlist.simulate.world import TrueOutcome

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "external": ["evaluate_recommendations"],
        "report": ["Report"],
        "train_test": ["RetrieverReport", "evaluate_retriever"],
    },
)


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
@overload
def evaluate(
    *,
    train: Any,
    test: Any,
    retriever: str = ...,
    k: int = ...,
    settings: dict[str, Any] | None = ...,
    progress: Progress = ...,
) -> RetrieverReport: ...


def evaluate(what: Any = None, *arguments: Any, **options: Any) -> Report | RetrieverReport:
    """Evaluate a recommender or a project on a data set, tables of recommendations, or a retriever on two tables.

    Parameters
    ----------
    what : Recommender, Project, mapping of str to table, or table
        A recommender or a project is trained and tested by `protocol.evaluate`; tables are evaluated by
        `evaluate_recommendations`. Further arguments are those of the two functions. Without it, `evaluate_retriever` fits
        `retriever` on the table `train` and tests it on the table `test`, as `shortlist evaluate --train --test` does; the
        tables are frames or the names of files.

    Examples
    --------
    >>> shortlist.evaluate(train=train, test=test, retriever="neighbours")  # doctest: +SKIP
    """
    if what is None:
        return _evaluate_tables(*arguments, **options)
    from shortlist.config.project import Project
    from shortlist.evaluate import external, protocol
    from shortlist.recommender import Recommender

    if isinstance(what, (Recommender, Project)):
        return protocol.evaluate(what, *arguments, **options)
    return external.evaluate_recommendations(what, *arguments, **options)


def _evaluate_tables(
    *, train: Any, test: Any, retriever: str = "auto", k: int = 20, **options: Any
) -> RetrieverReport:
    from shortlist.evaluate import train_test
    from shortlist.evaluate.train_test_tables import train_test_tables

    train, train_name = _table(train, "train")
    test, test_name = _table(test, "test")
    return train_test.evaluate_retriever(
        train_test_tables(train, test, train_name, test_name), retriever, k, **options
    )


def _table(given: Any, name: str) -> tuple[pa.Table, str]:
    from shortlist.data.frames import to_arrow
    from shortlist.engines.duckdb import read_table

    if isinstance(given, (str, Path)):
        return read_table(str(given)), str(given)
    return to_arrow(given, name), name


class _Callable(types.ModuleType):
    def __call__(self, what: Any = None, *arguments: Any, **options: Any) -> Report | RetrieverReport:
        return evaluate(what, *arguments, **options)


sys.modules[__name__].__class__ = _Callable

__all__ = ["Report", "RetrieverReport", "evaluate", "evaluate_recommendations", "evaluate_retriever"]

"""Is it any good, and how do we know.

`shortlist.evaluate` is this room and also the function that a person calls: the module is callable, so that
`shortlist.evaluate(recommender, dataset)` works whether or not the room was imported before. Given a recommender or a
project it trains and tests (`protocol.py`); given tables of recommendations it judges them (`foreign.py`).
"""

from __future__ import annotations

import sys
import types
from typing import Any

from shortlist.config.project import Project
from shortlist.evaluate.external import evaluate_recommendations
from shortlist.evaluate.protocol import evaluate
from shortlist.evaluate.report import Report
from shortlist.recommender import Recommender


class _Callable(types.ModuleType):
    def __call__(self, what: Any, *arguments: Any, **named: Any) -> Report:
        if isinstance(what, (Recommender, Project)):
            return evaluate(what, *arguments, **named)
        return evaluate_recommendations(what, *arguments, **named)


sys.modules[__name__].__class__ = _Callable

__all__ = ["Report", "evaluate", "evaluate_recommendations"]

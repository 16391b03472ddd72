"""Is it any good, and how do we know.

`shortlist.evaluate` is this room and also the function that a person calls: the module is callable, so that
`shortlist.evaluate(recommender, dataset)` works whether or not the room was imported before.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from shortlist.evaluate.protocol import Report, evaluate


class _Callable(types.ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Report:
        return evaluate(*arguments, **named)


sys.modules[__name__].__class__ = _Callable

__all__ = ["Report", "evaluate"]

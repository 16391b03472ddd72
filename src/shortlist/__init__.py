"""Shortlist is a recommender system: from an event log to a served slate of items.

The public names are listed in `__init__.pyi`, and each is imported when it is first used, so that `import shortlist`
loads no numerical library. A typical session::

    import shortlist

    project = shortlist.read_project("shortlist.toml")
    dataset = shortlist.Dataset.from_project(project)
    recommender = shortlist.Recommender(project).fit(dataset)
    recommender.recommend(user="u42", n=10)
    report = shortlist.evaluate(recommender, dataset)
"""

from __future__ import annotations

import importlib
from typing import Any

import lazy_loader

from shortlist.threads import wait_passively

wait_passively()  # before a library with threads is loaded

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name == "evaluate":
        # a package that is also callable: it evaluates recommenders, projects and tables of recommendations
        return importlib.import_module("shortlist.evaluate")
    return _load(name)

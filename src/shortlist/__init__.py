"""Shortlist: given a list of possibilities and a person's past choices, suggest what may interest them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shortlist.version import __version__ as __version__

if TYPE_CHECKING:
    from shortlist.config.project import Project, read_project
    from shortlist.data.dataset import Dataset
    from shortlist.data.slates import Slate, Slates
    from shortlist.errors import ShortlistError
    from shortlist.evaluate import evaluate
    from shortlist.features.custom import feature
    from shortlist.recommender import Recommender

_WHERE = {
    "Dataset": "shortlist.data.dataset",
    "Project": "shortlist.config.project",
    "Recommender": "shortlist.recommender",
    "ShortlistError": "shortlist.errors",
    "Slate": "shortlist.data.slates",
    "Slates": "shortlist.data.slates",
    "evaluate": "shortlist.evaluate",
    "feature": "shortlist.features.custom",
    "read_project": "shortlist.config.project",
}
__all__ = [
    "Dataset",
    "Project",
    "Recommender",
    "ShortlistError",
    "Slate",
    "Slates",
    "evaluate",
    "feature",
    "read_project",
]


def __getattr__(name: str) -> Any:
    """Names are imported when first used, so that `shortlist --help` does not wait for XGBoost."""
    if name in _WHERE:
        import importlib

        found = importlib.import_module(_WHERE[name])
        # the room `evaluate` is callable itself, and is what the name stands for once it is imported
        return found if name == "evaluate" else getattr(found, name)
    raise AttributeError(f"module 'shortlist' has no attribute {name!r}")

"""Shortlist: given a list of possibilities and a person's past choices, suggest what may interest them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from shortlist.data.dataset import Dataset
    from shortlist.errors import ShortlistError
    from shortlist.evaluate import evaluate
    from shortlist.features.custom import feature
    from shortlist.project import Project, read_project
    from shortlist.recommender import Recommender
    from shortlist.slate import Slate, Slates

_WHERE = {
    "Dataset": "shortlist.data.dataset",
    "Project": "shortlist.project",
    "Recommender": "shortlist.recommender",
    "ShortlistError": "shortlist.errors",
    "Slate": "shortlist.slate",
    "Slates": "shortlist.slate",
    "evaluate": "shortlist.evaluate",
    "feature": "shortlist.features.custom",
    "read_project": "shortlist.project",
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

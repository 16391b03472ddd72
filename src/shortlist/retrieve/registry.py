"""Every retriever by the name that a project file calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shortlist.config.plugins import PluginRegistry
from shortlist.errors import BundleError
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.persistence import read_meta

R = TypeVar("R", bound=Retriever)

RETRIEVERS: PluginRegistry[Retriever] = PluginRegistry(
    "retriever",
    Retriever,
    "shortlist.retrievers",
    {
        "popular": "shortlist.retrieve.popular:Popular",
        "again": "shortlist.retrieve.again:Again",
        "neighbours": "shortlist.retrieve.neighbours:Neighbours",
        "als": "shortlist.retrieve.als:ALS",
        "slim": "shortlist.retrieve.slim:SLIM",
        "spectral": "shortlist.retrieve.spectral:Spectral",
        "sequential_slim": "shortlist.retrieve.sequential_slim:SequentialSLIM",
        "sequence": "shortlist.retrieve.sequence:Sequence",
        "transformer": "shortlist.retrieve.transformer:Transformer",
        "two_tower": "shortlist.retrieve.two_tower:TwoTower",
        "content": "shortlist.retrieve.content:Content",
        "together": "shortlist.retrieve.together:Together",
        "demographic": "shortlist.retrieve.demographic:Demographic",
    },
)
"""Model name → class: ours, those registered by `register_retriever`, and those of installed packages."""


def register_retriever(name: str) -> Callable[[type[R]], type[R]]:
    """Make a retriever usable by name: in `shortlist.toml`, in evaluation and tuning, and in bundles.

    A class decorator. A package that is installed beside Shortlist can announce its retrievers in the entry-point group
    `shortlist.retrievers` instead, and is then found without an import.

    Parameters
    ----------
    name
        The name, as `model = "…"` in `[[retrieve.sources]]` gives it.

    Raises
    ------
    ProjectError
        Where the name is taken, or the class does not extend `Retriever`.

    Examples
    --------
    >>> @register_retriever("newest")  # doctest: +SKIP
    ... class Newest(Retriever): ...
    """
    return RETRIEVERS.register(name)


def load_retriever(folder: str | Path) -> Retriever:
    """Read a retriever that was saved into a folder, whichever kind it is.

    Nothing of the folder is imported or run: the class must be registered by the program that loads it.

    Raises
    ------
    BundleError
        Where the folder holds no retriever, is damaged, or its model is not registered.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    name = meta["model"]
    if name not in RETRIEVERS:
        came_from = f" (saved from the class {meta['class']})" if isinstance(meta.get("class"), str) else ""
        raise BundleError(
            f"{folder} holds a retriever of the model {name!r}{came_from}, which is not registered; install the package "
            f"that announces it in the entry-point group {RETRIEVERS.group!r}, or import the module that calls "
            f"register_retriever({name!r})"
        )
    try:
        return RETRIEVERS[name].load(folder)
    except BundleError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{folder}: the {name} retriever cannot be read: {error}") from None

"""From the whole catalogue to some hundred candidates. Every retriever is a function of a history."""

from __future__ import annotations

from typing import Any

from shortlist.config.validate import validate_settings
from shortlist.errors import ProjectError
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Candidates, Requests, Retriever
from shortlist.retrieve.content import Content
from shortlist.retrieve.fusion.fuse import Fuse
from shortlist.retrieve.neighbours import Neighbours
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.registry import MODELS, load_retriever
from shortlist.retrieve.sequence import Sequence
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.spectral import Spectral


def make_retrievers(sources: list[dict[str, Any]]) -> dict[str, Retriever]:
    """The retrievers a project names, by name (`name`, or the model's). Raises `ProjectError` naming the setting."""
    retrievers: dict[str, Retriever] = {}
    for number, settings in enumerate(sources):
        where = f"retrieve.sources[{number}]"
        rest = {k: v for k, v in settings.items() if k not in {"model", "name"}}
        model = settings.get("model")
        if model not in MODELS:
            raise ProjectError(f"{where}: model = {model!r}; there are: {', '.join(MODELS)}", field="model")
        name = str(settings.get("name", model))
        if name in retrievers:
            raise ProjectError(f"{where}: two sources are called {name!r}; give one a name", field="name")
        kind = MODELS[model]
        retrievers[name] = kind(
            validate_settings(kind.Config, rest, lambda _: "", f"retrieve.sources.{number}")
        )
    if not retrievers:
        raise ProjectError("retrieve.sources is empty: name at least one retriever", field="retrieve.sources")
    return retrievers


__all__ = [
    "ALS",
    "MODELS",
    "SLIM",
    "Candidates",
    "Content",
    "Fuse",
    "Neighbours",
    "Popular",
    "Requests",
    "Retriever",
    "Sequence",
    "Spectral",
    "load_retriever",
    "make_retrievers",
]

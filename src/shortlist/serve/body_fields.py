"""The fields that a body has at one place, to suggest one of them for a name that there is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from fastapi import Request
from pydantic import BaseModel


def body_of(request: Request) -> type[BaseModel] | None:
    """Return the model of the body of a request's route; None where it has none."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    return next((model for one in getattr(dependant, "body_params", ()) for model in _models(one)), None)


def fields_at(body: type[BaseModel] | None, place: Sequence[int | str]) -> list[str]:
    """Return the names of the fields beside one place of a body.

    Parameters
    ----------
    body
        The model of the body.
    place
        Names of fields and numbers of list elements, the wrong name last: `("events", 2, "usr")`.

    Examples
    --------
    >>> from shortlist.serve.schema import UsersBody
    >>> fields_at(UsersBody, ("usres",)), fields_at(UsersBody, ("users", 0, "usr"))
    (['users'], ['attributes', 'user'])
    """
    models = [] if body is None else [body]
    for part in place[:-1]:
        if isinstance(part, str):
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in fields for model in _models(field)]
    return [name for model in models for name in model.model_fields]


def _models(one: Any) -> list[type[BaseModel]]:
    """The models in the annotation of a field or a parameter."""
    annotation = getattr(getattr(one, "field_info", one), "annotation", one)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]

"""Values in the bodies of requests and records: ids and numbers, and nothing that only could be read as one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _id_of(value: Any) -> Any:
    """Refuse `true`, which is not the number 1. A number such as 5.0, as exports of numbers with gaps have it, is 5."""
    if isinstance(value, bool):
        raise PydanticCustomError("id_type", "an id is a whole number or a text, not true or false")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a number, not true or false")
    return value


BodyId = Annotated[int | str, BeforeValidator(_id_of)]
NUMERIC = BeforeValidator(_no_truth)
"""Marks a field whose value is a number among others: `true` is none."""

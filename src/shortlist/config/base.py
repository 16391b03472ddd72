"""The base of all settings: unknown settings are refused, values are immutable, durations are written as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from shortlist.config.short_repr import short_repr
from shortlist.expressions.units import DURATIONS

IMPRESSION = "impression"
"""The event kind that records that an item was shown. It feeds counters and ranker examples, never a history."""


@lru_cache(maxsize=1024)
def duration_ms(text: str) -> int:
    """Convert a duration to milliseconds.

    Parameters
    ----------
    text
        A number and a unit: s, m, h, d or w. Examples: `"30d"`, `"12h"`, `"15m"`, `"90s"`, `"2w"`.

    Raises
    ------
    ValueError
        If the text is not a duration, or the duration is not positive.

    Examples
    --------
    >>> duration_ms("12h")
    43200000
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    if not match or float(match.group(1)) <= 0:
        raise ValueError(f'{text!r} is not a duration; write for example "30d", "12h", "15m" or "90s"')
    return int(float(match.group(1)) * DURATIONS[match.group(2)])


def _check_duration(text: str) -> str:
    duration_ms(text)
    return text


Duration = Annotated[str, AfterValidator(_check_duration)]
"""A duration as text, for example `"30d"`. `duration_ms` converts it."""


class SettingError(ValueError):
    """A validator's error about one setting, which may differ from the section that the validator belongs to.

    Parameters
    ----------
    field
        Dotted name of the setting, relative to the model that raises. The message that users see names it, with its line.
    message
        The problem and its solution.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@lru_cache(maxsize=1024)
def _number_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The settings whose values, or the values of whose table, are numbers and never true or false."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if (types := _value_types(field.annotation)) & {int, float} and not types & {bool, Any}
    )


def _value_types(annotation: Any) -> set[Any]:
    """The types that a value can have, of a table those of its values."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _value_types(parts[0])
    if get_origin(annotation) in {Union, UnionType}:
        return set().union(*map(_value_types, parts))
    return _value_types(parts[1]) if get_origin(annotation) is dict else {annotation}


class Settings(BaseModel):
    """Base of every settings class: immutable, refuses unknown settings, numbers that are not finite, and `true` for a number; a field's docstring describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_truths(cls, values: Any) -> Any:
        """Refuse `true` where a number is needed, which would be read as 1."""
        if isinstance(values, Mapping):
            for name in _number_fields(cls):
                given = values.get(name)
                for key, value in given.items() if isinstance(given, Mapping) else ((None, given),):
                    if isinstance(value, bool):
                        where = name if key is None else f"{name}.{key}"
                        raise SettingError(where, f"must be a number and is {str(value).lower()}")
        return values

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Show the settings that differ from their defaults."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value != field.get_default(call_default_factory=True, validated_data={}):
                yield name, value

    def __repr__(self) -> str:
        return short_repr(type(self).__name__, self.__repr_args__())

    __str__ = __repr__

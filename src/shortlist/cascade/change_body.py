"""A change of an item or a user as an application sends it: one form for HTTP, streams and files."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shortlist.cascade.body_values import BodyId


class _ChangeBody(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ItemBody(_ChangeBody):
    """A change of one item."""

    title: str | None = Field(None, max_length=1000)
    attributes: dict[str, Any] = Field(default_factory=dict)
    """Name → value; null makes it unknown. Attributes that are not named stay."""
    retired: bool | None = Field(None, strict=True)


class NamedItemBody(ItemBody):
    """A change of one item, with its id."""

    item: BodyId


class UserBody(_ChangeBody):
    """A change of one user's attributes."""

    attributes: dict[str, Any] = Field(min_length=1)
    """Name → value; null makes it unknown. Attributes that are not named stay."""


class NamedUserBody(UserBody):
    """A change of one user's attributes, with the user's id."""

    user: BodyId

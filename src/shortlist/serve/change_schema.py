"""Answers to changes of items and users; the OpenAPI document at /docs is made from them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from shortlist.serve.schema import Id


class _ChangeAnswer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    row: int
    """Number of the change in the store: every worker and replica that has read it answers with the change."""


class ItemChanged(_ChangeAnswer):
    """An item was added or changed."""

    item: Id
    added: bool
    """Whether the catalogue did not have it."""


class ItemsChanged(_ChangeAnswer):
    """Many items were added or changed."""

    items: int


class ItemRetired(_ChangeAnswer):
    """An item is not shown any more."""

    item: Id


class UserChanged(_ChangeAnswer):
    """Attributes of a user were changed."""

    user: Id


class UsersChanged(_ChangeAnswer):
    """Attributes of many users were changed."""

    users: int


class UserErased(BaseModel):
    """What was deleted of a person."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    user: Id
    erased: dict[str, int]
    """Kind of record → number of deleted ones: events, slates, attributes, rejected."""
    train_again: list[str]
    """Models whose log holds the person: train them again from the store, and remove their bundles."""


class UserExport(BaseModel):
    """All that is held of a person."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    user: Id
    events: list[dict[str, Any]]
    """Stored events."""
    slates: list[dict[str, Any]]
    """Stored slates."""
    changes: list[dict[str, Any]]
    """Changes of attributes, with their time."""
    rejected: list[dict[str, Any]]
    """Records of streams and files that were rejected."""
    log: list[dict[str, Any]]
    """Events of the log that the model was trained on."""
    attributes: dict[str, Any]
    """Attributes as they are known now."""

"""The errors a user of Shortlist can cause, each saying what was wrong, where, and what to do.

A caller who wants one `except` uses `ShortlistError`; the HTTP layer turns every one of them into a 4xx answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ShortlistError(ValueError):
    """The base of all of them. `field` names the setting, column or request field at fault, where there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ProjectError(ShortlistError):
    """`shortlist.toml` says something impossible."""


class DataError(ShortlistError):
    """A table cannot be read, or what it holds cannot be used."""


class RequestError(ShortlistError):
    """A request for recommendations is malformed."""


class BundleError(ShortlistError):
    """A bundle on disk is missing, damaged, or of another version."""


class StoreError(ShortlistError):
    """The event store cannot be reached, read or written."""


class LeakError(ShortlistError):
    """Something was about to learn from what it is later judged on."""


class IndexRecallError(ShortlistError):
    """An approximate index would lose more items than the project allows."""


class MissingExtraError(ShortlistError):
    """An optional library is needed and not installed."""


class NotFittedError(ShortlistError):
    """A model was asked for an answer before `fit` was called."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'als'?` for a name close to a known one, else an empty string."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def need(module: str, extra: str) -> object:
    """Import an optional library or say in one line how to install it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this needs {module}, which is not installed; run: pip install 'shortlist[{extra}]'"
        ) from error

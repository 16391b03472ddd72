"""The errors that users can cause. A message says what is wrong, where, and how to correct it.

Catch `ShortlistError` to catch all of them; the HTTP layer answers each with a 4xx status.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class ShortlistError(ValueError):
    """Base class of all errors that users can cause.

    Parameters
    ----------
    message
        The problem and its solution.
    field
        Dotted name of the setting, column or request field at fault, if there is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ProjectError(ShortlistError):
    """A setting of `shortlist.toml` is wrong."""


class DataError(ShortlistError):
    """A table cannot be read, or its contents cannot be used."""


class RequestError(ShortlistError):
    """A request for recommendations is malformed."""


class CursorError(RequestError):
    """The cursor of a page cannot be used. `conflict`: it is one, but of another request, or too old."""

    def __init__(self, message: str, conflict: bool = False) -> None:
        super().__init__(message, field="cursor")
        self.conflict = conflict


class UserTokenError(RequestError):
    """A token does not show that a request may speak for its user. `result`: "missing", "expired" or "wrong"."""

    def __init__(self, message: str, result: str, field: str = "user_token") -> None:
        super().__init__(message, field=field)
        self.result = result


class EditError(RequestError):
    """A decision about settings that cannot be made. `missing`: there is no such proposal; else its state does not permit it."""

    def __init__(self, message: str, missing: bool = False) -> None:
        super().__init__(message, field="row")
        self.missing = missing


class BundleError(ShortlistError):
    """A bundle on disk is missing, damaged, or of another version."""


class StoreError(ShortlistError):
    """The event store cannot be reached, read or written."""


class LeakError(ShortlistError):
    """A model would learn from the data that it is evaluated on."""


class IndexRecallError(ShortlistError):
    """An approximate index would lose more items than the project allows."""


class MissingExtraError(ShortlistError):
    """An optional library is required and not installed."""


class EngineError(ShortlistError):
    """A data engine, such as a Spark cluster, cannot be reached, or a job on it failed."""


class NotFittedError(ShortlistError, AttributeError):
    """A model was used before `fit` was called.

    Also an `AttributeError`, as in scikit-learn: reading a learned attribute of a model that is not fitted raises it.
    """


class TrainingWarning(UserWarning):
    """Training succeeded, and something about the result should be known: an objective that was hardly learnt."""


def suggestion(name: object, known: Iterable[str]) -> str:
    """Return `"; did you mean 'als'?"` if a known name is similar, else an empty string."""
    text = name if isinstance(name, str) else abbreviated(name)
    near = difflib.get_close_matches(text, [str(k) for k in known], 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def abbreviated(value: object, longest: int = 60) -> str:
    """Return a value as an error can show it: cut after some characters, and a number of too many digits without them.

    Examples
    --------
    >>> abbreviated("a"), abbreviated([1] * 1_000, 10), abbreviated([10**5_000])
    ("'a'", '[1, 1, 1,…', 'a value with a number of too many digits')
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes whole numbers of at most 4,300 digits
        return "a value with a number of too many digits"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


NUMBER_OR_TEXT = {
    "int": "Input should be a whole number or a text",
    "float": "Input should be a number or a text",
}


def first_fault(details: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the error of a body that says most: a name that there is not where it is a misspelt required one, else the first.

    A required field whose name is misspelt is missing, too, and only the unknown name tells why.
    """
    missing = [one["loc"][-1] for one in details if one["type"] == "missing" and one["loc"]]
    unknown = (one for one in details if one["type"] == "extra_forbidden")
    return next((one for one in unknown if suggestion(one["loc"][-1], missing)), details[0])


def field_fault(detail: Mapping[str, Any], known: Iterable[str], where: str = "") -> tuple[str, str]:
    """Return what is wrong with a body, as a sentence, and the name of the field, empty for the whole body.

    Parameters
    ----------
    detail
        An error of pydantic, as a dictionary.
    known
        Names of fields, to suggest one for a name that there is not.
    where
        What the name of the field begins with.
    """
    place = [str(part) for part in detail["loc"] if part not in {"body", "query", "path"}]
    # of a value that may be a number or a text, pydantic names the type that it tried first
    expected = NUMBER_OR_TEXT.get(place[-1]) if len(place) > 1 else None
    if expected is not None:
        place.pop()
    field = where + ".".join(place)
    if detail["type"] == "extra_forbidden":
        names = list(known)
        listed = f"; there are: {', '.join(names)}" if names else ""
        return f"{field}: there is no such field{suggestion(place[-1], names)}{listed}", field
    return f"{field or 'body'}: {expected or detail['msg']}", field


def import_extra(module: str, extra: str) -> Any:
    """Import an optional library.

    Parameters
    ----------
    module
        Name of the module.
    extra
        The extra of Shortlist that installs it.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} is required and not installed; run: pip install 'shortlist[{extra}]'"
        ) from error


def require_fitted(part: T | None, name: str) -> T:
    """Return a part that training makes. Raises `NotFittedError` where there is none yet."""
    if part is None:
        raise NotFittedError(f"{name} is not fitted yet; call fit(dataset) first")
    return part

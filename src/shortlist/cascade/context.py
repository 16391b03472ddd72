"""From the context of a request or an event, as a client sends it, to coded attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute
from shortlist.errors import DataError, RequestError, suggestion

CACHED = 10_000
"""Encoded contexts of single events that are kept: most events have a context that occurred before."""
Context = Mapping[str, Any]


class ContextEncoder:
    """Codes contexts with the vocabularies of the log's context columns and of the user attributes.

    Parameters
    ----------
    columns
        Context columns of the log, by name.
    users
        User attributes, by name. A visitor may send them with a request.
    """

    def __init__(self, columns: Mapping[str, Attribute], users: Mapping[str, Attribute]) -> None:
        self.columns, self.users = columns, users
        self._cache: dict[tuple[tuple[str, type, Any], ...], dict[str, Attribute]] = {}

    def check_names(self, context: Context) -> None:
        """Raise `RequestError` for a name that is neither a context column nor a user attribute."""
        for name in context:
            if name not in self.columns and name not in self.users:
                known = [*self.columns, *self.users]
                raise RequestError(
                    f"context: there is no {name!r}{suggestion(name, known)}; there are: {', '.join(known) or 'none'}",
                    field=f"context.{name}",
                )

    def check(self, context: Context) -> None:
        """Raise `RequestError` for an unknown name or a value of the wrong type."""
        self.check_names(context)
        for name, value in context.items():
            if value is not None:
                with _named(name):
                    (self.columns.get(name) or self.users[name]).parse(value)

    def of_requests(self, contexts: Sequence[Context | None]) -> dict[str, Attribute]:
        """Code the context columns of a batch: name → attribute with one row a request."""
        return self._encode(contexts, self.columns)

    def user_attributes(
        self, contexts: Sequence[Context | None], codes: NDArray[np.int32]
    ) -> dict[str, Attribute]:
        """Return the user attributes of a batch: those of the table, replaced by those a request sends itself."""
        found = {name: attribute.take(codes) for name, attribute in self.users.items()}
        given = {row: one for row, one in enumerate(contexts) if one}
        for name in dict.fromkeys(name for one in given.values() for name in one if name in self.users):
            rows = [row for row, one in given.items() if name in one]
            with _named(name):
                found[name] = found[name].with_rows(np.array(rows), [given[row][name] for row in rows])
        return found

    def of_event(self, context: Context | None, where: str = "") -> dict[str, Attribute]:
        """Code the context of one event; names without a column are ignored. Raises `RequestError` for a bad value."""
        known = {name: value for name, value in (context or {}).items() if name in self.columns}
        if not known:
            return {}
        try:
            key = tuple(
                (name, type(value), value) for name, value in known.items()
            )  # True equals 1, and is none
            if key in self._cache:
                return self._cache[key]
        except TypeError:  # a value that is not hashable is not valid either: reported below
            key = None
        try:
            found = self._encode([known], self.columns)
        except RequestError as error:
            raise RequestError(f"{where}{error.message}", field=f"{where}{error.field}") from None
        if key is not None and len(self._cache) < CACHED:
            self._cache[key] = found
        return found

    def readable(self, context: Context) -> dict[str, Any]:
        """Return the context of a stored event without values that their column cannot have: it was of another kind then."""

        def fits(name: str, value: Any) -> bool:
            try:
                self._encode([{name: value}], self.columns)
            except (RequestError, ValueError, OverflowError, TypeError):
                return False
            return True

        return {name: value for name, value in context.items() if fits(name, value)}

    def of_events(self, contexts: Sequence[Context]) -> dict[str, Attribute]:
        """Code the contexts of many events; names without a column are ignored."""
        return self._encode(contexts, self.columns) if any(contexts) else {}

    def _encode(
        self, contexts: Sequence[Context | None], columns: Mapping[str, Attribute]
    ) -> dict[str, Attribute]:
        found = {}
        for name, like in columns.items():
            if any(one and name in one for one in contexts):
                with _named(name):
                    found[name] = like.with_values([(one or {}).get(name) for one in contexts])
        return found

    def __repr__(self) -> str:
        return f"ContextEncoder({', '.join([*self.columns, *self.users])})"


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn the error of an attribute about a value into one that names the field of the request."""
    try:
        yield
    except DataError as error:
        raise RequestError(f"context.{name}: {error.message}", field=f"context.{name}") from None

"""Values of a request that the expressions of its filters and boosts, and of the project's rules and rows, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.state import LiveState
from shortlist.data.attributes import Attribute
from shortlist.expressions.typed import Uses
from shortlist.rerank.request_values import (
    RequestValues,
    Value,
    value_of,
    value_of_item,
    values_of_history,
)


class ValueReader:
    """Reads values of one request.

    Parameters
    ----------
    state
        Histories, and the vocabularies of contexts.
    catalogue
        The items that the request is answered with.
    user, code
        The user's id and code, None and −1 where the request gives a history itself or has no user.
    history
        Item codes that the request gives.
    context
        The context of the request.
    """

    def __init__(
        self,
        state: LiveState,
        catalogue: Catalogue,
        user: Any,
        code: int,
        history: Sequence[int] | None,
        context: Mapping[str, Any] | None,
    ) -> None:
        self.state, self.items = state, catalogue.items
        self.user, self.code, self.given, self.context = user, code, history, context
        if history is not None:
            self.user, self.code = None, -1

    def values(self, uses: Uses, moment: int, viewed: int) -> RequestValues:
        """Return the values of some (scope, name) pairs.

        Parameters
        ----------
        uses
            The pairs. Values of `viewed` are left out where no item is viewed.
        moment
            Moment of the request, ms.
        viewed
            Code of the viewed item, −1 without one.
        """
        found: dict[tuple[str, str], Value] = {}
        columns: dict[str, dict[str, Attribute]] = {}
        history: NDArray[np.int32] | None = None
        for scope, name in sorted(uses):
            if scope == "now":
                found[scope, name] = float(moment)
            elif scope == "viewed":
                if viewed >= 0:
                    found[scope, name] = value_of_item(self.items, viewed, name)
            elif scope == "history":
                history = self._history(moment) if history is None else history
                found[scope, name] = values_of_history(self.items, history, name)
            else:
                if scope not in columns:
                    columns[scope] = self._columns(scope)
                attribute = columns[scope].get(name)
                found[scope, name] = None if attribute is None else value_of(attribute, 0)
        return found

    def _columns(self, scope: str) -> dict[str, Attribute]:
        if scope == "context":
            return self.state.context.of_requests([self.context])
        codes = self.state.histories.known_codes(np.array([self.code], np.int32))
        return self.state.user_attributes([self.context], [self.user], codes)

    def _history(self, moment: int) -> NDArray[np.int32]:
        if self.given is not None:
            return np.array(self.given, np.int32)
        with self.state.reading(moment):
            return self.state.histories.of(np.array([self.code], np.int32), [self.user]).item

"""From what a caller says (users, a history, a context) to requests in codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shortlist.cascade.people import Event, People, joined
from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.errors import DataError, RequestError
from shortlist.retrieve import EventWeights, Requests

Context = dict[str, Any] | list[dict[str, Any]] | None
"""The moment of a request (device, …), with what a visitor says of himself; one for all requests, or a list."""


class Asker:
    """Knows the catalogue and the people. `default_kind`: what an item of a given history is taken to have been."""

    def __init__(self, dataset: Dataset, people: People) -> None:
        project = dataset.project
        self.dataset, self.people = dataset, people
        self._read: dict[Any, dict[str, Attribute]] = {}
        self.history = project.retrieve.history
        self.event_weights = EventWeights.of(project.retrieve, dataset.log)
        self.default_kind = dataset.log.kinds.index(next(iter(project.objectives.values())).events[0])

    def requests(
        self,
        people: list[Any],
        history: Sequence[Any] | None,
        context: Context,
        allowed: np.ndarray | None,
        moment: int,
        after: Any = None,
    ) -> tuple[np.ndarray, Requests, Histories, list[Any]]:
        """Codes, requests, whole histories, and the items of a given history that are unknown. after: an item that each of them has
        before them, as if just chosen; it does not come back.
        """
        codes = self.dataset.users.ids.codes(people)
        if self.people.hidden:  # who was erased is a stranger
            codes = np.where(np.isin(codes, list(self.people.hidden)), -1, codes).astype(np.int32)
        unknown: list[Any] = []
        if history is not None:
            given = self.dataset.items.ids.codes(history)
            unknown = [item for item, code in zip(history, given, strict=True) if code < 0]
            known = given[given >= 0].tolist()
            events = [
                Event(item, moment - 1000 * (len(known) - at), self.default_kind)
                for at, item in enumerate(known)
            ]
            whole = joined(Histories.empty(1), [events])
            codes = np.full(1, -1, np.int32)  # the history given is the whole of what may be used
        else:
            whole = self.people.of(codes, [self.dataset.users.ids.own(person) for person in people])
        if after is not None:
            now = Event(self.dataset.items.ids.code(after), moment, self.default_kind)
            whole = joined(whole, [[now] for _ in people])
        recent = whole.last(self.history)
        attributes = {name: a.take(codes) for name, a in self.dataset.users.attributes.items()}
        attributes |= self.given(context, self.dataset.users.attributes, len(people))
        moments = np.full(len(people), moment, np.int64)
        gone = self._gone(whole, after)
        requests = Requests(recent, self.event_weights(recent), moments, allowed, *gone, attributes)
        return codes, requests, whole, unknown

    def _gone(self, whole: Histories, after: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What must not come back to each, ragged: what they had, unless it may be had again, and what they have before them."""
        by = self.dataset.project.rerank
        if after is None and by.show_seen:
            return None, None
        if after is None and by.show_again is None:
            return whole.indptr, whole.item
        stays = self.dataset.once(whole.item)
        if after is not None:
            stays |= whole.item == self.dataset.items.ids.code(after)
        had = whole.only(stays)
        return had.indptr, had.item

    def given(self, context: Context, known: dict[str, Attribute], n: int) -> dict[str, Attribute]:
        """What requests say of themselves (one context for all, or one each), coded like the attributes they name."""
        each = context if isinstance(context, list) else [context or {}]
        if isinstance(context, list) and len(context) != n:
            raise RequestError(
                f"context: {len(context)} for {n} requests; give one for all, or one each", field="context"
            )
        found = {}
        for name in dict.fromkeys(name for one in each for name in one):
            if name not in self.dataset.log.context and name not in self.dataset.users.attributes:
                there = [*self.dataset.log.context, *self.dataset.users.attributes]
                raise RequestError(
                    f"context: there is no {name!r}; there are: {', '.join(there) or 'none'}",
                    field=f"context.{name}",
                )
            if name in known:
                values = [self._value(name, one.get(name), known[name]) for one in each]
                try:
                    found[name] = known[name].with_values(values * n if len(values) < n else values)
                except DataError as error:
                    field = f"context.{name}"
                    raise RequestError(f"{field}: {error.message}", field=field) from None
        return found

    def _value(self, name: str, value: Any, known: Attribute) -> Any:
        if value is None:
            return None
        if known.kind == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise RequestError(f"context.{name} must be a number and is {value!r}", field=f"context.{name}")
        return str(value) if known.kind == "category" else value

    def read_context(self, context: dict[str, Any] | None, where: str = "") -> dict[str, Attribute]:
        """The context of an event, coded; what the project has no column for is left aside. Raises `RequestError`."""
        columns = self.dataset.log.context
        known = {name: value for name, value in (context or {}).items() if name in columns}
        if not known:
            return {}
        try:
            key = tuple(known.items())
            if key in self._read:  # most moments are like one before
                return self._read[key]
        except TypeError:  # a value that cannot be one: said below
            key = None
        try:
            found = self.given(known, columns, 1)
            if key is not None and len(self._read) < 10_000:
                self._read[key] = found
            return found
        except RequestError as error:
            raise RequestError(f"{where}{error.message}", field=f"{where}{error.field}") from None

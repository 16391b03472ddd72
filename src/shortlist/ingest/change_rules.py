"""The rules that every change of an item or a user from a source has to follow: those of `PUT /v1/items` and `PUT /v1/users`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from typing_extensions import override

from shortlist.cascade.catalogue import ItemChange
from shortlist.cascade.change_body import NamedItemBody, NamedUserBody
from shortlist.cascade.state import LiveState
from shortlist.config.data import AttributeKind
from shortlist.data.entities import EntityChange
from shortlist.data.values import MAX_ITEM_TEXT, check_values, text_fault
from shortlist.errors import RequestError, field_fault, first_fault
from shortlist.ingest.rules import RecordRules
from shortlist.requests import check_id
from shortlist.store.records import Operation

BY = "ingest"
"""Who changed an item or a user, in the list of operations."""
Subject = Literal["items", "users"]


class ChangeRules(RecordRules):
    """Reads and checks changes of items or users.

    Parameters
    ----------
    subject
        "items" or "users".
    state
        The state of a model: changes of attributes that it does not have, or with values of another kind, are rejected; None:
        every change whose form is right is taken, and servers set aside what their model cannot apply.
    kinds
        Attribute → kind, for the values of text files (default: those of the model).
    """

    def __init__(
        self,
        subject: Subject,
        state: LiveState | None = None,
        kinds: Mapping[str, AttributeKind] | None = None,
    ) -> None:
        self.records = subject
        self.identifier = "item" if subject == "items" else "user"
        self._state = state
        known = {} if state is None else self._entities(state)
        self.kinds: Mapping[str, AttributeKind] = kinds or known

    def _entities(self, state: LiveState) -> dict[str, AttributeKind]:
        entities = state.catalogue.items if self.records == "items" else state.model.dataset.users
        return {name: attribute.kind for name, attribute in entities.attributes.items()}

    @override
    def read(self, body: Any, identity: str, now: int | None = None, where: str = "") -> Operation:
        form: type[NamedItemBody | NamedUserBody] = (
            NamedItemBody if self.records == "items" else NamedUserBody
        )
        try:
            given = form.model_validate(body)
        except ValidationError as error:
            first = first_fault([dict(one) for one in error.errors(include_url=False)])
            sentence, field = field_fault(first, form.model_fields, where)
            raise RequestError(sentence, field=field) from None
        about = getattr(given, self.identifier)
        check_id(about, f"{where}{self.identifier}")
        fields = given.model_dump(exclude_unset=True, exclude={self.identifier})
        _check_values(fields, where)
        moment = int(time.time() * 1000)
        if self.records == "users":
            if self._state is not None:
                self._state.check_user_changes([EntityChange(about, None, fields["attributes"])], where)
                about = self._state.model.dataset.users.ids.own(about)
            return Operation(moment, "user", about, fields, BY)
        if self._state is not None:
            self._state.check_changes([ItemChange.of(about, fields)], where)
        at = moment if self._state is None else self._state.now()
        return Operation(moment, "item", about, {**fields, "at": at}, BY)


def _check_values(fields: Mapping[str, Any], where: str) -> None:
    """Raise `RequestError` naming the field whose value no store can take."""
    title = fields.get("title")
    if title is not None and (fault := text_fault(title)) is not None:
        raise RequestError(f"{where}title: {fault}", field=f"{where}title")
    check_values(fields.get("attributes"), f"{where}attributes", MAX_ITEM_TEXT)

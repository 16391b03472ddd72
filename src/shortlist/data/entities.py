"""Users or items: ids, titles and attributes, and changes to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from shortlist.data.attributes import Attribute, EmbeddingAttribute
from shortlist.data.encoders import Encoding
from shortlist.data.ids import IdMap, id_fault
from shortlist.data.texts import Texts
from shortlist.data.values import MAX_ITEM_TEXT, check_value, text_fault
from shortlist.errors import DataError, RequestError, suggestion

A = TypeVar("A", bound=Attribute)


@dataclass(frozen=True)
class EntityChange:
    """A change to one user or item, or a new one.

    Parameters
    ----------
    id
        The id. One that the catalogue does not have is added.
    title
        The new title. None or empty: the title stays; that of a new entity is its id.
    attributes
        Attribute → new value; None makes it unknown. Attributes that are not named stay as they are; those of a new
        entity are unknown.
    """

    id: Any
    title: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Entities:
    """Users or items: their ids, titles and attributes. Row i of each belongs to code i.

    The value is immutable. `with_changes` returns the catalogue with entities added or changed; the earlier one stays
    valid for the requests that read it. Both share memory: adding m entities costs O(m), and changing existing ones
    one copy of each attribute that changes.

    Parameters
    ----------
    ids
        Id ↔ code.
    titles
        One title a code, for people to read.
    attributes
        Name → attribute with one row a code.
    encodings
        What makes some of the embeddings among the attributes; see `encoded`. They follow each change of what they are made of.

    Examples
    --------
    >>> import pyarrow as pa
    >>> items = Entities(IdMap(pa.array(["i1"])), Texts(["Heat"]))
    >>> more = items.with_changes([EntityChange("i2", "Alien"), EntityChange("i1", "Heat (1995)")])
    >>> list(more.titles), list(items.titles)
    (['Heat (1995)', 'Alien'], ['Heat'])
    """

    ids: IdMap
    titles: Texts
    attributes: dict[str, Attribute] = field(default_factory=dict)
    encodings: tuple[Encoding, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def attribute(self, name: str, kind: type[A]) -> A:
        """Return an attribute that must be of a kind, for example `items.attribute("price", NumberAttribute)`.

        Raises
        ------
        DataError
            There is no such attribute, or it is of another kind.
        """
        return attribute_of(self.attributes, name, kind)

    @property
    def changeable(self) -> set[str]:
        """Names of the attributes that a change can give: all but those that encoders make."""
        return self.attributes.keys() - {one.name for one in self.encodings}

    def check_change(self, change: EntityChange, where: str = "", what: str = "item") -> None:
        """Raise `RequestError` naming the field where a change cannot be made.

        Parameters
        ----------
        change
            The change.
        where
            The path of the change in a request, for example "items.3.".
        what
            What the entities are: "item" or "user".
        """
        if change.title is not None and (fault := text_fault(change.title)) is not None:
            raise RequestError(f"{where}title: {fault}", field=f"{where}title")
        for name, value in change.attributes.items():
            attribute = self.attributes.get(name)
            if attribute is None:
                there = ", ".join(self.attributes) or "none"
                raise RequestError(
                    f"{where}attributes: {what}s have no {name!r}; there are: {there}"
                    f"{suggestion(name, self.attributes)}",
                    field=f"{where}attributes.{name}",
                )
            self.check_encoded(name, f"{where}attributes.{name}")
            if value is not None:
                check_attribute_value(attribute, value, f"{where}attributes.{name}")
        if not self.ids.fits(change.id):
            fault = (
                id_fault(change.id)
                or f"{change.id!r} cannot be an id here: the others are of type {self.ids.type}"
            )
            raise RequestError(f"{where}{what}: {fault}", field=f"{where}{what}")

    def usable_part(
        self, change: EntityChange, what: str = "item"
    ) -> tuple[EntityChange | None, list[RequestError]]:
        """Return what of a change can be made here, and an error for each field that cannot.

        A change that was accepted earlier may no longer fit as a whole: a new training can have vectors of another length, another
        kind of attribute, or lack it. Its other fields still hold.

        Parameters
        ----------
        change
            The change.
        what
            What the entities are: "item" or "user".

        Returns
        -------
        The change without the fields at fault, None where the id is one of them.
        """
        faults: list[RequestError] = []

        def fits(title: str | None, attributes: Mapping[str, Any]) -> bool:
            try:
                self.check_change(EntityChange(change.id, title, attributes), what=what)
            except RequestError as error:
                faults.append(error)
                return False
            return True

        if not fits(None, {}):
            return None, faults
        title = change.title if fits(change.title, {}) else None
        attributes = {name: value for name, value in change.attributes.items() if fits(None, {name: value})}
        return EntityChange(change.id, title, attributes), faults

    def check_encoded(self, name: str, where: str) -> None:
        """Raise `RequestError` naming the field `where` for an embedding that an encoder makes: it cannot be given."""
        refusal = next((one.refusal() for one in self.encodings if one.name == name), None)
        if refusal is not None:
            raise RequestError(f"{where}: {refusal}", field=where)

    def encoded(self, encodings: Sequence[Encoding]) -> Entities:
        """Return the catalogue with the embeddings that encoders make of its texts.

        Raises
        ------
        DataError
            An encoder failed, or no entity has a text.
        """
        attributes, rows = dict(self.attributes), range(len(self))
        for one in encodings:
            values = one.values(self._told_titles(rows), self.attributes, rows)
            attributes[one.name] = EmbeddingAttribute(one.name, values)
        return replace(self, attributes=attributes, encodings=tuple(encodings))

    def encoded_values(self, title: str, values: Mapping[str, Any]) -> dict[str, list[float]]:
        """Return the embeddings, as far as they are known, of an entity that the catalogue does not have.

        Parameters
        ----------
        title
            Its title; empty where it has none.
        values
            Its other attributes, which have been checked.
        """
        found = {}
        for one in self.encodings:
            own = {name: self.attributes[name].with_values([values.get(name)]) for name in one.texts if name}
            vector = one.values([title], own, [0], self.attribute(one.name, EmbeddingAttribute).dimensions)
            if np.isfinite(vector).all():
                found[one.name] = vector[0].tolist()
        return found

    def _told_titles(self, rows: Sequence[int]) -> list[str]:
        """The titles of some rows; empty where the title is only the id."""
        ids, titles = self.ids.ids(np.array(rows, np.int64)), self.titles
        return ["" if titles[row] == str(own) else titles[row] for row, own in zip(rows, ids, strict=True)]

    def _with_encoded(self, before: Entities, rows: Mapping[str, Iterable[int]]) -> Entities:
        """The catalogue, which lacks the embeddings that encoders make, with those of `before` and new vectors in some rows."""
        attributes: dict[str, Attribute] = dict(self.attributes)
        for one in before.encodings:
            at, old = list(rows[one.name]), before.attribute(one.name, EmbeddingAttribute)
            vectors = one.values(self._told_titles(at), self.attributes, at, old.dimensions)
            values = [v.tolist() if np.isfinite(v).all() else None for v in vectors]
            added = range(len(before), len(self))
            attributes[one.name] = _with_values(old, dict(zip(at, values, strict=True)), added)
        # models read attributes in the order of the training
        ordered = {name: attributes[name] for name in before.attributes}
        return replace(self, attributes=ordered, encodings=before.encodings)

    def with_changes(self, changes: Sequence[EntityChange]) -> Entities:
        """Return the catalogue after some changes, in their order. This catalogue stays as it is.

        Attributes that the catalogue does not have are ignored. New entities get the next codes, in order of their
        first change.

        Raises
        ------
        RequestError
            A value is of another kind than its attribute, or an id of another type; see `check_change`.
        """
        try:
            ids = self.ids.extended(change.id for change in changes)
        except DataError:
            self._name_fault(changes)
            raise
        titles: dict[int, str] = {}
        encode: dict[str, dict[int, None]] = {one.name: {} for one in self.encodings}
        values: dict[str, dict[int, Any]] = {name: {} for name in self.attributes if name not in encode}
        for change, code in zip(changes, ids.codes(change.id for change in changes).tolist(), strict=True):
            if change.title:
                titles[code] = str(change.title)
            for name, value in change.attributes.items():
                if name in values:
                    values[name][code] = value
            for one in self.encodings:
                if code >= len(self) or one.reads(bool(change.title), change.attributes):
                    encode[one.name][code] = None
        added = range(len(self), len(ids))
        new_titles = [titles.pop(code, "") or str(ids.id(code)) for code in added]
        try:
            attributes = {
                name: _with_values(self.attributes[name], new, added) for name, new in values.items()
            }
        except (DataError, ValueError, OverflowError):
            self._name_fault(changes)
            raise
        changed = Entities(ids, self.titles.with_rows(titles).extended(new_titles), attributes)
        return changed._with_encoded(self, encode) if encode else changed

    def _name_fault(self, changes: Sequence[EntityChange]) -> None:
        """Raise `RequestError` for the first value that cannot be stored."""
        for change in changes:
            known = {n: v for n, v in change.attributes.items() if n in self.changeable}
            self.check_change(EntityChange(change.id, change.title, known))

    def with_room(self, n: int) -> Entities:
        """Return the catalogue with room for n more entities and with its indexes built.

        Without room, the first change copies every attribute; call this before serving, off the event loop.
        """
        self.ids.prepare()
        return replace(self, attributes={k: a.with_room(n) for k, a in self.attributes.items()})

    def __repr__(self) -> str:
        attributes = ", ".join(f"{name}: {a.kind}" for name, a in self.attributes.items())
        return f"Entities({len(self):,} rows{'; ' + attributes if attributes else ''})"


def check_attribute_value(attribute: Attribute, value: Any, where: str) -> None:
    """Raise `RequestError` naming the field `where` for a value that an attribute cannot have."""
    try:
        check_value(value, MAX_ITEM_TEXT)
        attribute.parse(value)
    except (DataError, ValueError, OverflowError) as error:
        raise RequestError(f"{where}: {error}", field=where) from None


def attribute_of(attributes: Mapping[str, Attribute], name: str, kind: type[A]) -> A:
    """Return an attribute that must be of a kind; see `Entities.attribute`."""
    found = attributes.get(name)
    if found is None:
        there = ", ".join(attributes) or "none"
        raise DataError(f"there is no attribute {name!r}; there are: {there}", field=name)
    if not isinstance(found, kind):
        raise DataError(f"attribute {name!r} is of kind {found.kind}, not {kind.__name__}", field=name)
    return found


def _with_values(attribute: Attribute, values: Mapping[int, Any], added: range) -> Attribute:
    """An attribute with the values of changed rows (row → value) and of the added rows (unknown where not given)."""
    changed = [row for row in values if row < added.start]
    if not changed and not added:
        return attribute
    rows = [*changed, *added]
    return attribute.with_rows(np.array(rows, np.int64), [values.get(row) for row in rows])

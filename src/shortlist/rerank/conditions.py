"""Conditions on items, in both forms that filters and rules are written in, as masks over one catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import _lru_cache_wrapper, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.data.entities import Entities
from shortlist.data.lazy import lazy_property
from shortlist.expressions import Schema, check_condition, check_number, parse
from shortlist.expressions.tree import ExpressionText, OperatorNode
from shortlist.expressions.typed import NOTHING, Condition, Quantity, Uses
from shortlist.rerank.evaluate_condition import Evaluation, Mask
from shortlist.rerank.filters import allowed_items
from shortlist.rerank.item_columns import ItemColumns
from shortlist.rerank.request_values import RequestValues

Written = Mapping[str, Any] | str
"""A condition as it is written: attribute → `any`, `none`, `min`, `max`, or an expression."""
KEPT = 32
"""Masks of constant parts of expressions that are kept a catalogue."""
COMPILED = 256
"""Expressions that are kept a catalogue, with their types."""


@dataclass(frozen=True, eq=False, repr=False)
class Conditions:
    """Evaluates conditions over one snapshot of the catalogue.

    What an expression does not read of the request is computed once for the catalogue: of
    `price < 20 and brand = viewed.brand`, the mask of `price < 20` is kept (the last 32 of them). A changed catalogue has
    a new `Conditions`, so that every change counts at once.

    Parameters
    ----------
    items
        The catalogue.
    users, context
        Kinds of the user attributes and context columns, by name.
    """

    items: Entities
    users: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    @lazy_property
    def columns(self) -> ItemColumns:
        """The catalogue with derived columns."""
        return ItemColumns(self.items)

    @property
    def computed(self) -> int:
        """How many masks of constant parts were computed, and not found among those that are kept."""
        return self._constant.cache_info().misses

    @lazy_property
    def _constant(self) -> _lru_cache_wrapper[Mask]:
        return lru_cache(maxsize=KEPT)(partial(_constant_mask, self.columns))

    @lazy_property
    def _compiled(self) -> Callable[[str, str], Condition]:
        return lru_cache(maxsize=COMPILED)(partial(_compiled, self._schema))

    @lazy_property
    def _compiled_number(self) -> Callable[[str, str], Quantity]:
        return lru_cache(maxsize=COMPILED)(partial(_compiled_number, self._schema))

    def __getstate__(self) -> dict[str, object]:
        """Return what it was made of; a copy computes anew what is kept here."""
        return {"items": self.items, "users": self.users, "context": self.context}

    @lazy_property
    def _schema(self) -> Schema:
        kinds = {name: attribute.kind for name, attribute in self.items.attributes.items()}
        return Schema(kinds, self.users, self.context)

    def condition(self, text: str, where: str) -> Condition:
        """Return an expression with its types. Raises `RequestError` naming the field `where` and the column."""
        return self._compiled(text, where)

    def uses(self, written: Written | None, where: str = "filters") -> Uses:
        """Return what a condition reads of a request: nothing, for attribute → condition. Raises `RequestError`."""
        return self.condition(written, where).uses if isinstance(written, str) else NOTHING

    def number_uses(self, written: str, where: str) -> Uses:
        """Return what an expression of a number reads of a request. Raises `RequestError`."""
        return self._compiled_number(written, where).uses

    def mask(
        self, written: Written, where: str = "filters", values: RequestValues | None = None
    ) -> NDArray[np.bool_] | None:
        """Return the items that meet a condition.

        Parameters
        ----------
        written
            The condition.
        where
            The field that errors name.
        values
            Values of the request; without, everything that the condition reads of a request is unknown.

        Returns
        -------
        ndarray of shape (items,), bool, or None
            None where all items do. The array may be kept: it must not be written to.

        Raises
        ------
        RequestError
            Names the part that is wrong.
        """
        if not isinstance(written, str):
            return allowed_items(self.items, written, None, where)
        return self.mask_of(self.condition(written, where), values)

    def mask_of(self, condition: Condition, values: RequestValues | None = None) -> NDArray[np.bool_] | None:
        """Return the items that meet a condition that has its types, bool (items,), None where all do."""
        mask = self._evaluation(values).mask(condition)
        if isinstance(mask, bool):
            return None if mask else np.zeros(len(self.items), bool)
        return mask

    def parts(
        self, written: Written, values: RequestValues | None = None
    ) -> list[tuple[str, NDArray[np.bool_] | None]]:
        """Return the parts of a filter that must all be met, in words, each with its mask (None: all items)."""
        if not isinstance(written, str):
            return [(f"on {name}", self.mask({name: one}, values=values)) for name, one in written.items()]
        tree = parse(written, "filters")
        nodes = tree.parts if isinstance(tree, OperatorNode) and tree.operator == "and" else (tree,)
        texts = [written[node.start : node.end] for node in nodes]
        return [(text, self.mask(text, values=values)) for text in texts]

    def number(self, written: str, where: str, values: RequestValues | None = None) -> NDArray[np.float64]:
        """Return a number of each item, float64 (items,), NaN where unknown. Raises `RequestError` as `mask` does."""
        quantity = self._compiled_number(written, where)
        found = self._evaluation(values).numbers(quantity)
        return np.broadcast_to(np.asarray(found, np.float64), len(self.items))

    def _evaluation(self, values: RequestValues | None) -> Evaluation:
        return Evaluation(self.columns, values or {}, self._constant)

    def __repr__(self) -> str:
        return f"Conditions({len(self.items):,} items)"


def _compiled(schema: Schema, text: str, where: str) -> Condition:
    return check_condition(parse(text, where), ExpressionText(where, text), schema)


def _compiled_number(schema: Schema, text: str, where: str) -> Quantity:
    return check_number(parse(text, where), ExpressionText(where, text), schema)


def _constant_mask(columns: ItemColumns, condition: Condition) -> Mask:
    return Evaluation(columns, {}).mask(condition)

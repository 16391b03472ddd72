"""The catalogue at one moment: items with all that serving derives from them.

Items are added, changed and retired while a model serves. A `Catalogue` is immutable; a batch of changes makes the
next one, which shares everything that did not change, and requests that have begun go on with the one they began with.
The learned arrays stay as they are: an added item has no events, so collaborative models cannot propose it, but its
description can (the `content` source) and cold-start exploration can. A changed attribute counts at once where it is
read directly (filters, stock, features, diversity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.data.attributes import CodedAttribute, TimeAttribute
from shortlist.data.category_names import CategoryNames
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.growable import GrowableArray
from shortlist.data.lazy import lazy_property
from shortlist.errors import DataError, RequestError
from shortlist.features.keys import SPARE_ITEMS
from shortlist.rerank.conditions import Conditions, Written
from shortlist.rerank.filters import allowed_items
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.request_values import RequestValues
from shortlist.rerank.rule_masks import RuleMasks
from shortlist.retrieve import Retriever


@dataclass(frozen=True)
class ItemChange:
    """A change of one item: title, attributes and whether it is retired; what is None stays.

    `at` is the moment of the change, ms by the recommender's clock (default: when it is applied): the age of an added
    item counts from it.
    """

    item: Any
    title: str | None = None
    attributes: Mapping[str, Any] | None = None
    retired: bool | None = None
    at: int | None = None

    @classmethod
    def of(cls, item: Any, body: Mapping[str, Any]) -> ItemChange:
        """From the stored form of a change."""
        return cls(item, body.get("title"), body.get("attributes"), body.get("retired"), body.get("at"))

    @property
    def entity(self) -> EntityChange:
        """The part that concerns title and attributes."""
        return EntityChange(self.item, self.title, self.attributes or {})


@dataclass
class CacheLookups:
    """How often the mask of what may be shown was at hand (`hits`) or had to be computed (`misses`).

    It can be at hand for requests without filters, and for expressions that read nothing of the request.
    """

    hits: int = 0
    misses: int = 0

    def count(self, at_hand: bool) -> None:
        """Count one lookup."""
        self.hits += at_hand
        self.misses += not at_hand


@dataclass(frozen=True, repr=False)
class Catalogue:
    """Items, and what may be shown of them.

    Attributes
    ----------
    items
        Ids, titles and attributes.
    retired_rows
        bool (items,): not recommended any more.
    first_seen_rows
        int64 ms (items,): when each item appeared; `NO_TIME` where unknown.
    retrievers
        The model's retrievers, which know the added items where they can.
    trained_items
        Number of items the model was trained on; codes from here on were added later.
    users, context
        Kinds of the user attributes and context columns, by name: expressions can read them.
    """

    project: Project
    items: Entities
    retired_rows: GrowableArray[np.bool_]
    first_seen_rows: GrowableArray[np.int64]
    retrievers: Mapping[str, Retriever]
    trained_items: int
    lookups: CacheLookups = field(default_factory=CacheLookups)
    users: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def retired(self) -> NDArray[np.bool_]:
        """Whether each item is not recommended any more, bool (items,)."""
        return self.retired_rows.array

    @property
    def first_seen(self) -> NDArray[np.int64]:
        """When each item appeared, int64 ms (items,); `NO_TIME` where unknown."""
        return self.first_seen_rows.array

    @lazy_property
    def pipeline(self) -> RerankPipeline:
        """The re-rankers of the project, for these items."""
        masks = RuleMasks(self.conditions)
        return RerankPipeline(self.project.rerank, self.items, self.first_seen, self.factors, masks)

    @lazy_property
    def _placed(self) -> dict[str, RerankPipeline]:
        """The re-rankers of the placements that have rules of their own."""
        project, settings = self.project, self.project.rerank
        return {
            name: self.pipeline.with_settings(settings.model_copy(update={"rules": project.rules_at(name)}))
            for name, placement in project.placements.items()
            if placement.rules
        }

    def pipeline_at(self, placement: str | None) -> RerankPipeline:
        """Return the re-rankers of a placement: those of the project, with the rules of the placement after its own."""
        return self.pipeline if placement is None else self._placed.get(placement, self.pipeline)

    @lazy_property
    def conditions(self) -> Conditions:
        """Evaluates filters and the conditions of rules over these items."""
        return Conditions(self.items, self.users, self.context)

    @lazy_property
    def factors(self) -> NDArray[np.float32] | None:
        """float32 (trained items, d): factors of the first source that has some; similarity for diversity."""
        return next((f for r in self.retrievers.values() if (f := r.item_factors) is not None), None)

    @lazy_property
    def category_names(self) -> dict[str, CategoryNames]:
        """Short names of the words of each category and list of items."""
        attributes = self.items.attributes
        return {
            n: CategoryNames(a.vocabulary) for n, a in attributes.items() if isinstance(a, CodedAttribute)
        }

    @lazy_property
    def allowed_by_default(self) -> NDArray[np.bool_] | None:
        """Mask bool (items,): what may be shown without filters; None means everything. Computed once a catalogue."""
        return self._allowed(None, self.pipeline)

    def allowed(
        self, filters: Written | None, values: RequestValues | None = None, placement: str | None = None
    ) -> NDArray[np.bool_] | None:
        """Return what may be shown, bool (items,), None for everything. Raises `RequestError` for a wrong filter.

        `values` is what the filters, and rules that hide items, read of the request; `placement` has such rules, too.
        """
        placed = None if placement is None else self.project.placements.get(placement)
        pipeline = self.pipeline_at(placement) if placed is not None and placed.hides else self.pipeline
        if not filters and pipeline is self.pipeline and not (values and pipeline.hide_uses):
            self.lookups.count("allowed_by_default" in self.__dict__)
            return self.allowed_by_default
        before = self.conditions.computed
        allowed = self._allowed(filters, pipeline if values is None else pipeline.for_request(values), values)
        constant = isinstance(filters, str) and not self.conditions.uses(filters)
        self.lookups.count(constant and self.conditions.computed == before)
        return allowed

    def _allowed(
        self, filters: Written | None, pipeline: RerankPipeline, values: RequestValues | None = None
    ) -> NDArray[np.bool_] | None:
        allowed = allowed_items(self.items, None, self.project.rerank.in_stock)
        excluded = [one for one in (self.retired, pipeline.hidden_items()) if one is not None and one.any()]
        permitted = self.conditions.mask(filters, values=values) if filters else None
        for mask in [*(~one for one in excluded), *(() if permitted is None else (permitted,))]:
            allowed = mask if allowed is None else allowed & mask
        return None if allowed is None or allowed.all() else allowed

    def check_room(self, items: Sequence[Any]) -> None:
        """Raise `RequestError` where the catalogue has no room for those of some items (ids) that it does not have."""
        codes = self.items.ids.codes(list(items))
        added = len({item for item, code in zip(items, codes.tolist(), strict=True) if code < 0})
        there = len(self.items) - self.trained_items
        if added and there + added > SPARE_ITEMS:
            raise RequestError(
                f"item: {there:,} items were added since training, and there is room for {SPARE_ITEMS:,}; train again to add "
                f"{added:,} more",
                field="item",
            )

    def with_changes(self, changes: Sequence[ItemChange], now: int) -> Catalogue:
        """Return the catalogue after some changes, in their order. Raises `DataError` where no room is left.

        Cost: amortised O(changes), plus one copy of each array in which a present item changes.
        """
        items = self.items.with_changes([change.entity for change in changes])
        added = len(items) - len(self.items)
        if len(items) - self.trained_items > SPARE_ITEMS:
            raise DataError(
                f"{SPARE_ITEMS:,} items were added since training; train again to add more", field="item"
            )
        codes = items.ids.codes([change.item for change in changes]).tolist()
        retired = self.retired_rows.extended(np.zeros(added, bool)) if added else self.retired_rows
        marked = {
            code: one.retired for code, one in zip(codes, changes, strict=True) if one.retired is not None
        }
        if marked:
            retired = retired.with_rows(np.array(list(marked)), np.array(list(marked.values())))
        by = self.project.rerank.freshness_by
        first_seen = self.first_seen_rows
        if by is not None:
            first_seen = GrowableArray(items.attribute(by, TimeAttribute).times)
        elif added:
            appeared = np.full(added, now, np.int64)
            for code, change in reversed(list(zip(codes, changes, strict=True))):
                if code >= len(self.items) and change.at is not None:
                    # of several changes of an added item, the first one counts
                    appeared[code - len(self.items)] = change.at
            first_seen = first_seen.extended(appeared)
        retrievers = self.retrievers
        if added:
            retrievers = {name: r.with_items(items) for name, r in self.retrievers.items()}
        return replace(
            self, items=items, retired_rows=retired, first_seen_rows=first_seen, retrievers=retrievers
        )

    def prepared(self) -> Catalogue:
        """Return the catalogue with what requests without filters need of it computed: the next one does not wait for that."""
        _ = self.allowed_by_default, self._placed
        return self

    def __repr__(self) -> str:
        return (
            f"Catalogue({len(self.items):,} items, {len(self.items) - self.trained_items:,} added, "
            f"{int(self.retired.sum()):,} retired)"
        )

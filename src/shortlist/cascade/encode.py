"""From requests as callers make them to the arrays that the stages read.

`resolve` checks one request against a model (do its objectives, filters, context columns and items exist?), so that a
wrong request is refused alone. `encode` turns resolved requests of one batch into arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.answer_warnings import filter_warnings, known_items_warning
from shortlist.cascade.catalogue import Catalogue
from shortlist.cascade.histories import HistoryEvent
from shortlist.cascade.model import Model
from shortlist.cascade.state import LiveState
from shortlist.cascade.values import ValueReader
from shortlist.config.rerank import RerankSettings
from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import Attribute
from shortlist.data.cursor import Cursor
from shortlist.data.histories import Histories
from shortlist.data.seen import hidden_once_seen
from shortlist.errors import RequestError
from shortlist.expressions.typed import NOTHING, Uses
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_guard_rails, resolve_weights
from shortlist.requests import RecommendRequest
from shortlist.rerank.earlier_pages import FIRST_PAGE, EarlierPages
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.request_values import RequestValues
from shortlist.rerank.rules import boost_rules
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Requests


@dataclass(frozen=True, slots=True, repr=False)
class ResolvedRequest(ShortRepr):
    """A request in the terms of one model.

    `user` is the id in the type of the log, `code` its code (−1: not in the log). `history` holds item codes where the
    request gave a history; `unknown_items` are its items that the catalogue does not have. `after` is an item code or
    −1, `moment` milliseconds. `allowed` is what may be shown of the `catalogue`, bool (items,), None for everything.
    `warnings` say what of the filters and the history was not found. `values` is what expressions read of the request.
    `earlier` are the pages before this one.
    """

    request: RecommendRequest
    user: Any
    code: int
    history: tuple[int, ...] | None
    unknown_items: tuple[Any, ...]
    after: int
    moment: int
    utility: UtilityWeights
    strengths: RerankStrengths
    catalogue: Catalogue
    allowed: NDArray[np.bool_] | None
    warnings: tuple[str, ...] = ()
    values: RequestValues = field(default_factory=dict)
    earlier: EarlierPages = FIRST_PAGE

    @property
    def pipeline(self) -> RerankPipeline:
        """The re-rankers of the placement, with what the rules read of this request, and its boosts."""
        placed = self.catalogue.pipeline_at(self.request.placement)
        return placed.for_request(self.values, self.request.boosts or ())

    @property
    def candidates(self) -> int:
        """Number of candidates: the project's setting, or the items of all pages so far where they are more."""
        return max(self.catalogue.project.retrieve.candidates, self.request.size + len(self.earlier.items))

    @property
    def batch_key(self) -> tuple[int, int, int, int]:
        """The terms that the requests of one batch share: the moment, the catalogue, what may be shown, and how many candidates."""
        return self.moment, id(self.catalogue), id(self.allowed), self.candidates


@dataclass(frozen=True, slots=True, repr=False)
class EncodedBatch(ShortRepr):
    """Requests as arrays.

    Attributes
    ----------
    codes
        int32 (B,): user codes, −1 for visitors.
    requests
        What the retrievers read: recent histories, weights, what is allowed and what is excluded.
    histories
        Whole histories.
    context
        Context columns, one row a request.
    shown
        Impressions of users whom the log does not have; None where no feature counts them.
    """

    codes: NDArray[np.int32]
    requests: Requests
    histories: Histories
    context: dict[str, Attribute]
    shown: Histories | None = None


class Resolver:
    """Resolves requests against a model and a state.

    Requests with equal weights share one `UtilityWeights`, and requests with equal filters one mask of the catalogue.
    """

    def __init__(self, model: Model, state: LiveState, catalogue: Catalogue | None = None) -> None:
        self.model, self.state = model, state
        self.catalogue = state.catalogue if catalogue is None else catalogue
        self.moment = state.now()  # one moment for all, so that they can be answered together
        self._utilities: dict[Any, UtilityWeights] = {}
        self._masks: dict[Any, tuple[NDArray[np.bool_] | None, tuple[str, ...]]] = {}
        self._uses: dict[str | None, Uses] = {}

    def __call__(self, request: RecommendRequest) -> ResolvedRequest:
        """Check one request, with the settings of its placement. Raises `RequestError` naming the field."""
        request = request.placed(self.model.project.placements)
        ids, users = self.catalogue.items.ids, self.model.dataset.users.ids
        history, unknown = None, ()
        code, user = -1, None
        if request.user is not None:
            code, user = users.code(request.user), users.own(request.user)
        if request.history is not None:
            codes = ids.codes(request.history).tolist()
            unknown = tuple(i for i, c in zip(request.history, codes, strict=True) if c < 0)
            history = tuple(c for c in codes if c >= 0)
        after = -1
        if request.after is not None:
            after = ids.code(request.after)
            if after < 0:
                raise RequestError(f"after: the catalogue has no item {request.after!r}", field="after")
        if request.context:
            self.state.context.check(request.context)
        moment = self.moment if request.now is None else request.now
        reader = ValueReader(self.state, self.catalogue, user, code, history, request.context)
        values = self._values(request, reader, moment, after)
        allowed, doubts = self._allowed(request, values)
        return ResolvedRequest(
            request,
            user,
            code,
            history,
            unknown,
            after,
            moment,
            self._utility(request),
            self._strengths(request),
            self.catalogue,
            allowed,
            (*doubts, *known_items_warning("history", unknown, ids)),
            values,
            self._earlier(request, moment),
        )

    def _earlier(self, request: RecommendRequest, moment: int) -> EarlierPages:
        """The items of earlier pages; one that the catalogue no longer has cannot come back. Raises `CursorError`."""
        if not isinstance(request.cursor, Cursor) or not request.cursor.items:
            return FIRST_PAGE
        request.cursor.check_age(moment)
        codes = self.catalogue.items.ids.codes(request.cursor.items)
        known = codes[codes >= 0]
        first = np.sort(np.unique(known, return_index=True)[1])
        return EarlierPages(known[first], len(request.cursor.items))

    def _values(
        self, request: RecommendRequest, reader: ValueReader, moment: int, after: int
    ) -> RequestValues:
        """Values that expressions read of the request. Raises `RequestError` for a filter or boost that is wrong."""
        uses = self._uses_at(request.placement)
        if isinstance(request.filters, str):
            own = self.catalogue.conditions.uses(request.filters)
            if after < 0 and any(scope == "viewed" for scope, _ in own):
                raise RequestError(
                    "filters: the expression reads viewed, and the request names no item that is viewed; give its id as after",
                    field="filters",
                )
            uses = uses | own
        if request.boosts:
            masks = self.catalogue.pipeline.masks
            rules = boost_rules(request.boosts)
            for rule in rules:
                masks.check(rule)
            uses = uses.union(*(masks.uses(rule) for rule in rules))
        return reader.values(uses, moment, after) if uses else {}

    def _uses_at(self, placement: str | None) -> Uses:
        """Names that the rules of a placement and the rows of its page read of requests."""
        found = self._uses.get(placement)
        if found is None:
            conditions, rows = self.catalogue.conditions, self.model.project.rows_at(placement or "")
            found = self._uses[placement] = self.catalogue.pipeline_at(placement).uses.union(
                *(conditions.uses(row.filters, f"page.rows.{n}.filters") for n, row in enumerate(rows))
            )
        return found

    def _allowed(
        self, request: RecommendRequest, values: RequestValues
    ) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
        """The items that may be shown, and warnings; computed once for equal filters. Raises `RequestError` for a filter that is wrong."""
        filters = request.filters
        pipeline = self.catalogue.pipeline_at(request.placement)
        key: Any = repr(filters) if filters else "", id(pipeline)
        if values:
            hides, own = pipeline.hide_uses, NOTHING
            if isinstance(filters, str):
                own = self.catalogue.conditions.uses(filters)
            key = key, tuple((name, values.get(name)) for name in sorted(hides | own))
        if key not in self._masks:
            allowed = self.catalogue.allowed(filters, values, request.placement)
            self._masks[key] = allowed, filter_warnings(self.catalogue.conditions, filters, allowed)
        return self._masks[key]

    def _utility(self, request: RecommendRequest) -> UtilityWeights:
        if not request.weights and request.combine is None and request.at_least is None:
            return self.model.default_utility
        key: Any = (_items(request.weights), request.combine, _items(request.at_least))
        try:
            if key in self._utilities:
                return self._utilities[key]
        except TypeError:  # an unhashable weight is refused below
            key = None
        project = self.model.project
        defaults = {name: o.weight for name, o in project.objectives.items()}
        found = UtilityWeights(
            resolve_weights(dict(request.weights or {}), defaults),
            self.model.scales,
            resolve_combine(request.combine, project.utility.combine),
            resolve_guard_rails(
                None if request.at_least is None else dict(request.at_least),
                project.utility.at_least,
                self.model.objectives,
            ),
        )
        if key is not None:
            self._utilities[key] = found
        return found

    def _strengths(self, request: RecommendRequest) -> RerankStrengths:
        by = self.model.project.rerank

        def given(value: float | None, default: float) -> float:
            return default if value is None else value

        calibration = given(request.calibration, by.calibration)
        if calibration > 0 and by.calibration_by is None:
            raise RequestError(
                "calibration: the project does not name the attribute to calibrate; set rerank.calibration_by",
                field="calibration",
            )
        explores = request.explore is None or request.explore > 0
        return RerankStrengths(
            given(request.diversity, by.diversity),
            given(request.freshness, by.freshness),
            calibration,
            given(request.explore, by.explore),
            by.new_items.share if explores else 0.0,
        )


def values_of(state: LiveState, resolved: ResolvedRequest, uses: Uses) -> RequestValues:
    """Return what expressions that are not the project's own, as in a preview of other rules, read of a request."""
    request = resolved.request
    reader = ValueReader(
        state, resolved.catalogue, resolved.user, resolved.code, resolved.history, request.context
    )
    return reader.values(uses, resolved.moment, resolved.after)


def encode(model: Model, state: LiveState, batch: Sequence[ResolvedRequest]) -> EncodedBatch:
    """Turn resolved requests of one batch key into arrays. Call it while `state.reading` holds."""
    moment = batch[0].moment
    given = [r.history is not None for r in batch]
    users = [None if has else r.user for r, has in zip(batch, given, strict=True)]
    # a history that is given is the whole of what may be used: the request is a visitor's
    codes = np.array([-1 if has else r.code for r, has in zip(batch, given, strict=True)], np.int32)
    codes = state.histories.known_codes(codes)
    extra = [_given_events(r, moment, model.history_kind) for r in batch]
    whole = state.histories.of(codes, users, extra if any(extra) else None)
    recent = whole.last(model.project.retrieve.history)
    contexts = [r.request.context for r in batch]
    context = state.context.of_requests(contexts)
    requests = Requests(
        recent,
        model.event_weights(recent),
        np.full(len(batch), moment, np.int64),
        batch[0].allowed,
        *_excluded(whole, batch[0].catalogue, model.project.rerank, np.array([r.after for r in batch])),
        state.user_attributes(contexts, users, codes),
        batch[0].catalogue.allowed_by_default,
        context,
    )
    return EncodedBatch(codes, requests, whole, context, state.shown_to(codes, users))


def _given_events(resolved: ResolvedRequest, moment: int, kind: int) -> list[HistoryEvent]:
    """The events that a request brings itself: its history, a second apart, and the item it comes after."""
    history = resolved.history or ()
    events = [
        HistoryEvent(item, moment - 1000 * (len(history) - at), kind) for at, item in enumerate(history)
    ]
    if resolved.after >= 0:
        events.append(HistoryEvent(resolved.after, moment, kind))
    return events


def _excluded(
    whole: Histories, catalogue: Catalogue, rerank: RerankSettings, after: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, NDArray[np.int32] | None]:
    """Items that must not come back to each request, ragged: those of the history that may not be shown again, and `after`."""
    follows = bool((after >= 0).any())
    if not follows and rerank.show_seen:
        return None, None
    if not follows and rerank.show_again is None:
        return whole.indptr, whole.item
    blocked = hidden_once_seen(catalogue.items, whole.item, rerank)
    if follows:
        blocked |= whole.item == after[whole.owner]
    kept = whole.only(blocked)
    return kept.indptr, kept.item


def _items(mapping: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...] | None:
    return None if mapping is None else tuple(mapping.items())

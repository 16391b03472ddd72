"""A page of rows: rows by theme (picks, because, an attribute's value, trending, new), filled from one ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.model import Model
from shortlist.cascade.reasons import VERBS
from shortlist.cascade.respond import recommendations, warnings_of
from shortlist.cascade.run import Cascade, ScoredBatch, genre_shares
from shortlist.cascade.state import LiveState
from shortlist.config.base import duration_ms
from shortlist.config.page import RowSettings
from shortlist.config.short_repr import ShortRepr
from shortlist.data.attributes import CodedAttribute, NumberAttribute
from shortlist.data.ids import random_id
from shortlist.data.no_time import NO_TIME
from shortlist.data.slates import Recommendation
from shortlist.errors import RequestError, abbreviated
from shortlist.requests import RecommendRequest
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page
from shortlist.rerank.request_values import lacks_viewed

ANCHORS = 8
"""Number of a user's latest items that can have a "because" row."""
NEAR = 40
"""Number of candidates, the most similar ones, that make up a "because" row."""
VALUES = 12
"""Number of an attribute's values, those the user likes most, that can have a row."""
FINISHED = 0.9
"""Share of an item's length from which it counts as finished."""
BEGUN = 0.02
"""Share of an item's length from which it counts as begun."""
REASONS = {"trending": "Popular right now", "new": "New here", "again": "You chose it before"}
"""Kind of row → the reason of all its items."""


@dataclass(frozen=True, repr=False)
class PageRow(ShortRepr):
    """One row of a page.

    `kind` is that of the project's `[page]`, `title` is for people, `about` is the item or attribute value the row is
    about, where it is about one.
    """

    kind: str
    title: str
    items: list[Recommendation]
    about: Any = None


@dataclass(frozen=True, repr=False)
class PageOfRows(ShortRepr):
    """A page: `rows` from top to bottom; no item is on it twice. `kinds` counts the rows of each kind."""

    page_id: str
    user: Any
    user_known: bool
    rows: list[PageRow]
    model_version: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def make_page(model: Model, state: LiveState, request: RecommendRequest, rows: int = 6) -> PageOfRows:
    """A page of up to `rows` rows, each of up to `request.size` items, as the project's `[page]`, or the rows of its placement, say.

    Raises `RequestError` as `Recommender.recommend` does.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= 40:
        raise RequestError(
            f"rows must be a whole number from 1 to 40 and is {abbreviated(rows)}", field="rows"
        )
    scored = Cascade.score(model, state, Cascade.resolve(model, state, [request]))
    made = _Rows(model, scored).fill(rows)
    kinds: dict[str, int] = {}
    for row in made:
        kinds[row.kind] = kinds.get(row.kind, 0) + 1
    doubts = warnings_of(model, scored.requests[0], scored.known[0])
    return PageOfRows(random_id(), request.user, scored.known[0], made, model.version, kinds, doubts)


Found = list[tuple[Theme, Any]]
"""Rows that could be shown, each with what it is about."""


class _Rows:
    """The candidates of one request, and the rows they could be shown in."""

    def __init__(self, model: Model, scored: ScoredBatch) -> None:
        self.model, self.scored = model, scored
        self.catalogue, self.data = scored.catalogue, model.dataset
        self.history = scored.encoded.histories
        self.utility, self.items = scored.utility, scored.rows.item
        self.order = np.argsort(-self.utility, kind="stable")
        self.resolved = scored.requests[0]
        self.n, self.moment = self.resolved.request.size, self.resolved.moment

    def fill(self, most_rows: int) -> list[PageRow]:
        """The rows of the page, from top to bottom."""
        settings = self.model.project.rows_at(self.resolved.request.placement or "")
        begun = [self._continue(row) for row in settings if row.kind == "continue"]
        head = [row for row in begun if row is not None][:most_rows]
        makers: dict[str, Callable[[RowSettings], Found]] = {
            "picks": self._picks,
            "because": self._because,
            "attribute": self._attribute,
            "trending": self._trending,
            "new": self._new,
            "again": self._again,
        }
        found: Found = []
        most: dict[str, int] = {}
        for row in settings:
            most[row.kind] = most.get(row.kind, 0) + row.most
            if row.kind in makers and len(self.items):
                found += [(self._narrowed(row, theme), what) for theme, what in makers[row.kind](row)]
        about = {id(theme): what for theme, what in found}
        vectors = self.catalogue.pipeline.vectors(self.items) if len(self.items) else np.zeros((0, 1))
        themes = [theme for theme, _ in found]
        limits = PageLimits(most_rows - len(head), self.n, most)
        page = assemble_page(
            self.utility, np.asarray(vectors, np.float64), themes, limits, things=self._things()
        )
        return head + [
            PageRow(theme.kind, theme.title, self._recommendations(theme, chosen), about[id(theme)])
            for theme, chosen in page
        ]

    def _recommendations(self, theme: Theme, chosen: NDArray[np.int64]) -> list[Recommendation]:
        """The items of a row. In a row with a reason of its own, the items have that reason."""
        found = recommendations(self.model, self.scored, chosen, np.ones(len(chosen)))
        reason = theme.title if theme.kind == "because" else REASONS.get(theme.kind)
        return found if reason is None else [replace(one, reason=reason) for one in found]

    def _permitted(self, row: RowSettings) -> NDArray[np.bool_]:
        """The items of the catalogue that a row may show, bool (items,)."""
        everything = np.ones(len(self.catalogue.items), bool)
        if row.filters is None:
            return everything
        conditions = self.catalogue.conditions
        if lacks_viewed(self.resolved.values, conditions.uses(row.filters, "filters")):
            return ~everything
        mask = conditions.mask(row.filters, values=self.resolved.values)
        return everything if mask is None else mask

    def _narrowed(self, row: RowSettings, theme: Theme) -> Theme:
        """A row with the items that its settings permit, which may be of one kind of thing, and the title that they give."""
        titled = row.title is not None and row.kind not in {"because", "attribute"}
        title = row.title if titled and row.title else theme.title
        if row.filters is None:
            return replace(theme, title=title)
        rows = theme.rows[self._permitted(row)[self.items[theme.rows]]]
        return replace(theme, title=title, rows=rows, mixed=False)

    def _things(self) -> NDArray[np.int32] | None:
        """The kind of thing that each candidate is, −1 where unknown: by `diversity_by`, or else by the first category or list."""
        coded = {n: a for n, a in self.catalogue.items.attributes.items() if isinstance(a, CodedAttribute)}
        by = self.model.project.rerank.diversity_by or ""
        attribute = coded.get(by, next(iter(coded.values()), None))
        if attribute is None:
            return None
        indptr, codes = attribute.take(self.items).ragged()
        things = np.full(len(self.items), -1, np.int32)
        known = np.diff(indptr) > 0
        things[known] = codes[indptr[:-1][known]]
        return things

    def _by_utility(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows[np.argsort(-self.utility[rows], kind="stable")]

    # ---------------------------------------------------------------- kinds of rows

    def _picks(self, row: RowSettings) -> Found:
        strengths = replace(self.resolved.strengths, explore=0.0, cold_start=0.0)
        shares = genre_shares(self.scored, 0) if strengths.calibration > 0 else None
        n = self.n if row.filters is None else len(self.items)
        order = self.resolved.pipeline.rerank_within_cap(
            self.items, self.utility, n, self.moment, strengths, shares
        )
        return [(Theme("picks", "Picked for you", order, first=True), None)]

    def _because(self, _row: RowSettings) -> Found:
        found: Found = []
        seen: set[int] = set()
        # an event of weight 0 (a dismissal, a return) is no reason
        weights = self.model.event_weights(self.history)
        for event in range(len(self.history.item) - 1, -1, -1):
            code = int(self.history.item[event])
            if code in seen or len(seen) >= ANCHORS or weights[event] <= 0:
                continue
            seen.add(code)
            similarity = self._similarity(code)
            if similarity is None:
                continue
            near = np.argsort(-similarity, kind="stable")[:NEAR]
            near = near[(similarity[near] > 0) & (self.items[near] != code)]
            verb = VERBS.get(self.data.log.kinds[self.history.kind[event]], "chose")
            title = f"Because you {verb} {self.catalogue.items.titles[code]}"
            found.append((Theme("because", title, self._by_utility(near)), self.catalogue.items.ids.id(code)))
        return found

    def _similarity(self, code: int) -> NDArray[np.float32] | None:
        """float32 (candidates,): similarity to an item, by the first retriever that knows it."""
        for retriever in self.catalogue.retrievers.values():
            scores = None if retriever.name == "together" else retriever.similar(code)
            if scores is not None and scores.any():
                found = np.zeros(len(self.items), np.float32)
                inside = self.items < len(scores)
                found[inside] = scores[self.items[inside]]
                return found
        return None

    def _attribute(self, row: RowSettings) -> Found:
        attribute = self.catalogue.items.attributes[str(row.of)]
        assert isinstance(attribute, CodedAttribute)
        indptr, values = attribute.take(self.items).ragged()
        owner = np.repeat(np.arange(len(self.items)), np.diff(indptr))
        size = len(attribute.vocabulary)
        liked = np.bincount(attribute.take(self.history.item).ragged()[1], minlength=size)
        offered = np.bincount(values, minlength=size)
        best = np.lexsort((-offered, -liked))[:VALUES]
        names = self.catalogue.category_names[str(row.of)]
        return [
            (
                Theme(
                    "attribute",
                    names.short(attribute.vocabulary[value]),
                    self._by_utility(owner[values == value]),
                    mixed=False,
                ),
                attribute.vocabulary[value],
            )
            for value in best.tolist()
        ]

    def _trending(self, _row: RowSettings) -> Found:
        for at, name in enumerate(self.scored.rows.sources):
            if self.catalogue.retrievers[name].name == "popular":
                rank = self.scored.rows.ranks[:, at]
                rows = np.flatnonzero(~np.isnan(rank))
                ordered = rows[np.argsort(rank[rows], kind="stable")]
                return [(Theme("trending", "Trending now", ordered), None)]
        return []

    def _new(self, row: RowSettings) -> Found:
        seen = self.catalogue.first_seen[self.items]
        fresh = (seen != NO_TIME) & (seen > self.moment - duration_ms(row.window)) & (seen <= self.moment)
        return [(Theme("new", "New", self.order[fresh[self.order]]), None)]

    def _again(self, _row: RowSettings) -> Found:
        had = np.isin(self.items, self.history.item)
        return [(Theme("again", "Again", self.order[had[self.order]], mixed=False), None)]

    def _continue(self, row: RowSettings) -> PageRow | None:
        """Items that were begun and not finished, latest first."""
        length = self.catalogue.items.attribute(str(row.of), NumberAttribute).values
        allowed = self.scored.encoded.requests.allowed
        permitted = self._permitted(row)
        history, ids, titles = self.history, self.catalogue.items.ids, self.catalogue.items.titles
        items: list[Recommendation] = []
        seen: set[int] = set()
        for event in range(len(history.item) - 1, -1, -1):
            code, value = int(history.item[event]), float(history.value[event])
            if history.time[event] < self.moment - duration_ms(row.window) or len(items) == self.n:
                break
            if code in seen or value != value:
                continue
            seen.add(code)
            share = value / max(float(length[code]) * row.unit, 1e-9)
            shown = (
                not self.catalogue.retired[code] and (allowed is None or allowed[code]) and permitted[code]
            )
            if shown and BEGUN < share < FINISHED:
                reason = f"You are {share:.0%} through"
                items.append(Recommendation(ids.id(code), titles[code], share, {}, {}, reason))
        return PageRow("continue", row.title or "Go on where you were", items) if items else None

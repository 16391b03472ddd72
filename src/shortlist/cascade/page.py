"""A page of rows for somebody: themes from what they did, what they like and what is going on, filled from one ranking (`rerank/page_rows.py`)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.cascade.encode import Context
from shortlist.cascade.reasons import VERBS
from shortlist.cascade.respond import in_full
from shortlist.config.base import duration_ms
from shortlist.config.page import RowSettings
from shortlist.data.slates import Recommendation
from shortlist.data.times import NO_TIME
from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.rerank.page_rows import PageLimits, Theme, assemble_page
from shortlist.rerank.strengths import RerankStrengths

ANCHORS = 8
"""So many of the latest things that somebody chose may have a row of their own."""
NEAR = 40
"""So many candidates that are most like it make up its row."""
VALUES = 12
"""So many values of an attribute, those a person likes most, may have a row."""
DONE = 0.9
"""Who has seen so much of something has finished it."""


@dataclass(frozen=True)
class PageRow:
    """One row: its `kind` as in the project, a `title` for people, and `items`; `about`: the item or value that it is about, if any."""

    kind: str
    title: str
    items: list[Recommendation]
    about: Any = None


@dataclass(frozen=True)
class PageOfRows:
    """`rows` from top to bottom; no item is on it twice."""

    page_id: str
    user: Any
    user_known: bool
    rows: list[PageRow]
    model_version: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    """How many rows of each kind."""


def make_page(
    recommender: Recommender,
    user: Any = None,
    rows: int = 6,
    n: int = 10,
    *,
    history: list[Any] | None = None,
    context: Context = None,
    weights: dict[str, float] | None = None,
    filters: dict[str, Any] | None = None,
    now: int | None = None,
) -> PageOfRows:
    """A page of up to `rows` rows of up to n items, as the project's `[page]` says. Arguments as for `Recommender.recommend`; raises
    `RequestError` as it does.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= 40:
        raise RequestError(f"rows must be a whole number from 1 to 40 and is {rows!r}", field="rows")
    made = _Page(recommender, user, n, history, context, weights, filters, now)
    page_id = uuid.uuid4().hex
    told = made.told(rows)
    kinds: dict[str, int] = {}
    for row in told:
        kinds[row.kind] = kinds.get(row.kind, 0) + 1
    return PageOfRows(page_id, user, made.known, told, recommender.version, kinds)


class _Page:
    """The candidates of one person, ranked once, and the themes they could be shown under."""

    def __init__(
        self,
        recommender: Recommender,
        user: Any,
        n: int,
        history: list[Any] | None,
        context: Context,
        weights: dict[str, float] | None,
        filters: dict[str, Any] | None,
        now: int | None,
    ) -> None:
        self.r, self.n = recommender, recommender.check_n(n)
        self.moment = recommender.now() if now is None else now
        wish = recommender.wish(weights, None, None)
        allowed = recommender.allowed(filters)
        self.codes, self.requests, self.whole, _ = recommender.asker.requests(
            [user], history, context, allowed, self.moment
        )
        self.known = bool(self.codes[0] >= 0) or recommender.people.knows(
            recommender.dataset.users.ids.own(user)
        )
        self.rows, _, self.predictions = recommender.rank(self.codes, self.requests, self.whole, context)
        self.utility = wish.utility(self.predictions)
        self.items, self.order = self.rows.item, np.argsort(-self.utility, kind="stable")
        self.allowed = allowed

    def told(self, most_rows: int) -> list[PageRow]:
        settings = self.r.project.page.rows
        begun = [row for row in settings if row.kind == "continue"]
        head = [found for row in begun if (found := self._begun(row)) is not None][:most_rows]
        themes: list[Theme] = []
        about: dict[int, Any] = {}
        makers = {
            "picks": self._picks,
            "because": self._because,
            "attribute": self._attribute,
            "trending": self._trending,
            "new": self._new,
            "again": self._again,
        }
        for row in settings:
            for theme, what in makers[row.kind](row) if row.kind in makers and len(self.items) else []:
                about[id(theme)] = what
                themes.append(theme)
        most: dict[str, int] = {}
        for row in settings:
            most[row.kind] = most.get(row.kind, 0) + row.most
        topics = self._topics()
        limits = PageLimits(most_rows - len(head), self.n, most)
        page = assemble_page(self.utility, topics, themes, limits)
        return head + [
            PageRow(theme.kind, theme.title, self._in_full(chosen), about[id(theme)])
            for theme, chosen in page
        ]

    def _in_full(self, chosen: np.ndarray) -> list[Recommendation]:
        one = np.ones(len(chosen))
        return in_full(self.r, self.requests, self.rows, chosen, self.predictions, self.utility, one)

    def _topics(self) -> np.ndarray:
        vectors = self.r.arrange.vectors(self.items) if len(self.items) else np.zeros((0, 1))
        return np.asarray(vectors, np.float64)

    # ---------------------------------------------------------------- kinds of rows

    def _picks(self, _row: RowSettings) -> list[tuple[Theme, Any]]:
        by = self.r.project.rerank
        strengths = RerankStrengths(by.diversity, by.freshness, by.calibration)
        taste = self.r.taste(self.requests, 0) if strengths.calibration > 0 else None
        order = self.r.arrange.rerank(self.items, self.utility, self.n, self.moment, strengths, taste)
        return [(Theme("picks", "Picked for you", order, first=True), None)]

    def _because(self, _row: RowSettings) -> list[tuple[Theme, Any]]:
        data = self.r.dataset
        found, seen = [], set[int]()
        weights = self.r.asker.event_weights(
            self.whole
        )  # what counts for nothing (a dismissal, a return) is no reason
        for event in range(len(self.whole.item) - 1, -1, -1):
            code = int(self.whole.item[event])
            if code in seen or len(seen) >= ANCHORS or weights[event] <= 0:
                continue
            seen.add(code)
            likeness = self._likeness(code)
            if likeness is None:
                continue
            near = np.argsort(-likeness[self.items], kind="stable")[:NEAR]
            near = near[(likeness[self.items[near]] > 0) & (self.items[near] != code)]
            verb = VERBS.get(data.log.kinds[self.whole.kind[event]], "chose")
            title = f"Because you {verb} {data.items.titles[code]}"
            found.append(
                (
                    Theme("because", title, near[np.argsort(-self.utility[near], kind="stable")]),
                    data.items.ids.id(code),
                )
            )
        return found

    def _likeness(self, code: int) -> np.ndarray | None:
        for retriever in self.r.retrievers.values():
            scores = None if retriever.name == "together" else retriever.similar(code)
            if scores is not None and scores.any():
                return scores
        return None

    def _attribute(self, row: RowSettings) -> list[tuple[Theme, Any]]:
        attribute = self.r.dataset.items.attributes[str(row.of)]
        indptr, values = attribute.take(self.items).ragged()
        owner = np.repeat(np.arange(len(self.items)), np.diff(indptr))
        liked = np.bincount(attribute.take(self.whole.item).ragged()[1], minlength=len(attribute.vocabulary))
        offered = np.bincount(values, minlength=len(attribute.vocabulary))
        best = np.lexsort((-offered, -liked))[:VALUES]
        found = []
        for value in best.tolist():
            rows = owner[values == value]
            rows = rows[np.argsort(-self.utility[rows], kind="stable")]
            found.append((Theme("attribute", attribute.vocabulary[value], rows), attribute.vocabulary[value]))
        return found

    def _trending(self, _row: RowSettings) -> list[tuple[Theme, Any]]:
        for at, name in enumerate(self.rows.sources):
            if self.r.retrievers[name].name == "popular":
                rank = self.rows.ranks[:, at]
                rows = np.flatnonzero(~np.isnan(rank))
                return [
                    (Theme("trending", "Trending now", rows[np.argsort(rank[rows], kind="stable")]), None)
                ]
        return []

    def _new(self, row: RowSettings) -> list[tuple[Theme, Any]]:
        born = self.r.arrange.first_seen[self.items]
        fresh = (born != NO_TIME) & (born > self.moment - duration_ms(row.window)) & (born <= self.moment)
        return [(Theme("new", "New", self.order[fresh[self.order]]), None)]

    def _again(self, _row: RowSettings) -> list[tuple[Theme, Any]]:
        had = np.isin(self.items, self.whole.item)
        return [(Theme("again", "Again", self.order[had[self.order]]), None)]

    def _begun(self, row: RowSettings) -> PageRow | None:
        """What was begun and not finished, latest first."""
        data = self.r.dataset
        length = data.items.attributes[str(row.of)].values
        items: list[Recommendation] = []
        seen = set[int]()
        for event in range(len(self.whole.item) - 1, -1, -1):
            code, value = int(self.whole.item[event]), float(self.whole.value[event])
            if self.whole.time[event] < self.moment - duration_ms(row.window) or len(items) == self.n:
                break
            if code in seen or value != value:
                continue
            seen.add(code)
            share = value / max(float(length[code]) * row.unit, 1e-9)
            shown = not self.r.retired[code] and (self.allowed is None or self.allowed[code])
            if shown and 0.02 < share < DONE:
                said = f"You are {share:.0%} through"
                items.append(
                    Recommendation(data.items.ids.id(code), data.items.titles[code], share, {}, {}, said)
                )
        return PageRow("continue", "Go on where you were", items) if items else None

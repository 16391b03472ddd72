"""A page of rows: which themed rows a page shows, and with which items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.config.short_repr import ShortRepr


@dataclass(frozen=True, eq=False)
class Theme:
    """A row that a page could show.

    Parameters
    ----------
    kind
        Themes of one kind share a limit.
    title
        Title of the row.
    rows : ndarray of shape (n,), int64
        Candidates that the row could show, in its own order, best first.
    first
        Whether it comes before all themes that are selected by value, in the order of the list.
    mixed
        Whether the row shows several kinds of things, if the page has some. A row about one category does not.
    """

    kind: str
    title: str
    rows: NDArray[np.int64]
    first: bool = False
    mixed: bool = True

    def __repr__(self) -> str:
        return f"Theme({self.kind!r}, {self.title!r}, {len(self.rows)} candidates)"


@dataclass(frozen=True)
class PageLimits:
    """The size of a page.

    Parameters
    ----------
    rows
        Maximum number of rows.
    items
        Maximum number of items per row.
    per_kind
        Kind of theme → maximum number of its rows.
    min_items
        A row with fewer items is not shown.
    alike
        Largest share of one kind of thing in a mixed row.
    """

    rows: int
    items: int
    per_kind: Mapping[str, int]
    min_items: int = 3
    alike: float = 0.5


def assemble_page(
    utility: NDArray[np.float64],
    topics: NDArray[np.floating],
    themes: Sequence[Theme],
    limits: PageLimits,
    diversity: float = 0.5,
    things: NDArray[np.integer] | None = None,
) -> list[tuple[Theme, NDArray[np.int64]]]:
    """Select themes one by one and assign each item to at most one row.

    The value of a row is the discounted utility of its best items that are not yet on the page, by position in the row,
    times 1 − diversity × cosine between its topics and those of the page so far. A second row of the same genre is
    therefore deferred until other genres have been shown. An item goes to the first row that takes it. Cost: O(rows × themes × items of a
    theme).

    Parameters
    ----------
    utility : ndarray of shape (candidates,), float64
        Utility of each candidate.
    topics : ndarray of shape (candidates, d), float
        Vectors that define the similarity of rows.
    themes
        The rows to select from.
    limits
        Size of the page.
    diversity
        0 to 1: how much a row loses if its topics are those of the page so far.
    things : ndarray of shape (candidates,), int
        The kind of thing that each candidate is, such as its category; −1 where it is unknown. In a mixed row, at most the share
        `limits.alike` of its places goes to one kind; a row of one kind only is not shown. None: items do not have kinds.

    Returns
    -------
    list of (theme, ndarray of shape (at most limits.items,), int64)
        The page from top to bottom; no candidate occurs twice.

    References
    ----------
    Alvino & Basilico (2015). Learning a personalized homepage. Netflix Technology Blog.

    Gruson et al. (2019). Offline evaluation to make decisions about playlist recommendation algorithms. WSDM.
    """
    several = things is not None and len(np.unique(things)) > 1
    state = _Page(utility, topics, themes, limits, things if several else None)
    page: list[tuple[Theme, NDArray[np.int64]]] = []
    while state.remaining and len(page) < limits.rows:
        best = state.best_theme(diversity)
        if best is None:
            break
        page.append((themes[best], state.place(best)))
    return page


@dataclass(eq=False, repr=False)
class _Page(ShortRepr):
    """A page while it is assembled: free candidates, topics so far, and offers that stay valid until one of their items is taken."""

    utility: NDArray[np.float64]
    topics: NDArray[np.floating]
    themes: Sequence[Theme]
    limits: PageLimits
    things: NDArray[np.integer] | None = None
    offers: dict[int, tuple[NDArray[np.int64], float, NDArray[np.floating]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.utility)
        self.gain = self.utility - self.utility.min() if n else self.utility
        self.discount = 1.0 / np.log2(np.arange(self.limits.items) + 2.0)
        self.free = np.ones(n, bool)
        self.shown = np.zeros(self.topics.shape[1])
        self.remaining = list(range(len(self.themes)))
        self.used = dict.fromkeys(self.limits.per_kind, 0)

    def offer(self, at: int) -> tuple[NDArray[np.int64], float, NDArray[np.floating]]:
        """Return a theme's best free candidates, their discounted utility and their topics."""
        known = self.offers.get(at)
        if known is None or not self.free[known[0]].all():
            rows = self.themes[at].rows
            rows = rows[self.free[rows]]
            rows = (self._mixed(rows) if self.themes[at].mixed else rows)[: self.limits.items]
            value = float(self.gain[rows] @ self.discount[: len(rows)])
            known = self.offers[at] = rows, value, self.topics[rows].sum(0)
        return known

    def _mixed(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows without those that exceed the share of their kind of thing; none if all are of one kind."""
        if self.things is None or len(rows) < self.limits.min_items:
            return rows
        things = np.asarray(self.things[rows], np.int64)
        things = np.where(things < 0, -1 - np.arange(len(rows)), things)  # unknown: each is a kind of its own
        order = np.argsort(things, kind="stable")
        _, starts, counts = np.unique(things[order], return_index=True, return_counts=True)
        if len(counts) == 1:
            return rows[:0]
        before = np.empty(len(rows), np.int64)  # how many earlier rows are of the same kind
        before[order] = np.arange(len(rows)) - np.repeat(starts, counts)
        places = min(self.limits.items, len(rows))
        kept = before < max(1, int(np.ceil(self.limits.alike * places)))
        return rows[kept]

    def best_theme(self, diversity: float) -> int | None:
        """Return the theme of the next row: a `first` theme, otherwise the one of the highest value."""
        best, best_value = None, -np.inf
        for at in self.remaining:
            theme = self.themes[at]
            if self.used[theme.kind] >= self.limits.per_kind[theme.kind]:
                continue
            rows, gain, topics = self.offer(at)
            if len(rows) < self.limits.min_items:
                continue
            if theme.first:
                return at
            value = gain * (1 - diversity * _cosine(topics, self.shown))
            if value > best_value:
                best, best_value = at, value
        return best

    def place(self, at: int) -> NDArray[np.int64]:
        """Put a theme onto the page and return the candidates that it shows."""
        rows = self.offer(at)[0]
        self.free[rows] = False
        self.used[self.themes[at].kind] += 1
        self.shown += self.topics[rows].sum(0)
        self.remaining.remove(at)
        return rows


def _cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the cosine of two vectors, 0 if one of them is zero."""
    squares = float(a @ a) * float(b @ b)
    return float(a @ b) / squares**0.5 if squares > 0 else 0.0

"""A page of rows: each row a theme, no item twice, and a page that is not one theme over and over.

Rows are chosen one by one. What a row would bring is the utility of its best items that are still free, those in front counting more (a row is
looked at from the left, as a list is from the top); a row of topics that the page shows already counts less. So the second row of thrillers
waits until something else had its turn (Alvino & Basilico 2015, "Learning a personalized homepage"; Gruson et al. 2019). Items go to the first row that takes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Theme:
    """`rows` int64: the candidates it could show, in its own order, best first. `kind`: themes of one kind share a limit. `first`: it
    comes before all that are chosen, in the order of the list.
    """

    kind: str
    title: str
    rows: np.ndarray
    first: bool = False


def assemble(
    utility: np.ndarray,
    topics: np.ndarray,
    themes: list[Theme],
    most: dict[str, int],
    n_rows: int,
    n: int,
    fewest: int = 3,
    diversity: float = 0.5,
) -> list[tuple[Theme, np.ndarray]]:
    """The page: themes with the rows (int64, ≤ n each, no candidate twice) that they show.

    utility float64 (candidates,); topics float (candidates, d), what likeness of rows is measured by; most: kind → how many rows; fewest: a row with
    less is not shown; diversity from 0 to 1: how much a row of topics that the page shows already loses.
    O(rows × themes × items of a theme).
    """
    worth = utility - utility.min() if len(utility) else utility
    discount = 1.0 / np.log2(np.arange(n) + 2.0)
    free = np.ones(len(utility), bool)
    left, used = list(range(len(themes))), dict.fromkeys(most, 0)
    shown = np.zeros(topics.shape[1])
    page: list[tuple[Theme, np.ndarray]] = []

    offers: dict[int, tuple[np.ndarray, float, np.ndarray]] = {}

    def offered(at: int) -> tuple[np.ndarray, float, np.ndarray]:
        """A theme's best free items, what they bring, and their topics; worked out again only when one of them was taken."""
        known = offers.get(at)
        if known is None or not free[known[0]].all():
            rows = themes[at].rows[free[themes[at].rows]][:n]
            known = offers[at] = rows, float(worth[rows] @ discount[: len(rows)]), topics[rows].sum(0)
        return known

    while left and len(page) < n_rows:
        best, gain, taken = -1, -np.inf, np.empty(0, np.int64)
        for at in left:
            theme = themes[at]
            if used[theme.kind] >= most[theme.kind]:
                continue
            rows, brings, about = offered(at)
            if len(rows) < fewest:
                continue
            if theme.first:
                best, taken = at, rows
                break
            value = brings * (1 - diversity * _alike(about, shown))
            if value > gain:
                best, gain, taken = at, value, rows
        if best < 0:
            break
        page.append((themes[best], taken))
        free[taken] = False
        used[themes[best].kind] += 1
        shown += topics[taken].sum(0)
        left.remove(best)
    return page


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine, 0 where one of them is nothing."""
    length = float(one @ one) * float(other @ other)
    return float(one @ other) / length**0.5 if length > 0 else 0.0

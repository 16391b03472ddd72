"""The results of a recommender: slates of items with scores, predictions, sources and reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shortlist.config.short_repr import short_repr, shortened
from shortlist.data.cursor import Cursor
from shortlist.errors import import_extra
from shortlist.report.render import render_template


# without slots: orjson reads them three times as slowly, which is 0.2 ms of a list of 500 items
@dataclass(repr=False)
class Recommendation:
    """One item of a slate.

    Attributes
    ----------
    item : int or str
        The item's id.
    title : str
        Its title.
    score : float
        The utility that it was ranked by.
    predictions : dict[str, float]
        Objective → prediction.
    sources : dict[str, int]
        Retriever that proposed it → its rank there, from 0.
    reason : str
        Why it is recommended, in words.
    propensity : float
        The probability of this item at its position, given the positions above. Below 1 where the project explores.
    """

    item: Any
    title: str
    score: float
    predictions: dict[str, float]
    sources: dict[str, int]
    reason: str
    propensity: float = 1.0

    def __repr__(self) -> str:
        shown = [("item", self.item), ("title", self.title), ("score", float(f"{self.score:.4g}"))]
        return short_repr("Recommendation", shown)


@dataclass(frozen=True, repr=False)
class Slate:
    """The items that answer one request, best first. It iterates over `Recommendation`s.

    Attributes
    ----------
    slate_id : str
        Identifies the slate in the log.
    user : int, str or None
        The user's id; None for a visitor.
    user_known : bool
        Whether the model knows the user.
    items : list[Recommendation]
        The items.
    model_version : str
        The version of the model.
    unknown_items : list
        Items of the given history, or of a given list, that are not in the catalogue.
    guard_rails : dict[str, dict[str, float]]
        Objective → the least mean prediction that was `asked` for, and the mean that the items of the slate and of the pages before it
        `reached`.
    policy : str
        The version of everything that chose the slate: model, weights, re-ranking. Slates of one policy are
        comparable.
    warnings : list[str]
        What in the request had no effect: filter values that do not occur, items and users that are not known.
    given : dict[str, list[float | None]] or None
        Of a given list that was ranked: name of a given number → that of each item, in the order of `items`. None for a
        slate that the recommender chose.
    first_position : int
        The position of the first item over all pages of the request, from 0.
    page : Cursor or None
        What the pages so far have shown, without this one. None where no further page can follow.
    placement : str
        The placement that the request named; empty for none.

    Examples
    --------
    >>> film = Recommendation("m1", "The Ember Court", 0.5, {"play": 0.2}, {"als": 0}, "Because of your last film")
    >>> slate = Slate("s1", "u1", True, [film])
    >>> slate
    Slate(user u1: The Ember Court)
    >>> [each.item for each in slate]
    ['m1']
    """

    slate_id: str
    user: Any
    user_known: bool
    items: list[Recommendation]
    model_version: str = ""
    unknown_items: list[Any] = field(default_factory=list)
    guard_rails: dict[str, dict[str, float]] = field(default_factory=dict)
    policy: str = ""
    warnings: list[str] = field(default_factory=list)
    given: dict[str, list[float | None]] | None = None
    first_position: int = 0
    page: Cursor | None = None
    placement: str = ""

    @property
    def cursor(self) -> str | None:
        """Requests the next page, without the items of the pages so far: `recommend(…, cursor=slate.cursor)`; None at the end."""
        return None if self.page is None else self.page.text([r.item for r in self.items])

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def to_arrow(self) -> pa.Table:
        """Return the slate as an Arrow table; see `Slates.to_arrow`."""
        return Slates([self]).to_arrow()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """Return the slate as a pandas frame. Requires the extra `frames`."""
        return Slates([self]).to_pandas()

    def to_polars(self) -> Any:
        """Return the slate as a Polars frame. Requires the extra `frames`."""
        return Slates([self]).to_polars()

    def __repr__(self) -> str:
        more = f", … {len(self) - 3} more" if len(self) > 3 else ""
        titles = ", ".join(r.title for r in self.items[:3])
        return shortened(f"Slate({_addressee(self)}: {titles}{more})")

    def _repr_html_(self) -> str:
        return Slates([self])._repr_html_()


@dataclass(frozen=True, repr=False)
class Slates:
    """The slates of a batch, in the order of the requests.

    Attributes
    ----------
    slates : list[Slate]
        One slate a request.

    Examples
    --------
    >>> film = Recommendation("m1", "The Ember Court", 0.5, {"play": 0.2}, {"als": 0}, "Because of your last film")
    >>> slates = Slates([Slate("s1", "u1", True, [film])])
    >>> slates[0].items[0]
    Recommendation(item='m1', title='The Ember Court', score=0.5)
    >>> slates.to_arrow().column_names
    ['user', 'rank', 'item', 'title', 'score', 'prediction_play', 'reason']
    """

    slates: list[Slate]

    def __len__(self) -> int:
        return len(self.slates)

    def __getitem__(self, index: int) -> Slate:
        return self.slates[index]

    def __iter__(self) -> Iterator[Slate]:
        return iter(self.slates)

    def to_arrow(self) -> pa.Table:
        """Return one row a recommended item.

        Returns
        -------
        pyarrow.Table
            Columns user, rank (from 1 on the first page), item, title, score, prediction_… (one an objective) and reason. Ids have
            their own type.
        """
        rows = [
            (s.user, rank, r) for s in self.slates for rank, r in enumerate(s.items, s.first_position + 1)
        ]
        columns: dict[str, Any] = {
            "user": [user for user, _, _ in rows],
            "rank": pa.array([rank for _, rank, _ in rows], pa.int32()),
            "item": [r.item for _, _, r in rows],
            "title": pa.array([r.title for _, _, r in rows], pa.string()),
            "score": pa.array([r.score for _, _, r in rows], pa.float64()),
        }
        for name in rows[0][2].predictions if rows else ():
            columns[f"prediction_{name}"] = [r.predictions[name] for _, _, r in rows]
        columns["reason"] = pa.array([r.reason for _, _, r in rows], pa.string())
        return pa.table(columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        # any library with the Arrow interface reads slates: polars.DataFrame(slates), duckdb, pyarrow.table(slates)
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """Return the table as a pandas frame. Requires the extra `frames`."""
        import_extra("pandas", "frames")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return the table as a Polars frame. Requires the extra `frames`."""
        polars: Any = import_extra("polars", "frames")
        return polars.from_arrow(self.to_arrow())

    def __repr__(self) -> str:
        return f"Slates({len(self)} slates, {sum(map(len, self.slates)):,} items)"

    def _repr_html_(self) -> str:
        return render_template("slates.html", slates=self.slates[:10], more=max(len(self.slates) - 10, 0))


def _addressee(slate: Slate) -> str:
    return "a visitor" if slate.user is None else f"user {slate.user}"

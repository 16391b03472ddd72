"""What comes out: slates of items with scores, predictions, sources and reasons."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shortlist.errors import import_extra


@dataclass(slots=True)
class Recommendation:
    """One item of a slate. `score` is the utility it was ranked by; `predictions` one number an objective; `sources`
    the retrievers that proposed it, each with the rank (from 0) it gave it.
    """

    item: Any
    title: str
    score: float
    predictions: dict[str, float]
    sources: dict[str, int]
    reason: str
    propensity: float = 1.0
    """The chance with which it was put into its slot, given the slots above; below 1 where the project explores."""


@dataclass(frozen=True)
class Slate:
    """The items for one request, best first. `unknown_items`: items of the given history that the catalogue lacks."""

    slate_id: str
    user: Any
    user_known: bool
    items: list[Recommendation]
    model_version: str = ""
    unknown_items: list[Any] = field(default_factory=list)
    guard_rails: dict[str, dict[str, float]] = field(default_factory=dict)
    """Objective → the least mean prediction that was `asked` for and what the slate `reached`."""
    policy: str = ""
    """The version of everything that chose the slate: model, weights, re-ranking. Slates of one policy are comparable."""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Any:
        return iter(self.items)

    def to_arrow(self) -> pa.Table:
        return Slates([self]).to_arrow()

    def to_pandas(self) -> Any:
        return Slates([self]).to_pandas()

    def to_polars(self) -> Any:
        return Slates([self]).to_polars()

    def _repr_html_(self) -> str:
        return Slates([self])._repr_html_()


@dataclass(frozen=True)
class Slates:
    """Slates of a batch, in the order of the requests."""

    slates: list[Slate]

    def __len__(self) -> int:
        return len(self.slates)

    def __getitem__(self, index: int) -> Slate:
        return self.slates[index]

    def __iter__(self) -> Any:
        return iter(self.slates)

    def to_arrow(self) -> pa.Table:
        """Columns user, rank (from 1), item, title, score, one a prediction, reason; ids in their own type."""
        rows = [(s.user, rank, r) for s in self.slates for rank, r in enumerate(s.items, 1)]
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

    def to_pandas(self) -> Any:
        import_extra("pandas", "frames")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        polars: Any = import_extra("polars", "frames")
        return polars.from_arrow(self.to_arrow())

    def _repr_html_(self) -> str:
        parts = []
        for slate in self.slates[:10]:
            who = "a visitor" if slate.user is None else f"user {html.escape(str(slate.user))}"
            cells = "".join(
                f"<tr><td>{rank}</td><td><b>{html.escape(r.title)}</b></td><td>{r.score:.3f}</td><td>{html.escape(r.reason)}</td></tr>"
                for rank, r in enumerate(slate.items, 1)
            )
            parts.append(
                f"<p>For {who}</p><table><tr><th></th><th>item</th><th>score</th><th>reason</th></tr>{cells}</table>"
            )
        more = f"<p>… and {len(self.slates) - 10} more</p>" if len(self.slates) > 10 else ""
        return "".join(parts) + more

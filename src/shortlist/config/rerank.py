"""The settings of the last stage: what becomes of ranked candidates, and how a page is made of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from shortlist.config.base import Duration, Settings

View = Literal["slate", "shelf", "feed", "shop", "rows"]


class NewItems(Settings):
    """A fair first audience for new items (`rerank/newcomers.py`)."""

    share: float = Field(0.0, ge=0, le=1)
    """Of the slates, so many have a slot for a new item; 0: none."""
    slot: int = Field(3, ge=0)
    """Which slot, from 0."""
    budget: int = Field(300, ge=1)
    """How often an item is shown before it stands on its own record."""
    window: Duration = "14d"
    """How long an item is new: since its `freshness_by`, or its first event."""


class FairShare(Settings):
    """At least a share of a slate's slots for some providers, as long as it does not cost too much. With `explore`, it holds for the best of
    the candidates that are drawn from, and a drawn slate may have less.
    """

    by: str
    """A category or list attribute of items."""
    values: list[str] = Field(min_length=1)
    """Which of its values are to get the share: small sellers, local makers, …"""
    share: float = Field(gt=0, le=1)
    """Of the slots, so many, rounded up."""
    most_loss: float = Field(0.05, ge=0, le=1)
    """At most this share of the slate's predicted utility is given up for it; the slots that would cost more stay as they are."""


class Rule(Settings):
    """A business rule: what is to be done with the items that meet a condition."""

    name: str = Field(min_length=1)
    when: dict[str, Any] = Field(min_length=1)
    """Which items, as in a request's filters: `{ genres = { any = ["Horror"] }, year = { min = 1990 } }`."""
    action: Literal["boost", "bury", "hide", "pin"]
    """boost: utility × (1 + amount). bury: ÷ (1 + amount). hide: never shown. pin: the best of them has the slot `slot`."""
    amount: float = Field(0.2, gt=0, le=100)
    slot: int = Field(0, ge=0)
    """For a pin: which slot, from 0."""


class Rerank(Settings):
    diversity: float = Field(0.0, ge=0, le=1)
    """0: by utility alone. 1: by being different alone (MMR)."""
    diversity_way: Literal["mmr", "dpp"] = "mmr"
    """mmr: an item counts less the more it is like any one above it. dpp: the more it is like all of them together."""
    diversity_by: str | None = None
    """A category or list attribute; without one, the first retriever with item factors is used."""
    calibration: float = Field(0.0, ge=0, le=1)
    """How strongly a slate keeps to the shares of a person's tastes (`rerank/calibrated.py`): 0 not, 1 by nothing else. Where it is above 0
    it orders the slate, and diversity does not."""
    calibration_by: str | None = None
    """A category or list attribute: what tastes are shares of."""
    freshness: float = Field(0.0, ge=0, le=10)
    """How much utility a brand-new item gains, as a share of its own: utility × (1 + freshness × 2^(−age/half-life))."""
    freshness_by: str | None = None
    """A time attribute of items. Without one, the item's first event."""
    freshness_half_life: Duration = "30d"
    exposure_by: str | None = None
    """A category attribute that names the provider (studio, seller, channel)."""
    exposure_cap: int | None = Field(None, ge=1)
    """At most this many items of one provider on a slate."""
    fair: list[FairShare] = Field(default_factory=list)
    """Least shares of slots for some providers, at a bounded price (`rerank/fairness.py`)."""
    rules: list[Rule] = Field(default_factory=list)
    """Business rules: boost, bury, hide or pin (`rerank/business.py`); `shortlist preview` says what they would change."""
    in_stock: str | None = None
    """A number attribute; items where it is 0 are never shown."""
    explore: float = Field(0.0, ge=0, le=5)
    """How much chance there is in a slate, with logged propensities: 0 none, 0.3 a little, 1 much (`rerank/explore.py`)."""
    explore_way: Literal["plackett_luce", "epsilon"] = "plackett_luce"
    """plackett_luce: near the best more often than far from it. epsilon: with the chance `explore`, any candidate alike."""
    explore_from: int = Field(0, ge=0)
    """Slots above this one (from 0) are never explored."""
    new_items: NewItems = Field(default_factory=NewItems)
    show_seen: bool = False
    """Whether items of the person's own history may be shown again."""
    show_again: str | None = None
    """A number attribute; items where it is not 0 (what is used up) may be shown again though a person had them."""

    def attributes(self) -> list[tuple[str, str | None, set[str]]]:
        """Which attributes are named where, and which kinds they must be."""
        return [
            ("rerank.diversity_by", self.diversity_by, {"category", "list"}),
            ("rerank.calibration_by", self.calibration_by, {"category", "list"}),
            ("rerank.freshness_by", self.freshness_by, {"time"}),
            ("rerank.exposure_by", self.exposure_by, {"category"}),
            ("rerank.in_stock", self.in_stock, {"number"}),
            ("rerank.show_again", self.show_again, {"number"}),
            *((f"rerank.fair.{n}.by", f.by, {"category", "list"}) for n, f in enumerate(self.fair)),
        ]

    @model_validator(mode="after")
    def _complete(self) -> Rerank:
        if self.calibration > 0 and self.calibration_by is None:
            raise ValueError(
                "rerank.calibration needs calibration_by: the attribute that tastes are shares of"
            )
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("rerank.rules: each rule needs a name of its own, so that its price can be told")
        return self


class Row(Settings):
    """One kind of row on a page of rows."""

    kind: Literal["picks", "because", "attribute", "trending", "new", "again", "continue"]
    """picks: the best of all. because: like something a person chose. attribute: one genre, one kind. trending: what many choose these days.
    new: what has just come. again: what a person had and may want again. continue: what was begun and not finished."""
    of: str | None = None
    """attribute: which one. continue: the number attribute that says how long the whole is."""
    most: int = Field(1, ge=1, le=20)
    """At most so many rows of this kind."""
    unit: float = Field(1.0, gt=0)
    """continue: what one of `of` is in units of the events' values; 60 for minutes, where values are seconds."""
    window: Duration = "14d"
    """new and continue: how old something may be."""

    @model_validator(mode="after")
    def _of(self) -> Row:
        if self.kind in {"attribute", "continue"} and self.of is None:
            raise ValueError(f"a row of kind {self.kind} needs of = the attribute it is about")
        return self


class Page(Settings):
    """A page of rows (`paging.py`)."""

    rows: list[Row] = Field(
        default_factory=lambda: [Row(kind="picks"), Row(kind="because", most=3), Row(kind="trending")]
    )

    def attributes(self) -> list[tuple[str, str | None, set[str]]]:
        kinds = {"attribute": {"category", "list"}, "continue": {"number"}}
        return [
            (f"page.rows.{n}.of", row.of, kinds[row.kind])
            for n, row in enumerate(self.rows)
            if row.kind in kinds
        ]

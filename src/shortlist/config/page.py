"""`[page]`: a page of rows, and the look of the page's first tab."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shortlist.config.base import Duration, SettingError, Settings

View = Literal["slate", "shelf", "feed", "shop", "rows"]


class RowSettings(Settings):
    """One kind of row on a page of rows."""

    kind: Literal["picks", "because", "attribute", "trending", "new", "again", "continue"]
    """picks: the best items overall. because: items similar to one that the user chose. attribute: items of one category or genre.
    trending: items with many recent events. new: items that were added recently. again: items of the history that the user may
    want again. continue: items that the user began and did not finish."""
    of: str | None = None
    """attribute: the attribute. continue: the number attribute with the item's full length."""
    most: int = Field(1, ge=1, le=20)
    """Maximum number of rows of this kind."""
    unit: float = Field(1.0, gt=0)
    """continue: the size of one unit of `of` in units of the events' values; 60 if `of` is in minutes and values are in seconds."""
    window: Duration = "14d"
    """new and continue: the maximum age."""

    @model_validator(mode="after")
    def _check_attribute(self) -> RowSettings:
        if self.kind in {"attribute", "continue"} and self.of is None:
            raise SettingError("of", f"a row of kind {self.kind} needs of = an attribute of items")
        return self


class PageSettings(Settings):
    """The rows of a page, from top to bottom (`[page]`)."""

    rows: list[RowSettings] = Field(
        default_factory=lambda: [
            RowSettings(kind="picks"),
            RowSettings(kind="because", most=3),
            RowSettings(kind="trending"),
        ]
    )
    """The kinds of rows."""

    def attributes(self) -> list[tuple[str, str | None, set[str]]]:
        """Return the item attributes that the settings name: (setting, attribute, allowed kinds)."""
        kinds = {"attribute": {"category", "list"}, "continue": {"number"}}
        return [
            (f"page.rows.{n}.of", row.of, kinds[row.kind])
            for n, row in enumerate(self.rows)
            if row.kind in kinds
        ]

"""`[page]`: a page of rows, and the look of the page's first tab."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shortlist.config.base import Duration, SettingError, Settings
from shortlist.config.rerank import check_attributes, check_written
from shortlist.expressions import Schema

View = Literal["slate", "shelf", "feed", "shop", "rows"]
_CODE = re.compile("[A-Z]{3}")
_HOST = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")


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
    filters: dict[str, Any] | str | None = Field(None, min_length=1)
    """Only items that meet this condition are in the row, as in a request's filters: `"price < 20"`."""
    title: str | None = Field(None, min_length=1)
    """picks, trending, new, again and continue: the row's title (default: by kind)."""
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
    """The parts of items that the page shows, and the rows of a page, from top to bottom (`[page]`)."""

    price: str | None = None
    """Number attribute with the price of an item."""
    currency: str | None = None
    """Currency of the prices: an ISO 4217 code such as "EUR", or the category attribute of items that holds it."""
    image: str | None = None
    """Attribute with the address of an item's picture (kind link, text or category). Items without one get their initials."""
    link: str | None = None
    """Attribute with the web address of an item (kind link, text or category): its title leads there. Only addresses that begin with
    http:// or https:// become links."""
    image_hosts: list[str] = Field(default_factory=list)
    """Origins that the page may load pictures from, for example "https://images.example.com". The content security policy forbids all
    others; the page says which picture is not shown for that reason."""

    rows: list[RowSettings] = Field(
        default_factory=lambda: [
            RowSettings(kind="picks"),
            RowSettings(kind="because", most=3),
            RowSettings(kind="trending"),
        ]
    )
    """The kinds of rows."""

    @field_validator("image_hosts")
    @classmethod
    def _check_hosts(cls, hosts: list[str]) -> list[str]:
        for number, host in enumerate(hosts):
            if _HOST.fullmatch(host) is None:
                raise SettingError(
                    str(number),
                    f'{host!r} is not the origin of a server; write for example "https://images.example.com", without a path',
                )
        return hosts

    @model_validator(mode="after")
    def _check_parts(self) -> PageSettings:
        if self.currency is not None and self.price is None:
            raise SettingError(
                "currency", "a currency needs price = the number attribute with the price of an item"
            )
        if self.image_hosts and self.image is None:
            raise SettingError(
                "image_hosts", "image_hosts needs image = the attribute with the address of an item's picture"
            )
        return self

    @property
    def currency_attribute(self) -> str | None:
        """The attribute that holds the currency; None if there is no currency or it is the same for all items."""
        return None if self.currency is None or _CODE.fullmatch(self.currency) else self.currency

    def attributes(self) -> list[tuple[str, str | None, set[str]]]:
        """Return the item attributes that the settings name: (setting, attribute, allowed kinds)."""
        return [
            ("page.price", self.price, {"number"}),
            ("page.currency", self.currency_attribute, {"category"}),
            ("page.image", self.image, {"link", "text", "category"}),
            ("page.link", self.link, {"link", "text", "category"}),
        ]


def check_rows(rows: Sequence[RowSettings], where: str, schema: Schema) -> None:
    """Raise `SettingError` if a row names something that does not exist, or its filters are wrong.

    Parameters
    ----------
    rows
        The rows.
    where
        The setting that holds them.
    schema
        The names that filters can use, and the kinds of attributes.
    """
    kinds = {"attribute": {"category", "list"}, "continue": {"number"}}
    named = [(f"{where}.{n}.of", row.of, kinds[row.kind]) for n, row in enumerate(rows) if row.kind in kinds]
    check_attributes(named, schema.items)
    for number, row in enumerate(rows):
        if row.filters is not None:
            check_written(row.filters, f"{where}.{number}.filters", schema, f"row {number + 1}")

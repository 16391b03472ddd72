"""How rows of an export become events: columns that are filled down, rows that are no events, and rows that make several."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from shortlist.config.base import IMPRESSION, SettingError, Settings

_PARTS = ("%Y", "%y", "%s", "%x", "%c")


def _check_format(form: str | dict[str, str] | None) -> str | dict[str, str] | None:
    for one in () if form is None else (form,) if isinstance(form, str) else form.values():
        if not any(part in one.replace("%-", "%") for part in _PARTS):
            raise ValueError(
                f'{one!r} is no format of dates; write for example "%d/%m/%Y %H:%M" (%d day, %m month, %Y year, %H hours, %I %p '
                "hours with AM or PM, %M minutes, %S seconds)"
            )
    return form


TimeFormat = Annotated[str | dict[str, str] | None, AfterValidator(_check_format)]
"""A format of strptime, or a format for each column."""


def column_format(form: str | dict[str, str] | None, column: str) -> str | None:
    """Return the format of one column."""
    return form.get(column) if isinstance(form, dict) else form


class FilledDown(Settings):
    """Columns whose blank cells have the value of the row above (`[data.fill_down]`)."""

    columns: list[str] = Field(min_length=1)
    """The columns."""
    by: str | None = None
    """Column with the number of the order: a cell is filled from an earlier line of the same order only."""


class ExcludedRows(Settings):
    """Rows that are no events (`[[data.exclude]]`): lines of postage, of tax, of vouchers."""

    column: str
    """The column that tells them."""
    values: list[str] = Field(min_length=1)
    """Rows with one of these values are set aside. Capitals and blanks around a value do not matter."""
    reason: str = "excluded"
    """The name of the rows in the report."""


class DerivedEvents(Settings):
    """Events that rows of a wide log make (`[[data.derive]]`): a row that says `clicked` makes a click."""

    kind: str = Field(min_length=1)
    """The kind of the events."""
    when: str | None = None
    """Column that says whether a row makes the event: a number other than 0, true or yes, or any time (default: `value`, then
    `timestamp`; without either, each row makes one)."""
    values: list[str] = Field(default_factory=list)
    """Texts in the column `when` that make an event, instead."""
    at_least: float | None = None
    """The lowest number in the column `when` that makes an event, instead."""
    value: str | None = None
    """Column with the value of the event (default: the row's, by `data.columns.value`)."""
    timestamp: str | None = None
    """Column with the time of the event, where it has its own (default: the row's)."""
    slate: str | None = None
    """For `impression`: column with the id of the slate."""
    position: str | None = None
    """For `impression`: column with the position on the slate."""

    @model_validator(mode="after")
    def _check(self) -> DerivedEvents:
        if (self.values or self.at_least is not None) and self.condition is None:
            name = "values" if self.values else "at_least"
            raise SettingError(name, f'name the column that has these values: when = "…" beside {name}')
        if self.values and self.at_least is not None:
            raise SettingError("at_least", "give values or at_least, not both")
        for name in ("slate", "position"):
            if getattr(self, name) and self.kind != IMPRESSION:
                raise SettingError(
                    name, f"only impressions have a {name}; this rule makes events of kind {self.kind}"
                )
        return self

    @property
    def condition(self) -> str | None:
        """The column that says whether a row makes the event; None: each row does."""
        return self.when or self.value or self.timestamp

    @property
    def columns(self) -> list[str]:
        """The columns that the rule names."""
        return [name for name in (self.when, self.value, self.timestamp, self.slate, self.position) if name]

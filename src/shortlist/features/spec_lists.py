"""Declarations of features of given lists: the numbers that come with items, and comparisons within a list."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from shortlist.config.base import SettingError
from shortlist.features.spec_base import FeatureSettings

REFERENCES = ("median", "mean", "min", "max", "latest")
"""References that a number is compared with within a list, beside an item that the context names."""


class GivenFeature(FeatureSettings):
    """A number that comes with an item of a given list: the score of a search engine, the price of today.

    It is unknown for items that the recommender chooses itself (`recommend`), because nobody gives their numbers.
    """

    kind: Literal["given"]
    of: str
    """The column, one of `data.given`."""


class WithinListFeature(FeatureSettings):
    """A number of the candidate compared with those of the other items of its given list.

    A hotel at 90 is cheap among hotels at 200 and dear among hostels at 30: people choose within the list that they see. Any
    feature with one column of numbers can be compared: a given price, a rating, the number of clicks of the last week. Unknown
    numbers of other items are left out; the value is unknown for items that are not of a given list.
    """

    kind: Literal["within_list"]
    of: str
    """The feature whose numbers are compared, by name."""
    how: Literal["rank", "difference", "ratio", "share", "z_score", "reference"] = "rank"
    """rank: number of items of the list with a smaller number, 0 for the smallest. difference: the number minus `to`. ratio: the number
    divided by `to`; unknown where `to` is 0. share: the number divided by the sum of the list; unknown where that is 0. z_score: the
    number minus the list's mean, divided by its standard deviation; 0 where all numbers are equal. reference: `to` itself, the same
    for each item of the list, which says what kind of list it is."""
    to: str = "median"
    """What `difference`, `ratio` and `reference` read: the list's `median`, `mean`, `min` or `max`; `latest`, the item of the list that the
    user acted on last (of the 50 latest events); or `context.x`, the item of the list whose id is in a context column of kind category."""
    event: str | None = None
    """With `to = "latest"`: use events of this kind only (default: all but impressions)."""

    @field_validator("to")
    @classmethod
    def _check_to(cls, to: str) -> str:
        if to not in REFERENCES and not to.startswith("context."):
            raise ValueError(f"to is one of {', '.join(REFERENCES)}, or context.<column>, and is {to!r}")
        return to

    @model_validator(mode="after")
    def _check_event(self) -> WithinListFeature:
        if self.event is not None and self.to != "latest":
            raise SettingError("event", 'event selects the latest item of the user: it needs to = "latest"')
        return self

    def inputs_of(self) -> list[str]:
        """Return the feature that is compared."""
        return [self.of]

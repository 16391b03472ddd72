"""Feature declarations: the settings of each kind of feature.

A feature is declared once. For training, `offline` computes it with SQL as of each past request; for serving, `online`
computes it from counters that every event updates. Both deliver the same integers (number of events, sum in
thousandths, time of the latest), and `finish` turns them into the value that the ranker sees. The two values can differ
only if an integer differs; tests replay whole logs to show that none does.

    [[features]]
    name = "item_plays_30d"          # the name of the column that the ranker sees
    kind = "count"                   # number of `play` events of the candidate in the last 30 days
    by = "item"                      # the key: see `CountedFeature`
    event = "play"
    window = "30d"                   # or "all"

docs/how-to/features.md has an example of every kind. `validate` checks declarations against the data's columns.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, field_validator, model_validator

from shortlist.config.base import SettingError, duration_ms
from shortlist.features.aggregates import STEPS, Aggregate, Counts
from shortlist.features.formulas import (
    COUNT,
    LATEST,
    MEAN,
    RATE,
    RECENCY,
    SECOND_INTEGER,
    THOUSANDTHS,
    TREND,
    apply_formula,
)
from shortlist.features.spec_base import FeatureSettings
from shortlist.features.spec_lists import GivenFeature, WithinListFeature

NOT_READ = np.empty(0)


class AttributeFeature(FeatureSettings):
    """The value of an attribute: `item.x`, `user.x` or `context.x`.

    A number or category is one column. A list becomes one 0/1 column for each of its `most` most frequent values. A text
    becomes `dims` columns by latent semantic analysis (TF-IDF and truncated SVD; Deerwester et al. 1990), an embedding its
    first `dims` principal components. A category of more than `buckets` values is hashed (Weinberger et al. 2009): trees
    cannot learn from thousands of rare values; count by such an attribute instead.
    """

    kind: Literal["attribute"]
    of: str
    """The attribute, for example `item.price`."""
    buckets: int = Field(1024, ge=2, le=65_536)
    """Number of distinct values up to which a category is not hashed, and number of hash buckets beyond."""
    most: int = Field(20, ge=1, le=200)
    """Number of columns of a list."""
    dims: int = Field(8, ge=1, le=64)
    """Number of columns of a text or embedding."""


class AgeFeature(FeatureSettings):
    """Days since a time attribute of the item, such as its release."""

    kind: Literal["age"]
    of: str
    """The attribute, for example `item.released`."""


class MomentFeature(FeatureSettings):
    """The hour (0 to 23, UTC) or the weekday (0: Monday) of the request."""

    kind: Literal["moment"]
    of: Literal["hour", "weekday"]
    """The part of the time."""


class PositionFeature(FeatureSettings):
    """The position at which the item was shown.

    The ranker learns the effect of the position in training; scoring sets every position to the first one. So the ranker
    does not attribute that effect to the item (Zhao et al. 2019, "Recommending what video to watch next").
    """

    kind: Literal["position"]


class CrossFeature(FeatureSettings):
    """Two or more categories as one (Cheng et al. 2016, "Wide & deep learning").

    One split of a tree can then select "games in the evening". The combined category is hashed into `buckets`.
    """

    kind: Literal["cross"]
    of: list[str] = Field(min_length=2)
    """The categories, for example `["context.daytime", "item.category"]`; a feature of kind moment is given by its name."""
    buckets: int = Field(1024, ge=2, le=65_536)
    """Number of hash buckets."""

    def inputs_of(self) -> list[str]:
        """Return the categories."""
        return self.of


class CustomFeature(FeatureSettings):
    """A registered Python function on Arrow columns: see `shortlist.feature`."""

    kind: Literal["custom"]
    function: str
    """The registered name of the function."""
    inputs: list[str] = Field(min_length=1)
    """Arguments of the function: features by name, or attributes, for example `item.price`."""

    def inputs_of(self) -> list[str]:
        """Return the arguments of the function."""
        return self.inputs


class HistoryFeature(FeatureSettings):
    """Base of features that compare the candidate with the items of the user's latest events."""

    of: str
    """The attribute of items by which they are compared."""
    last: int = Field(50, ge=1, le=1000)
    """Number of latest events."""
    event: str | None = None
    """Use events of this kind only (default: all but impressions)."""


class AffinityFeature(HistoryFeature):
    """Share of the user's latest events whose item has the candidate's value; for lists, the mean over the values."""

    kind: Literal["affinity"]


class SimilarityFeature(HistoryFeature):
    """Cosine of the candidate's vector and the sum of the vectors of the user's latest items.

    The vector is the embedding, the TF-IDF weights of a text, or the 0/1 vector of a category or list. Vectors are scaled
    to length 1024 and rounded: sums of integers are equal everywhere.
    """

    kind: Literal["similarity"]


class CountedFeature(FeatureSettings):
    """Base of features that are computed from events counted by a key over a window."""

    by: str
    """The key: `item`, `user`, `all`, an attribute (`item.genres`, `user.country`, `context.device`), or several joined by
    `*` (`user*item.genres`: this user's events with the genres of the candidate). Where a candidate has several keys (three
    genres), the mean of their counts is used, and the latest of their times."""
    event: str
    """The kind of the counted events."""
    at_least: float | None = None
    """Count events with at least this value."""
    window: str = "all"
    """Length of the window, for example `"30d"`, or `"all"`."""
    formula: ClassVar[int | None] = None
    """One of `formulas`; None for a feature that computes its value in another way."""

    @field_validator("window")
    @classmethod
    def _check_window(cls, text: str) -> str:
        if text != "all" and duration_ms(text) < STEPS:
            raise ValueError(f"a window must be at least {STEPS} milliseconds long")
        return text

    def _aggregate(
        self,
        event: str,
        at_least: float | None = None,
        window: str | None = None,
        distinct: str | None = None,
        extremes: bool = False,
    ) -> Aggregate:
        window = self.window if window is None else window
        length = None if window == "all" else duration_ms(window)
        return Aggregate(self.by, event, at_least, length, distinct, extremes)

    def aggregates(self) -> list[Aggregate]:
        """Return one aggregate: the events, by the key, over the window."""
        return [self._aggregate(self.event, self.at_least)]

    def parameters(self, prior: float) -> tuple[float, float]:  # noqa: ARG002 - some formulas have none
        """Return x and y of the formula. prior: the mean or rate over all events of the training data."""
        return 0.0, 0.0

    def finish(self, counts: list[Counts], moments: NDArray[np.int64], prior: float) -> NDArray[np.float64]:
        """Compute the value of the feature.

        Parameters
        ----------
        counts
            Counts of the rows, one for each of `aggregates()`.
        moments
            int64 (rows,), the time of the request, ms.
        prior
            The mean or rate over all events of the training data.

        Returns
        -------
        ndarray
            float64 (rows,), NaN where the value is unknown.
        """
        assert self.formula is not None
        one, other = counts[0], counts[-1]
        name = SECOND_INTEGER.get(self.formula)
        integers = (
            _floats(one.n),
            NOT_READ if name is None else _floats(getattr(one, name)),
            _floats(other.n) if len(counts) > 1 else NOT_READ,
        )
        values: NDArray[np.float64] = apply_formula(
            self.formula, integers, _floats(moments), *self.parameters(prior)
        )
        return values


class CountFeature(CountedFeature):
    """Number of events."""

    kind: Literal["count"]
    formula = COUNT


class RecencyFeature(CountedFeature):
    """Days since the latest event; unknown without an event in the window."""

    kind: Literal["recency"]
    formula = RECENCY


class MeanFeature(CountedFeature):
    """Mean value, smoothed towards the mean of all events: `prior` events of that mean are added."""

    kind: Literal["mean"]
    prior: float = Field(10.0, ge=0)
    """Number of events of the overall mean that are added."""
    formula = MEAN

    def parameters(self, prior: float) -> tuple[float, float]:
        """Return the number of added events and their mean."""
        return self.prior, prior


class LatestFeature(CountedFeature):
    """The value of the latest event; unknown without an event in the window."""

    kind: Literal["latest"]
    formula = LATEST


class ExtremeFeature(CountedFeature):
    """The smallest or largest value in the window; unknown without an event."""

    kind: Literal["minimum", "maximum"]

    def aggregates(self) -> list[Aggregate]:
        """Return one aggregate that keeps the smallest and largest value."""
        return [self._aggregate(self.event, self.at_least, extremes=True)]

    def finish(
        self,
        counts: list[Counts],
        moments: NDArray[np.int64],  # noqa: ARG002 - part of the interface
        prior: float,  # noqa: ARG002 - part of the interface
    ) -> NDArray[np.float64]:
        """Compute the value of the feature, float64 (rows,)."""
        value = counts[0].low if self.kind == "minimum" else counts[0].high
        return np.where(counts[0].n > 0, value / THOUSANDTHS, np.nan)


class DistinctFeature(CountedFeature):
    """Number of distinct items, users or attribute values in the events.

    It measures the breadth of a user's taste or of an item's audience.
    """

    kind: Literal["distinct"]
    of: str
    """`item`, `user`, or an attribute of either."""
    formula = COUNT

    def aggregates(self) -> list[Aggregate]:
        """Return one distinct count."""
        return [self._aggregate(self.event, self.at_least, distinct=self.of)]


class TrendFeature(CountedFeature):
    """Events a day in a short window, divided by events a day in a long one: 1 is steady, above 1 is rising."""

    kind: Literal["trend"]
    against: str
    """Length of the long window."""
    prior: float = Field(5.0, gt=0)
    """Number of events that are added to both counts, so that the trend of rare events stays near 1."""
    formula = TREND

    @model_validator(mode="after")
    def _check_windows(self) -> TrendFeature:
        if self.window == "all" or self.against == "all":
            raise ValueError('a trend needs two windows of finite length, not "all"')
        if duration_ms(self.against) <= duration_ms(self.window):
            raise SettingError(
                "against", f"against = {self.against!r} must be longer than window = {self.window!r}"
            )
        return self

    def aggregates(self) -> list[Aggregate]:
        """Return the counts of both windows."""
        long = self._aggregate(self.event, self.at_least, window=self.against)
        return [self._aggregate(self.event, self.at_least), long]

    def parameters(self, prior: float) -> tuple[float, float]:  # noqa: ARG002 - it has none
        """Return the number of added events and the ratio of the windows' lengths."""
        return self.prior, duration_ms(self.window) / duration_ms(self.against)


class RateFeature(CountedFeature):
    """Events divided by events of kind `per`, smoothed towards the overall rate: `prior` trials of that rate are added."""

    kind: Literal["rate"]
    per: str
    """The kind of the events in the denominator, for example `impression`."""
    prior: float = Field(20.0, ge=0)
    """Number of trials of the overall rate that are added."""
    formula = RATE

    def aggregates(self) -> list[Aggregate]:
        """Return the counts of the numerator and of the denominator."""
        return [self._aggregate(self.event, self.at_least), self._aggregate(self.per)]

    def parameters(self, prior: float) -> tuple[float, float]:
        """Return the number of added trials and their rate."""
        return self.prior, prior


Feature = Annotated[
    AttributeFeature
    | AgeFeature
    | MomentFeature
    | PositionFeature
    | CrossFeature
    | CustomFeature
    | GivenFeature
    | WithinListFeature
    | AffinityFeature
    | SimilarityFeature
    | CountFeature
    | RecencyFeature
    | MeanFeature
    | LatestFeature
    | ExtremeFeature
    | DistinctFeature
    | TrendFeature
    | RateFeature,
    Field(discriminator="kind"),
]
"""A feature declaration of any kind."""
FEATURE: TypeAdapter[Any] = TypeAdapter(Feature)


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, np.float64)

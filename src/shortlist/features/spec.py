"""The vocabulary of features: what a project file may declare.

A feature is declared once. `features/history.py` computes it offline with SQL, as of each past request;
`features/live.py` computes it online from counters that every event updates. Both deliver the same *integers* (how
many events, their sum in thousandths, the last time), and one function, `finish`, turns those into the number that
the ranker sees. So the two can only differ if an integer differs, and tests replay whole logs to show that none does.

Windows move in 24 steps: a window of 30 days is the running 30-hour step and the 23 steps before it. That is what
makes a counter O(1) an event, and offline uses the very same steps.

    [[features]]
    name = "item_plays_30d"          # any name; it is the column the ranker sees
    kind = "count"                   # how often `play` happened to the candidate in the last 30 days
    by = "item"                      # whose events: see `Counted`
    event = "play"
    window = "30d"                   # or "all"

docs/features.md has an example of every kind. What is checked against the project's columns is in `checks.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field, TypeAdapter, field_validator, model_validator

from shortlist.config.base import SettingError, Settings, duration_ms
from shortlist.features.formulas import COUNT, LATEST, MEAN, RATE, RECENCY, THOUSANDTHS, TREND, finished

STEPS = 24
"""How many steps a window has."""


@dataclass(frozen=True)
class Aggregate:
    """What is counted: events of a kind (with at least a value) by a key over a window. Features share these.

    distinct: count the different values of this key (`item`, `user`, `item.genres`), not the events. extremes: the least
    and greatest value are kept too.
    """

    by: str
    event: str
    at_least: float | None
    window_ms: int | None
    distinct: str | None = None
    extremes: bool = False

    @property
    def step_ms(self) -> int:
        assert self.window_ms is not None
        return max(self.window_ms // STEPS, 1)

    def start(self, moments: np.ndarray) -> np.ndarray:
        """When the window of each moment began, ms."""
        if self.window_ms is None:
            return np.full(len(moments), np.iinfo(np.int64).min // 4)
        return (moments // self.step_ms - STEPS + 1) * self.step_ms

    def end(self, times: np.ndarray) -> np.ndarray:
        """The first moment, ms, whose window an event of each time has left."""
        if self.window_ms is None:
            return np.full(len(times), np.iinfo(np.int64).max // 4)
        return (times // self.step_ms + STEPS) * self.step_ms


class Counts(Protocol):
    """What is known of each key at a moment; arrays (rows,). Where n is 0 the others mean nothing."""

    @property
    def n(self) -> np.ndarray:
        """How many events."""

    @property
    def total(self) -> np.ndarray:
        """Their values' sum, thousandths."""

    @property
    def last(self) -> np.ndarray:
        """When the latest was, ms."""

    @property
    def value(self) -> np.ndarray:
        """The latest one's value, thousandths; of several at one instant the greatest."""

    @property
    def low(self) -> np.ndarray:
        """The least value, thousandths."""

    @property
    def high(self) -> np.ndarray:
        """The greatest value, thousandths."""


class Base(Settings):
    name: str = Field(min_length=1)

    def aggregates(self) -> list[Aggregate]:
        return []

    def inputs_of(self) -> list[str]:
        """Features and attributes this one is derived from."""
        return []

    def finish(self, counts: list[Counts], moments: np.ndarray, prior: float) -> np.ndarray:
        """From integers to the number the ranker sees, float64 (rows,); one formula for training and serving.

        counts: one a counted aggregate; moments ms (rows,); prior: what a smoothed feature is drawn to.
        """
        raise NotImplementedError


class AttributeFeature(Base):
    """An attribute as it is: `item.x`, `user.x` or `context.x`.

    A number or category is one column. A list becomes one 0/1 column for each of its `most` commonest values. A text
    becomes `dims` columns (TF-IDF, then the leading directions: latent semantic analysis, Deerwester et al. 1990), an
    embedding its `dims` principal directions. A category of more than `buckets` values shares buckets by hash (Weinberger et
    al. 2009): trees cannot learn from thousands of rare values; count by them instead.
    """

    kind: Literal["attribute"]
    of: str
    buckets: int = Field(1024, ge=2, le=65_536)
    most: int = Field(20, ge=1, le=200)
    dims: int = Field(8, ge=1, le=64)


class AgeFeature(Base):
    """Days since a time attribute, such as an item's release."""

    kind: Literal["age"]
    of: str


class MomentFeature(Base):
    """The hour (0 to 23, UTC) or weekday (0: Monday) of the request."""

    kind: Literal["moment"]
    of: Literal["hour", "weekday"]


class PositionFeature(Base):
    """Where the item was shown. Learnt in training, then fixed to the top slot when scoring, so that the ranker
    does not mistake being shown first for being liked (Zhao et al. 2019, "Recommending what video to watch next").
    """

    kind: Literal["position"]


class CrossFeature(Base):
    """Two or more categories as one: `of = ["context.daytime", "item.category"]`, or a feature of kind moment by its name.

    It lets one split say "games, in the evening" (Cheng et al. 2016, "Wide & deep learning"). Hashed into `buckets`.
    """

    kind: Literal["cross"]
    of: list[str] = Field(min_length=2)
    buckets: int = Field(1024, ge=2, le=65_536)

    def inputs_of(self) -> list[str]:
        return self.of


class CustomFeature(Base):
    """A function of your own on Arrow columns: see `features/custom.py`. Inputs are features by name, or attributes."""

    kind: Literal["custom"]
    function: str
    inputs: list[str] = Field(min_length=1)

    def inputs_of(self) -> list[str]:
        return self.inputs


class Likeness(Base):
    """What the person's `last` events have in common with the candidate, by an attribute of items. With `event`, only
    events of that kind count.
    """

    of: str
    last: int = Field(50, ge=1, le=1000)
    event: str | None = None


class AffinityFeature(Likeness):
    """Share of the person's latest events whose item has the candidate's value; for lists, the mean over the
    candidate's values.
    """

    kind: Literal["affinity"]


class SimilarityFeature(Likeness):
    """Cosine of the candidate's embedding (or words, or list of values) and the sum of those of the person's latest
    items. Vectors are rounded to 1/1024 of their length, so that sums are whole numbers and equal everywhere.
    """

    kind: Literal["similarity"]


class Counted(Base):
    """Events counted by a key over a window.

    `by` is `item`, `user`, `all`, an attribute (`item.genres`, `user.country`, `context.device`), or several joined by `*`
    (`user*item.genres`: what this person did with the candidate's genres; `item*context.device`). Where a candidate has
    several keys (three genres), the mean of their counts is taken, and the latest of their times.
    """

    by: str
    event: str
    at_least: float | None = None
    window: str = "all"

    @field_validator("window")
    @classmethod
    def _window(cls, text: str) -> str:
        if text != "all" and duration_ms(text) < STEPS:
            raise ValueError("a window is at least 24 milliseconds")
        return text

    def _of(self, event: str, at_least: float | None = None, **what: Any) -> Aggregate:
        window = what.pop("window", self.window)
        return Aggregate(self.by, event, at_least, None if window == "all" else duration_ms(window), **what)

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least)]

    formula: ClassVar[int | None] = None
    """Which of `formulas.py`; None where a feature has a formula of its own."""

    def parameters(self, prior: float) -> tuple[float, float]:
        """X and y of the formula. prior: what was learnt of all."""
        return 0.0, 0.0

    def finish(self, counts: list[Counts], moments: np.ndarray, prior: float) -> np.ndarray:
        one, other = counts[0], counts[-1]
        assert self.formula is not None
        return finished(
            self.formula,
            _floats(one.n),
            _floats(one.total) if self.formula == MEAN else NOTHING,
            _floats(one.last) if self.formula == RECENCY else NOTHING,
            _floats(one.value) if self.formula == LATEST else NOTHING,
            _floats(other.n) if len(counts) > 1 else NOTHING,
            _floats(moments),
            *self.parameters(prior),
        )


class CountFeature(Counted):
    """How many events."""

    kind: Literal["count"]
    formula = COUNT


class RecencyFeature(Counted):
    """Days since the last event; unknown where there is none in the window."""

    kind: Literal["recency"]
    formula = RECENCY


class MeanFeature(Counted):
    """Mean value, drawn towards the mean of all by `prior` imagined events."""

    kind: Literal["mean"]
    prior: float = Field(10.0, ge=0)
    formula = MEAN

    def parameters(self, prior: float) -> tuple[float, float]:
        return self.prior, prior


class LatestFeature(Counted):
    """The value of the latest event; unknown where there is none in the window."""

    kind: Literal["latest"]
    formula = LATEST


class ExtremeFeature(Counted):
    """The least or greatest value in the window; unknown where there is none."""

    kind: Literal["minimum", "maximum"]

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least, extremes=True)]

    def finish(self, counts: list[Counts], moments: np.ndarray, prior: float) -> np.ndarray:
        value = counts[0].low if self.kind == "minimum" else counts[0].high
        return np.where(counts[0].n > 0, value / THOUSANDTHS, np.nan)


class DistinctFeature(Counted):
    """How many different items, users or attribute values (`of`) the events were about: how broad a person's taste or
    an item's audience is.
    """

    kind: Literal["distinct"]
    of: str

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least, distinct=self.of)]

    formula = COUNT


class TrendFeature(Counted):
    """The pace in a short window against that in a long one: 1 steady, above 1 rising. `prior` imagined events in each
    keep rare things near 1.
    """

    kind: Literal["trend"]
    against: str
    prior: float = Field(5.0, gt=0)

    @model_validator(mode="after")
    def _windows(self) -> TrendFeature:
        if self.window == "all" or self.against == "all":
            raise ValueError("a trend needs two windows with an end; all is none")
        if duration_ms(self.against) <= duration_ms(self.window):
            raise SettingError(
                "against", f"against = {self.against!r} must be longer than window = {self.window!r}"
            )
        return self

    def aggregates(self) -> list[Aggregate]:
        return [
            self._of(self.event, self.at_least),
            self._of(self.event, self.at_least, window=self.against),
        ]

    formula = TREND

    def parameters(self, prior: float) -> tuple[float, float]:
        return self.prior, duration_ms(self.window) / duration_ms(self.against)


class RateFeature(Counted):
    """Events per events of kind `per`, drawn towards the rate of all by `prior` imagined ones."""

    kind: Literal["rate"]
    per: str
    prior: float = Field(20.0, ge=0)

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least), self._of(self.per)]

    formula = RATE

    def parameters(self, prior: float) -> tuple[float, float]:
        return self.prior, prior


Feature = Annotated[
    AttributeFeature
    | AgeFeature
    | MomentFeature
    | PositionFeature
    | CrossFeature
    | CustomFeature
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
adapter: TypeAdapter[Any] = TypeAdapter(Feature)


NOTHING = np.empty(0)


def _floats(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float64)

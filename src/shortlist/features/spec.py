"""The vocabulary of features: what a project file may declare.

A feature is declared once. `features/history.py` computes it offline with SQL, as of each past request;
`features/live.py` computes it online from counters that every event updates. Both deliver the same *integers* (how
many events, their sum in thousandths, the last time), and one function, `finish`, turns those into the number that
the ranker sees. So the two can only differ if an integer differs, and a test replays whole logs to show none does.

Windows move in 24 steps: a window of 30 days is the running 30-hour step and the 23 steps before it. That is what
makes a counter O(1) an event, and offline uses the very same steps.

    [[features]]
    name = "item_plays_30d"          # any name; it is the column the ranker sees
    kind = "count"                   # how often `play` happened to the candidate in the last 30 days
    by = "item"                      # item | user | item.<attribute> | user.<attribute> | all
    event = "play"
    window = "30d"                   # or "all"

kinds: attribute (of = "item.year" | "user.age" | "context.device"), count, rate (event per `per`, smoothed), mean (of
the value, smoothed), recency (days since the last event), age (days since a time attribute), affinity (share of the
person's `last` events that has the candidate's attribute), moment (of = "hour" | "weekday"), position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError, field_validator

from shortlist.errors import ProjectError
from shortlist.project import Project, Settings, duration_ms, explain

STEPS = 24
"""How many steps a window has."""
DAY = 86_400_000.0
THOUSANDTHS = 1000.0
"""Values are summed as whole thousandths, so that the order of summation cannot matter."""


@dataclass(frozen=True)
class Aggregate:
    """What is counted: events of a kind (with at least a value) by a key over a window. Features share these."""

    by: str
    event: str
    at_least: float | None
    window_ms: int | None

    @property
    def step_ms(self) -> int:
        assert self.window_ms is not None
        return max(self.window_ms // STEPS, 1)

    def start(self, moments: np.ndarray) -> np.ndarray:
        """When the window of each moment began, ms."""
        if self.window_ms is None:
            return np.full(len(moments), np.iinfo(np.int64).min // 2)
        return (moments // self.step_ms - STEPS + 1) * self.step_ms


class Base(Settings):
    name: str = Field(min_length=1)

    def aggregates(self) -> list[Aggregate]:
        return []


class AttributeFeature(Base):
    """An attribute as it is: `item.x`, `user.x` or `context.x`, of kind number or category."""

    kind: Literal["attribute"]
    of: str


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
    does not mistake being shown first for being liked (Zhao et al. 2019, "Recommending what video to watch next")."""

    kind: Literal["position"]


class AffinityFeature(Base):
    """Share of the person's `last` events whose item has the candidate's value of an attribute; for lists, the mean
    over the candidate's values."""

    kind: Literal["affinity"]
    of: str
    last: int = Field(50, ge=1, le=1000)


class Counted(Base):
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

    def _of(self, event: str, at_least: float | None = None) -> Aggregate:
        return Aggregate(self.by, event, at_least, None if self.window == "all" else duration_ms(self.window))

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least)]


class CountFeature(Counted):
    """How many events."""

    kind: Literal["count"]


class RecencyFeature(Counted):
    """Days since the last event; unknown where there is none in the window."""

    kind: Literal["recency"]


class MeanFeature(Counted):
    """Mean value, drawn towards the mean of all by `prior` imagined events."""

    kind: Literal["mean"]
    prior: float = Field(10.0, ge=0)


class RateFeature(Counted):
    """Events per events of kind `per`, drawn towards the rate of all by `prior` imagined ones."""

    kind: Literal["rate"]
    per: str
    prior: float = Field(20.0, ge=0)

    def aggregates(self) -> list[Aggregate]:
        return [self._of(self.event, self.at_least), self._of(self.per)]


Feature = Annotated[
    AttributeFeature
    | AgeFeature
    | MomentFeature
    | PositionFeature
    | AffinityFeature
    | CountFeature
    | RecencyFeature
    | MeanFeature
    | RateFeature,
    Field(discriminator="kind"),
]
_adapter: TypeAdapter[Any] = TypeAdapter(Feature)


def parse_features(project: Project, kinds: list[str]) -> list[Any]:
    """The project's features, checked against its columns and the kinds of events there are.

    Raises `ProjectError` naming the feature and the setting.
    """
    features = []
    for number, settings in enumerate(project.features):
        where = f"features[{number}] {settings.get('name', '')!r}"
        try:
            feature = _adapter.validate_python(settings)
        except ValidationError as error:
            raise ProjectError(explain(error, where), field=f"features.{number}") from None
        _check(feature, project, kinds, where)
        features.append(feature)
    names = [feature.name for feature in features]
    for name in names:
        if names.count(name) > 1:
            raise ProjectError(
                f"features: two features are called {name!r}; names must differ", field="features"
            )
    return features


def _check(feature: Any, project: Project, kinds: list[str], where: str) -> None:
    item = project.items.attributes if project.items else {}
    user = project.users.attributes if project.users else {}
    tables: dict[str, dict[str, Any]] = {"item": item, "user": user, "context": dict(project.data.context)}
    wanted = {"attribute": {"number", "category"}, "age": {"time"}, "affinity": {"category", "list"}}.get(
        feature.kind
    )
    if wanted:
        side, _, name = feature.of.partition(".")
        if side not in tables or (feature.kind in {"age", "affinity"} and side != "item"):
            raise ProjectError(
                f"{where}: of = {feature.of!r} should be item.<attribute>{', user.… or context.…' if feature.kind == 'attribute' else ''}",
                field="of",
            )
        found = tables[side].get(name)
        if found not in wanted:
            there = ", ".join(f"{n} ({k})" for n, k in tables[side].items()) or "none"
            raise ProjectError(
                f"{where}: of = {feature.of!r} needs an attribute of kind {' or '.join(sorted(wanted))}; {side} has: {there}",
                field="of",
            )
    for event in (getattr(feature, "event", None), getattr(feature, "per", None)):
        if event is not None and event not in kinds:
            raise ProjectError(
                f"{where}: no event is of kind {event!r}; the log has: {', '.join(kinds)}", field="event"
            )
    by = getattr(feature, "by", None)
    if by is not None and by not in {"item", "user", "all"}:
        side, _, name = by.partition(".")
        if side not in {"item", "user"} or tables[side].get(name) not in {"category", "list"}:
            raise ProjectError(
                f"{where}: by = {by!r} should be item, user, all, or item.<attribute> / user.<attribute> of kind category or list",
                field="by",
            )


def finish(
    feature: Any, counts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], moments: np.ndarray, prior: float
) -> np.ndarray:
    """From integers to the number the ranker sees; the one formula for training and serving.

    counts: for each of the feature's aggregates (n, sum in thousandths, last ms), all (rows,); moments ms (rows,).
    """
    n, total, last = counts[0]
    if feature.kind == "count":
        return n.astype(np.float64)
    if feature.kind == "recency":
        return np.where(n > 0, (moments - last) / DAY, np.nan)
    if feature.kind == "mean":
        return _ratio(total / THOUSANDTHS + feature.prior * prior, n + feature.prior)
    per = counts[1][0]
    return _ratio(n + feature.prior * prior, per + feature.prior)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)

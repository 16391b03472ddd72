"""`shortlist.toml` as typed settings.

The project file is the one place where a person says what their data is and what they want from it. Every setting
has a default, so the smallest project is the name of an events table. The sections follow the way of the data:
data → features → retrieve → rank → rerank → evaluate.

Feature and retriever settings stay plain tables here; the rooms that own them (`features/spec.py`,
`retrieve/`) parse them, so that this file needs to know no model.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from shortlist.config.base import IMPRESSION as IMPRESSION
from shortlist.config.base import Duration
from shortlist.config.base import Settings as Settings
from shortlist.config.base import duration_ms as duration_ms
from shortlist.config.rerank import NewItems as NewItems
from shortlist.config.rerank import Page, View
from shortlist.config.rerank import Rerank as Rerank
from shortlist.config.toml_file import find_line
from shortlist.errors import ProjectError


class Columns(Settings):
    """What the columns of the events table are called. Only user and item are required."""

    user: str = "user_id"
    item: str = "item_id"
    timestamp: str | None = None
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, or a date type. Without one, row order is time."""
    arrival: str | None = None
    """When the event became known, where that can be later than its time (phones offline, nightly imports). Features and
    histories then see an event only from its arrival on."""
    kind: str | None = None
    """What happened (play, click, …). Without the column every event is of kind `event`."""
    value: str | None = None
    """How much: seconds, rating or price."""
    event_id: str | None = None
    slate: str | None = None
    """Which slate an impression belonged to."""
    position: str | None = None
    """Where on the slate an impression was, from 0."""
    propensity: str | None = None
    """With which probability the logging policy showed it."""


AttributeKind = Literal["number", "category", "list", "text", "time", "embedding"]


class Table(Settings):
    """An items or users table: its id column and the attributes to use."""

    id: str
    title: str | None = None
    """The column that names an item to a person."""
    attributes: dict[str, AttributeKind] = Field(default_factory=dict)
    """Attribute name → kind. The name is the column's name."""


class Data(Settings):
    events: str = ""
    """A file (.parquet, .csv, .tsv, .inter), a table of `database`, a MovieLens folder, or a SQL query."""
    items: str | None = None
    users: str | None = None
    database: str | None = None
    """A DuckDB file in which table names and queries are looked up."""
    columns: Columns = Field(default_factory=Columns)
    context: dict[str, Literal["number", "category"]] = Field(default_factory=dict)
    """Event columns that describe the moment (device, daytime, …)."""
    engine: Literal["duckdb", "spark"] = "duckdb"
    """What runs the SQL of the features in training: DuckDB in this process, or Spark (extra `spark`)."""
    duplicates: Literal["keep", "drop"] = "drop"
    """Whether a second identical event (same user, item, kind, time) is set aside."""


class Objective(Settings):
    """Something wanted from a shown item within a window after it was shown.

    `probability`: will an event of these kinds follow (click, play, like)? `amount`: how much value will follow,
    zero where nothing does (seconds, money)? `grade`: what value will the event have, if it happens (a rating)?
    """

    kind: Literal["probability", "amount", "grade"] = "probability"
    events: list[str] = Field(min_length=1)
    at_least: float | None = None
    """Only events with at least this value count."""
    window: Duration = "30d"
    weight: float = 1.0
    """Its weight in the utility; changeable per request."""
    given: str | None = None
    """Another probability that must happen before (a purchase needs a click). The chance is then learnt as a product of
    both, over all that was shown."""
    loss: Literal["auto", "logistic", "listwise", "tweedie", "weighted_logistic", "squared"] = "auto"
    """What its trees minimise. auto: logistic for a probability, tweedie for an amount, squared for a grade. listwise
    (LambdaMART) orders best and is calibrated afterwards; weighted_logistic learns an amount as odds."""

    @model_validator(mode="after")
    def _loss(self) -> Objective:
        fits = {
            "probability": {"logistic", "listwise"},
            "amount": {"tweedie", "weighted_logistic"},
            "grade": {"squared"},
        }[self.kind]
        if self.loss not in fits | {"auto"}:
            raise ValueError(
                f"loss = {self.loss!r} is not for a {self.kind}; use {' or '.join(sorted(fits))}"
            )
        if self.given is not None and (self.kind != "probability" or self.loss not in {"auto", "logistic"}):
            raise ValueError("given is for a probability with its usual loss")
        return self

    @property
    def window_ms(self) -> int:
        return duration_ms(self.window)


class Retrieve(Settings):
    candidates: int = Field(500, ge=1, le=10_000)
    """How many candidates go to the ranker."""
    history: int = Field(200, ge=1)
    """How many of a person's latest events the retrievers look at."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Event kind → how much one such event counts in a history; 1 where not named, 0 to leave a kind out."""
    values: dict[str, float] = Field(default_factory=dict)
    """Event kind → how strongly an event's value raises what it counts: × (value / usual value of the kind)^this, 0 to 1.
    A minute watched of an hour is then less than the whole. Events without a value count as usual."""
    sources: list[dict[str, Any]] = Field(
        default_factory=lambda: [
            {"model": "popular"},
            {"model": "neighbours"},
            {"model": "als"},
            {"model": "content"},
        ]
    )

    @field_validator("weights")
    @classmethod
    def _not_negative(cls, weights: dict[str, float]) -> dict[str, float]:
        for kind, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"{kind} has weight {weight:g}; retrievers learn from what was wanted, so a weight is 0 or more: "
                    "give an unwanted kind 0, or make it an objective with a negative weight"
                )
        return weights

    @field_validator("values")
    @classmethod
    def _exponents(cls, values: dict[str, float]) -> dict[str, float]:
        for kind, exponent in values.items():
            if not 0 <= exponent <= 1:
                raise ValueError(
                    f"{kind} has {exponent:g}; from 0 (values do not matter) to 1 (twice the value, twice the weight)"
                )
        return values


class Rank(Settings):
    trees: int = Field(150, ge=1)
    depth: int = Field(5, ge=1, le=12)
    learning_rate: float = Field(0.08, gt=0, le=1)
    min_child_weight: float = Field(20.0, ge=0)
    """The least total example weight of a leaf; higher is smoother."""
    heads: Literal["auto", "separate", "joint"] = "auto"
    """One model for each objective, or one for all, which is scored in a third of the time. auto trains both and keeps the
    joint one where it is as good on the validation slice."""
    calibration: Literal["auto", "platt", "isotonic"] = "auto"
    """How probabilities are calibrated on the validation slice."""
    position_bias: Literal["none", "weights"] = "none"
    """With impressions: whether clicks in lower slots stand for those that would have come, had the slot been looked at.
    (A feature of kind position is the other way; one of the two is enough.)"""
    examples: Literal["candidates", "impressions"] = "candidates"
    """Learn from what the retrievers propose, or from what was shown (with its position). candidates: what was not shown counts as not
    wanted, so the ranker meets the whole catalogue, and copies whoever filled the log. That is right for logs without impressions and often
    for the first model after an older engine. impressions: only what could be taken counts. Trained again and again on its own log, a
    ranker from candidates copies itself and its picks get worse, one from impressions does not (benchmarks/RESULTS.md, "The recipes,
    lived with"): use it wherever impressions are logged and the model is retrained."""
    unshown: int = Field(0, ge=0)
    """With impressions: beside each slate so many candidates at random that were not shown, labelled by what followed, which is mostly
    nothing. A ranker that never met them is too hopeful about what nobody showed; a few of them make it careful (pessimism: Jeunen &
    Goethals 2021), many make it copy the log, as candidates do. 3 beside slates of 10 were right in the movies world."""
    requests_per_user: int = Field(8, ge=1)
    """How many moments of each person's ranker window become requests (with `candidates`)."""
    negatives: int = Field(60, ge=1)
    """How many candidates nobody took are kept for each request, weighted to stand for all (with `candidates`)."""
    max_rows: int = Field(600_000, ge=1_000)
    """At most this many examples; more are thinned at random, whole requests at a time."""

    @model_validator(mode="after")
    def _positions(self) -> Rank:
        if self.position_bias == "weights" and self.examples != "impressions":
            raise ValueError(
                'rank.position_bias = "weights" needs rank.examples = "impressions": candidates that were not shown have '
                "no position"
            )
        return self


class Utility(Settings):
    """How objectives become one number; each can be changed in a request, without training."""

    combine: Literal["sum", "product"] = "sum"
    """sum: Σ weight × prediction ÷ its mean. product: Π (prediction ÷ its mean) ^ weight, so that an item must be good in
    all of them."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Guard-rails: objective → the least mean prediction that a slate may have, as far as the candidates allow."""


class Evaluate(Settings):
    test: float = Field(0.2, gt=0, lt=1)
    """Share of events (without impressions), the latest, that is held out for the report."""
    ranker_window: float = Field(0.2, gt=0, lt=1)
    """Share of the training events from which the ranker's examples are made."""
    validation: float = Field(0.1, gt=0, lt=1)
    """Share of the training events, the latest, for calibration and choices."""
    relevant: str | None = None
    """The objective whose positives count as relevant; the first one without."""
    requests: Literal["people", "events"] = "people"
    """Who asks in the test: each person once, for all that followed; or each event of the test by itself, in its own context
    (time of day, device, …), for that one item. Intervals are over people in both."""
    protocol: Literal["time", "rolling", "leave_last", "users", "given"] = "time"
    """How the test is set apart: after one moment; after several, one by one; each person's last; whole people, whose earlier
    events are told when asking; a table of its own."""
    cuts: int = Field(4, ge=2, le=50)
    """How many moments, with `rolling`: the test's share of the log is cut into so many parts."""
    given: str | None = None
    """The table of test events, with `given`; its columns are called as those of `data.events`."""
    people: int = Field(2_000, ge=10)
    """At most this many people are asked for, drawn at random; the catalogue is always whole."""
    candidates: Any = "all"
    """Always the whole catalogue; anything else is refused, with the reason."""
    k: int = Field(10, ge=1)
    bootstrap: int = Field(1000, ge=100)

    @model_validator(mode="after")
    def _room(self) -> Evaluate:
        if self.ranker_window + self.validation >= 0.9:
            raise ValueError(
                "ranker_window + validation must leave at least a tenth of the events as the past"
            )
        return self


class Arm(Settings):
    """One arm of an experiment: what it changes in a request, and its share of the people. What is not named stays."""

    share: float = Field(1.0, gt=0)
    weights: dict[str, float] = Field(default_factory=dict)
    combine: Literal["sum", "product"] | None = None
    at_least: dict[str, float] = Field(default_factory=dict)
    diversity: float | None = Field(None, ge=0, le=1)
    freshness: float | None = Field(None, ge=0, le=10)
    explore: float | None = Field(None, ge=0, le=5)


class Experiment(Settings):
    """An experiment on live people. The first arm is what the others are compared with."""

    arms: dict[str, Arm] = Field(min_length=2)
    metric: str
    """The objective that decides."""
    guard_rails: list[str] = Field(default_factory=list)
    """Objectives that must not get clearly lower."""
    method: Literal["ab", "interleave"] = "ab"
    """ab: each person sees one arm. interleave: everybody sees both rankings on one slate (two arms)."""
    people: int = Field(5_000, ge=100)
    """How many people are expected: intervals are tightest there. Fix it before the start."""
    salt: str = ""
    """Change it to assign everybody anew."""


class Project(Settings):
    """The whole of `shortlist.toml`."""

    name: str = "shortlist"
    simulated: bool = False
    """Set by the worlds of `simulate/`; every page and report then says so."""
    seed: int = 0
    data: Data = Field(default_factory=Data)
    items: Table | None = None
    users: Table | None = None
    objectives: dict[str, Objective] = Field(default_factory=dict)
    features: list[dict[str, Any]] = Field(default_factory=list)
    retrieve: Retrieve = Field(default_factory=Retrieve)
    rank: Rank = Field(default_factory=Rank)
    utility: Utility = Field(default_factory=Utility)
    rerank: Rerank = Field(default_factory=Rerank)
    view: View = "slate"
    """What the page's first tab looks like: slate (cards), shelf (a store), feed (endless), shop (products and a basket), rows (a page
    of rows)."""
    page: Page = Field(default_factory=Page)
    evaluate: Evaluate = Field(default_factory=Evaluate)
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    _source: tuple[str, str] | None = PrivateAttr(None)
    """The file this was read from and its text, so that an error can name the line."""

    def where(self, field: str) -> str:
        """ "shortlist.toml, line 12: " for a setting such as `features.3.window`; nothing where there is no file."""
        if self._source is None:
            return ""
        return _place(*self._source, field)

    @model_validator(mode="after")
    def _names(self) -> Project:
        if not self.objectives:
            self.objectives = {"event": Objective(events=["event"])}
        if self.evaluate.relevant and self.evaluate.relevant not in self.objectives:
            raise ValueError(
                f"evaluate.relevant names {self.evaluate.relevant!r}, which is no objective; "
                f"there are: {', '.join(self.objectives)}"
            )
        if all(o.weight == 0 for o in self.objectives.values()):
            raise ValueError("every objective has weight 0, so nothing could be ranked; give one a weight")
        self._check_chains()
        for name in self.utility.at_least:
            if name not in self.objectives:
                raise ValueError(
                    f"utility.at_least names {name!r}, which is no objective; there are: {', '.join(self.objectives)}"
                )
        self._check_experiments()
        item_attributes = self.items.attributes if self.items else {}
        for name, attribute, kinds in (*self.rerank.attributes(), *self.page.attributes()):
            if attribute and item_attributes.get(attribute) not in kinds:
                raise ValueError(
                    f"{name} = {attribute!r} needs an item attribute of kind {' or '.join(sorted(kinds))}; "
                    f"[items.attributes] has: {', '.join(f'{k} ({v})' for k, v in item_attributes.items()) or 'none'}"
                )
        for rule in self.rerank.rules:
            for name in set(rule.when) - {"items", *item_attributes}:
                raise ValueError(
                    f"rerank.rules: the rule {rule.name!r} asks for {name!r}, which is no attribute of items; "
                    f"[items.attributes] has: {', '.join(item_attributes) or 'none'}"
                )
        return self

    def _check_experiments(self) -> None:
        for name, e in self.experiments.items():
            for what in [
                e.metric,
                *e.guard_rails,
                *(o for arm in e.arms.values() for o in (*arm.weights, *arm.at_least)),
            ]:
                if what not in self.objectives:
                    raise ValueError(
                        f"experiments.{name} names {what!r}, which is no objective; there are: {', '.join(self.objectives)}"
                    )
            if e.method == "interleave" and len(e.arms) != 2:
                raise ValueError(
                    f"experiments.{name}: interleaving compares two arms, and there are {len(e.arms)}"
                )

    def _check_chains(self) -> None:
        for name, objective in self.objectives.items():
            passed, at = [name], objective.given
            while at is not None:
                if at not in self.objectives or self.objectives[at].kind != "probability":
                    raise ValueError(
                        f"objectives.{passed[-1]}.given = {at!r} must be another objective of kind probability"
                    )
                if at in passed:
                    raise ValueError(
                        f"objectives.{name}.given: a ring: {' → '.join([*passed, at])}; nothing would come first"
                    )
                passed.append(at)
                at = self.objectives[at].given

    @property
    def relevant(self) -> str:
        """The name of the objective that decides what is relevant in an evaluation."""
        return self.evaluate.relevant or next(iter(self.objectives))


def parse_project(settings: dict[str, Any], where: str = "project settings", text: str = "") -> Project:
    """Check a dictionary of settings. Raises `ProjectError` naming each field that is wrong, and with the file's text
    its line.
    """
    try:
        return Project.model_validate(settings)
    except ValidationError as error:
        raise ProjectError(explain(error, where, text), field=_field(error.errors()[0]["loc"])) from None


def _place(path: str, text: str, field: str) -> str:
    line = find_line(text, field)
    return f"{path}{f', line {line}' if line else ''}: "


def read_project(path: str | Path) -> Project:
    """Read `shortlist.toml`. Relative file names in it are relative to the file's own folder."""
    path = Path(path)
    if path.is_dir():
        path = path / "shortlist.toml"
    if not path.exists():
        raise ProjectError(f"{path}: no such file; `shortlist init events.parquet` writes one")
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: not valid TOML: {error}") from None
    project = parse_project(settings, str(path), text)
    project._source = (str(path), text)
    for section, field in (
        *((project.data, name) for name in ("events", "items", "users", "database")),
        (project.evaluate, "given"),
    ):
        source = getattr(section, field)
        if source and not is_query(source):
            local = path.parent / source
            if local.exists():
                setattr(section, field, str(local))
    return project


def is_query(source: str) -> bool:
    """Whether a source is SQL text rather than a file or table name."""
    return bool(re.match(r"\s*(select|with|from)\s", source, re.IGNORECASE))


def explain(error: ValidationError, where: str, text: str = "") -> str:
    """A pydantic error as lines a person can act on: file, setting, what is wrong."""
    lines = []
    for problem in error.errors():
        field = _field(problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such setting"
        at = _place(where, text, field or _named(message)) if text else f"{where}: "
        lines.append(f"{at}{field + ': ' if field else ''}{message}")
    return "\n".join(lines)


def _named(message: str) -> str:
    """The setting that a message about the whole project begins with, or speaks of."""
    match = re.search(r"\b(rerank|evaluate|retrieve|rank|data)\.\w+", message)
    return match.group(0) if match else "objectives" if "objective" in message else ""


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)

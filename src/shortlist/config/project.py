"""`shortlist.toml` as typed settings.

The project file is the one place where a person describes the data and what to achieve with it. Every setting has a
default, so the smallest project is the name of an events table. The sections follow the flow of the data:
data → features → retrieve → rank → rerank → evaluate.

The tables of `features` and `retrieve.sources` stay untyped here; the rooms that own them (`shortlist.features`,
`shortlist.retrieve`) validate them with `Project.parse`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from pydantic import BaseModel, Field, PrivateAttr, TypeAdapter, field_validator, model_validator

from shortlist.config.base import SettingError, Settings
from shortlist.config.data import DataSettings, TableSettings, is_query
from shortlist.config.evaluate import EvaluateSettings
from shortlist.config.experiments import Experiment, check_experiments
from shortlist.config.objectives import (
    Objective,
    UtilitySettings,
    check_objective_name,
    check_objectives,
)
from shortlist.config.page import PageSettings, RowSettings, View, check_rows
from shortlist.config.placements import Placement, check_placements
from shortlist.config.rank import RankSettings
from shortlist.config.request_defaults import check_request_defaults
from shortlist.config.rerank import RerankSettings, Rule, check_attributes, check_rules
from shortlist.config.retrieve import RetrieveSettings
from shortlist.config.spark import SparkSettings
from shortlist.config.toml import find_line
from shortlist.config.validate import validate_settings
from shortlist.errors import ProjectError
from shortlist.expressions import Schema

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")


class Project(Settings):
    """All settings of a project.

    Read one with `read_project`, make one from a dictionary with `parse_project`, or let `guess_project` make one from
    tables. A project is immutable; `project.model_copy(update={...})` returns a changed one.

    Examples
    --------
    >>> parse_project({"name": "shop", "seed": 1})
    Project(name='shop', seed=1, objectives={'event': Objective(events=['event'])})
    """

    name: str = "shortlist"
    """Name of the project, shown by pages and reports."""
    simulated: bool = False
    """Set by simulated worlds; every page and report then states that the data is simulated."""
    seed: int = 0
    """Seed of everything random in training and evaluation."""
    data: DataSettings = Field(default_factory=DataSettings)
    items: TableSettings | None = None
    users: TableSettings | None = None
    objectives: dict[str, Objective] = Field(default_factory=dict, validate_default=True)
    """Name → objective (default: `event`, the probability of an event of kind `event`)."""
    waiting: dict[str, Objective] = Field(default_factory=dict)
    """Objectives that wait for events of their kinds; training moves them here from `objectives`, and back."""
    features: list[dict[str, Any]] = Field(default_factory=list)
    """The features of the ranker, as tables with `name`, `kind` and the kind's own settings."""
    retrieve: RetrieveSettings = Field(default_factory=RetrieveSettings)
    rank: RankSettings = Field(default_factory=RankSettings)
    utility: UtilitySettings = Field(default_factory=UtilitySettings)
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    view: View = "slate"
    """Look of the page's first tab: slate (cards), shelf (a store), feed (endless), shop (products and a basket), rows (a page of
    rows)."""
    page: PageSettings = Field(default_factory=PageSettings)
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    spark: SparkSettings = Field(default_factory=SparkSettings)
    experiments: dict[str, Experiment] = Field(default_factory=dict)
    """Name → experiment."""
    placements: dict[str, Placement] = Field(default_factory=dict)
    """Name → placement: settings of the requests that name it."""
    _source: tuple[str, str] | None = PrivateAttr(None)
    """Name and text of the file that this project was read from; errors name its lines."""

    def model_post_init(self, context: Any) -> None:
        """Keep the file's name and text, if the project is read from a file."""
        if isinstance(context, dict):
            self._source = context.get("source")

    @field_validator("objectives")
    @classmethod
    def _default_objective(cls, objectives: dict[str, Objective]) -> dict[str, Objective]:
        return objectives or {"event": Objective(events=["event"])}

    @model_validator(mode="after")
    def _check_names(self) -> Project:
        """Check names that one section uses and another declares."""
        check_objectives(self.objectives)
        if self.evaluate.relevant:
            check_objective_name("evaluate.relevant", self.evaluate.relevant, self.objectives)
        for name in self.utility.at_least:
            check_objective_name("utility.at_least", name, self.objectives)
        self._check_list_features()
        check_experiments(self.experiments, self.objectives, self.rerank.calibration_by)
        for name, placement in self.placements.items():
            check_request_defaults(
                f"placements.{name}", placement, self.objectives, self.rerank.calibration_by
            )
        attributes = self.items.kinds if self.items else {}
        if self.users is not None and self.users.encode:
            raise SettingError("users.encode", "encoders make embeddings of items only; remove the table")
        check_attributes((*self.rerank.attributes(), *self.page.attributes()), attributes)
        schema = Schema(attributes, self.users.attributes if self.users else {}, self.data.context)
        check_rules(self.rerank.rules, schema)
        check_rows(self.page.rows, "page.rows", schema)
        check_placements(self.placements, self.rerank, self.experiments, schema)
        return self

    def _check_list_features(self) -> None:
        """Raise `SettingError` for features of given lists that the ranker could not learn from."""
        if self.rank.examples == "impressions":
            return
        for feature in self.features:
            if feature.get("kind") in {"given", "within_list"}:
                raise SettingError(
                    "rank.examples",
                    f"the feature {feature.get('name')!r} is of kind {feature['kind']}, which is known for the items of logged lists only; "
                    'set examples = "impressions"',
                )

    @property
    def relevant(self) -> str:
        """The name of the objective that defines the relevant items of an evaluation."""
        return self.evaluate.relevant or next(iter(self.objectives))

    def rules_at(self, placement: str) -> list[Rule]:
        """Return the rules that act in a placement: those of `[rerank]`, then its own; "" is no placement."""
        placed = self.placements.get(placement)
        return self.rerank.rules if placed is None else [*self.rerank.rules, *placed.rules]

    def rows_at(self, placement: str) -> list[RowSettings]:
        """Return the rows of a page of rows in a placement; "" is no placement."""
        placed = self.placements.get(placement)
        return self.page.rows if placed is None or placed.rows is None else placed.rows

    def experiments_at(self, placement: str) -> dict[str, Experiment]:
        """Return the experiments that run in a placement; "" is no placement."""
        if not self.placements:
            return self.experiments
        return {
            name: experiment
            for name, experiment in self.experiments.items()
            if (places := self.placements_of(name)) is None or placement in places
        }

    def placements_of(self, experiment: str) -> list[str] | None:
        """Return the placements in which an experiment runs, None where it runs in all requests."""
        return [name for name, placed in self.placements.items() if experiment in placed.experiments] or None

    @property
    def folder(self) -> Path | None:
        """The folder of the project file; None if the project was not read from a file."""
        return Path(self._source[0]).parent if self._source is not None else None

    def where(self, field: str) -> str:
        """Return where a setting is written, as the beginning of a sentence.

        Parameters
        ----------
        field
            Dotted name with positions from 0, for example `features.3.window`.

        Returns
        -------
        str
            `"shortlist.toml, line 12: "`, or `""` if the project was not read from a file.
        """
        return _place(*self._source, field) if self._source is not None else ""

    @overload
    def parse(self, field: str, model: type[Model], values: Mapping[str, Any] | None = None) -> Model: ...
    @overload
    def parse(self, field: str, model: TypeAdapter[T], values: Mapping[str, Any] | None = None) -> T: ...
    def parse(
        self,
        field: str,
        model: type[BaseModel] | TypeAdapter[Any],
        values: Mapping[str, Any] | None = None,
    ) -> Any:
        """Validate an untyped table of this project with the settings class of the room that owns it.

        Parameters
        ----------
        field
            Dotted name of the table, for example `retrieve.sources.0`.
        model
            The settings class, or a `TypeAdapter` of a discriminated union.
        values
            The table (default: the one that `field` names). Pass it if some settings are taken out before.

        Raises
        ------
        ProjectError
            Names file, line and setting; suggests the closest name for an unknown one.
        """
        values = self._table(field) if values is None else values
        return validate_settings(model, dict(values), self.where, field)

    def _table(self, field: str) -> Mapping[str, Any]:
        value: Any = self
        for part in field.split("."):
            match value:
                case list():
                    value = value[int(part)]
                case dict():
                    value = value[part]
                case _:
                    value = getattr(value, part)
        return dict(value)


def parse_project(settings: dict[str, Any], where: str = "project settings", text: str = "") -> Project:
    """Make a project from a dictionary of settings.

    Parameters
    ----------
    settings
        The settings, as TOML has them.
    where
        Name of their source; errors begin with it.
    text
        The source's TOML text, if there is one; errors then name lines.

    Raises
    ------
    ProjectError
        One line per wrong setting.
    """
    context = {"source": (where, text)} if text else None
    return validate_settings(Project, settings, lambda field: _place(where, text, field), context=context)


def _place(path: str, text: str, field: str) -> str:
    line = find_line(text, field) if text else None
    return f"{path}{f', line {line}' if line else ''}: "


def as_project(project: str | Path | Project | dict[str, Any]) -> Project:
    """Return parsed settings as they are; parse a dictionary; read a file."""
    if isinstance(project, Project):
        return project
    return parse_project(project) if isinstance(project, dict) else read_project(project)


def read_project(path: str | Path) -> Project:
    """Read `shortlist.toml`.

    Parameters
    ----------
    path
        The file, or the folder that contains it. File names in it are relative to its folder.

    Raises
    ------
    ProjectError
        If there is no such file, it is not valid TOML, or a setting is wrong.
    """
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
    project = parse_project(settings, str(path), text or "\n")
    data = {
        name: _local(path, getattr(project.data, name)) for name in ("events", "items", "users", "database")
    }
    given = _local(path, project.evaluate.given)
    return project.model_copy(
        update={
            "items": _with_weights(path, project.items),
            "data": project.data.model_copy(update=_changed(project.data, data)),
            "evaluate": project.evaluate.model_copy(update=_changed(project.evaluate, {"given": given})),
        }
    )


def _changed(settings: Settings, values: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: value for name, value in values.items() if getattr(settings, name) != value}


def _with_weights(path: Path, items: TableSettings | None) -> TableSettings | None:
    """Resolve the folders of encoders against the project file's folder, whether they exist or not."""
    if items is None or not items.encode:
        return items
    encode = {
        name: one.model_copy(update={"path": str(path.parent / one.path)}) if one.path else one
        for name, one in items.encode.items()
    }
    return items.model_copy(update={"encode": encode})


def _local(path: Path, source: str | None) -> str | None:
    """Resolve a file name against the project file's folder; queries and tables stay."""
    if not source or is_query(source):
        return source
    local = path.parent / source
    return str(local) if local.exists() else source

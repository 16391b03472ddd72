"""Validation of feature declarations against the data's columns, the kinds of events, and each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, NoReturn

from shortlist.config.project import Project
from shortlist.config.validate import Place, validate_settings
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError, suggestion
from shortlist.features.custom import check_function
from shortlist.features.spec import FEATURE, CountedFeature, DistinctFeature, Feature

Tables = Sequence[Mapping[str, Any]]
"""The `[[features]]` tables of a project file."""

ANY_SIDE = frozenset({"item", "user", "context"})
ATTRIBUTE_OF: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "attribute": (ANY_SIDE, frozenset({"number", "category", "list", "text", "embedding"})),
    "age": (frozenset({"item"}), frozenset({"time"})),
    "affinity": (frozenset({"item"}), frozenset({"category", "list"})),
    "similarity": (frozenset({"item"}), frozenset({"category", "list", "text", "embedding"})),
}
"""Kind of a feature → whose attribute it may be of, and of which kinds."""
_INPUTS_SETTING = {"cross": "of", "within_list": "of"}
"""Kind of a derived feature → the setting that names its inputs (default: `inputs`)."""
SINGLE_NUMBERS = frozenset({"attribute", "age", "given", "custom", "affinity", "similarity"})
"""Kinds of features with one number a candidate, beside those that count events."""
CUSTOM_INPUTS = frozenset({"number", "category", "list", "text", "time", "embedding"})


@dataclass(frozen=True)
class FeatureSchema:
    """The names that feature declarations may use.

    Parameters
    ----------
    items, users, context
        Name of an attribute → its kind.
    kinds
        The kinds of events in the log.
    given
        Columns of numbers that are given with the items of a list (`data.given`).
    """

    items: Mapping[str, str]
    users: Mapping[str, str]
    context: Mapping[str, str]
    kinds: Sequence[str]
    given: Sequence[str] = ()

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> FeatureSchema:
        """Return the schema of a data set."""
        sides = (dataset.items.attributes, dataset.users.attributes, dataset.log.context)
        items, users, context = ({name: a.kind for name, a in side.items()} for side in sides)
        return cls(items, users, context, dataset.log.kinds, list(dataset.log.given))

    @classmethod
    def of_project(cls, project: Project, kinds: Sequence[str]) -> FeatureSchema:
        """Return the schema that a project declares. kinds: the kinds of events in its log."""
        items = project.items.kinds if project.items else {}
        users = project.users.attributes if project.users else {}
        return cls(items, users, project.data.context, kinds, project.data.given)

    def attributes(self, side: str) -> Mapping[str, str]:
        """Return the attributes of a side: item, user or context."""
        return {"item": self.items, "user": self.users, "context": self.context}[side]


def no_place(field: str) -> str:  # noqa: ARG001 - part of the interface
    """Return an empty place: the declarations were not read from a file."""
    return ""


def parse_features(tables: Tables, schema: FeatureSchema, place: Place = no_place) -> list[Feature]:
    """Validate declarations and return them in the order of computation.

    Parameters
    ----------
    tables
        The `[[features]]` tables of the project.
    schema
        The names that they may use.
    place
        Returns the file and line of a setting (`Project.where`).

    Returns
    -------
    list
        The features; a derived feature follows the features that it is derived from.

    Raises
    ------
    ProjectError
        It names file and line, the feature and the setting, and suggests a close name. `field` is the dotted name of the
        setting, for example `features.2.window`.
    """
    features: list[Any] = []
    for number, settings in enumerate(tables):
        feature = validate_settings(FEATURE, dict(settings), place, f"features.{number}")
        _FeatureCheck(tables, schema, place, number).check(feature)
        features.append(feature)
    seen: set[str] = set()
    for number, feature in enumerate(features):
        if feature.name in seen:
            _fail(
                place, tables, number, "name", f"two features are called {feature.name!r}; names must differ"
            )
        seen.add(feature.name)
    return _ordered(features, tables, place)


def _fail(place: Place, tables: Tables, number: int, setting: str, message: str) -> NoReturn:
    field = f"features.{number}.{setting}"
    name = tables[number].get("name", "")
    raise ProjectError(f"{place(field)}features[{number}] {name!r}: {message}", field=field)


def _ordered(features: list[Any], tables: Tables, place: Place) -> list[Feature]:
    """Return features after those that they are derived from."""
    numbers = {feature.name: number for number, feature in enumerate(features)}
    for number, feature in enumerate(features):
        for source in feature.inputs_of():
            if source not in numbers and "." not in source:
                others = [name for name in numbers if name != feature.name]
                hint = suggestion(source, others) or f"; features are: {', '.join(others)}"
                message = f"there is no feature {source!r}; an attribute is written as item.x, user.x or context.x{hint}"
                _fail(place, tables, number, _INPUTS_SETTING.get(feature.kind, "inputs"), message)
    graph = {f.name: [s for s in f.inputs_of() if s in numbers] for f in features}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = list(error.args[1])
        setting = _INPUTS_SETTING.get(features[numbers[cycle[0]]].kind, "inputs")
        message = f"circular dependency: {' → '.join(reversed(cycle))}"
        _fail(place, tables, numbers[cycle[0]], setting, message)
    plain = [f for f in features if not graph[f.name]]
    return plain + [features[numbers[name]] for name in order if graph[name]]


class _FeatureCheck:
    """Checks the names that one declaration uses."""

    def __init__(self, tables: Tables, schema: FeatureSchema, place: Place, number: int) -> None:
        self._tables, self._schema, self._place, self._number = tables, schema, place, number

    def _fail(self, setting: str, message: str) -> NoReturn:
        _fail(self._place, self._tables, self._number, setting, message)

    def check(self, feature: Any) -> None:
        """Raise `ProjectError` if a name is wrong."""
        if feature.kind in ATTRIBUTE_OF:
            self._attribute(feature.of, *ATTRIBUTE_OF[feature.kind], "of")
        elif feature.kind == "cross":
            self._cross(feature.of)
        elif feature.kind == "custom":
            self._custom(feature)
        elif feature.kind == "given":
            self._given(feature.of)
        elif feature.kind == "within_list":
            self._within_list(feature)
        if isinstance(feature, CountedFeature):
            self._key(feature.by, "by", ("all", "item", "user"))
        if isinstance(feature, DistinctFeature):
            self._key(feature.of, "of", ("item", "user"))
        for setting in ("event", "per"):
            self._event(getattr(feature, setting, None), setting)

    def _cross(self, names: Sequence[str]) -> None:
        moments = {table.get("name") for table in self._tables if table.get("kind") == "moment"}
        for name in names:
            if "." in name:
                self._attribute(name, ANY_SIDE, frozenset({"category"}), "of")
            elif name not in moments:
                self._fail(
                    "of", f"{name!r} is no feature of kind moment; a cross is of categories and moments"
                )

    def _custom(self, feature: Any) -> None:
        for name in feature.inputs:
            if "." in name:
                self._attribute(name, ANY_SIDE, CUSTOM_INPUTS, "inputs")
        problem = check_function(feature.function)
        if problem:
            self._fail("function", problem)

    def _given(self, name: str) -> None:
        given = self._schema.given
        if name not in given:
            known = ", ".join(given) or "nothing; declare the columns of the impressions in data.given"
            self._fail(
                "of", f"no number {name!r} is given{suggestion(name, given)}; data.given names: {known}"
            )

    def _within_list(self, feature: Any) -> None:
        """Check what is compared, a feature with one number a candidate, and what it is compared with."""
        compared = next((table for table in self._tables if table.get("name") == feature.of), None)
        if compared is not None and not self._is_number(compared):
            self._fail(
                "of",
                f"of = {feature.of!r} must be a feature with one number for each candidate: a count or another feature of events, "
                f"given, age, custom, affinity, similarity, or an attribute of items of kind number; it is of kind "
                f"{compared.get('kind')!r}",
            )
        if feature.to.startswith("context."):
            self._attribute(feature.to, frozenset({"context"}), frozenset({"category"}), "to")

    def _is_number(self, table: Mapping[str, Any]) -> bool:
        if table.get("kind") == "attribute":
            side, _, name = str(table.get("of")).partition(".")
            return side == "item" and self._schema.items.get(name) == "number"
        return table.get("kind") in SINGLE_NUMBERS or (
            "event" in table and table.get("kind") != "within_list"
        )

    def _event(self, event: str | None, setting: str) -> None:
        kinds = self._schema.kinds
        if event is not None and event not in kinds:
            hint = suggestion(event, kinds) or f"; the log has: {', '.join(kinds)}"
            self._fail(setting, f"no event is of kind {event!r}{hint}")

    def _attribute(self, of: str, sides: frozenset[str], kinds: frozenset[str], setting: str) -> None:
        side, _, name = of.partition(".")
        if side not in sides or not name:
            choices = " or ".join(f"{s}.<attribute>" for s in sorted(sides))
            self._fail(setting, f"{setting} = {of!r} must be {choices}")
        attributes = self._schema.attributes(side)
        if attributes.get(name) not in kinds:
            known = ", ".join(f"{n} ({k})" for n, k in attributes.items()) or "none"
            fitting = [f"{side}.{n}" for n, k in attributes.items() if k in kinds and n != name]
            self._fail(
                setting,
                f"{setting} = {of!r} must be an attribute of kind {' or '.join(sorted(kinds))}"
                f"{suggestion(of, fitting)}; {side} has: {known}",
            )

    def _key(self, by: str, setting: str, whole: Sequence[str]) -> None:
        for part in by.split("*"):
            if part in whole:
                continue
            side, _, name = part.partition(".")
            if side not in ANY_SIDE or not name:
                self._fail(
                    setting,
                    f"{setting} = {by!r} must be {', '.join(whole)}, an attribute as item.x, user.x or context.x, or several "
                    f"joined by *{suggestion(part, whole)}",
                )
            self._attribute(part, ANY_SIDE, frozenset({"category", "list"}), setting)

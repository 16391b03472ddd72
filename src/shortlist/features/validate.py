"""Features as the project file has them, checked against its columns, the events there are, and each other."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Any

from shortlist.config.project import Project
from shortlist.errors import ProjectError
from shortlist.features.custom import check_function
from shortlist.features.spec import Counted, DistinctFeature, adapter

OF = {
    "attribute": ({"item", "user", "context"}, {"number", "category", "list", "text", "embedding"}),
    "age": ({"item"}, {"time"}),
    "affinity": ({"item"}, {"category", "list"}),
    "similarity": ({"item"}, {"category", "list", "text", "embedding"}),
}
"""Feature kind → whose attribute it may be of, and of which kinds."""


def parse_features(project: Project, kinds: list[str]) -> list[Any]:
    """The project's features in the order they are computed: a derived one follows what it is derived from.

    Raises `ProjectError` naming the line of the project file, the feature and the setting.
    """
    features = []
    for number, settings in enumerate(project.features):
        feature = project.parse(f"features.{number}", adapter, settings)
        _Check(project, number, kinds).feature(feature)
        features.append(feature)
    names = [feature.name for feature in features]
    for number, name in enumerate(names):
        if names.count(name) > 1:
            second = len(names) - 1 - names[::-1].index(name)
            raise ProjectError(
                f"{_where(project, max(second, number), 'name')}: two features are called {name!r}; names must differ",
                field="features",
            )
    return _ordered(project, features)


def _where(project: Project, number: int, setting: str = "") -> str:
    name = project.features[number].get("name", "")
    return f"{project.where(f'features.{number}.{setting}')}features[{number}] {name!r}"


def _ordered(project: Project, features: list[Any]) -> list[Any]:
    """Features after those they are derived from. A feature that rests on itself is an error."""
    names = {feature.name: number for number, feature in enumerate(features)}
    for number, feature in enumerate(features):
        for source in feature.inputs_of():
            if source not in names and "." not in source:
                raise ProjectError(
                    f"{_where(project, number, 'inputs')}: there is no feature {source!r}, and an attribute is written as "
                    f"item.x, user.x or context.x; features are: {', '.join(n for n in names if n != feature.name)}",
                    field=f"features.{number}.inputs",
                )
    graph = {f.name: [s for s in f.inputs_of() if s in names] for f in features}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        ring = list(error.args[1])
        raise ProjectError(
            f"{_where(project, names[ring[0]])}: derived from itself: {' → '.join(reversed(ring))}; break the ring",
            field=f"features.{names[ring[0]]}",
        ) from None
    plain = [f for f in features if not graph[f.name]]
    return plain + [features[names[name]] for name in order if graph[name]]


class _Check:
    """One feature against the project."""

    def __init__(self, project: Project, number: int, kinds: list[str]) -> None:
        self.project, self.number, self.kinds = project, number, kinds
        self.tables: dict[str, dict[str, Any]] = {
            "item": project.items.attributes if project.items else {},
            "user": project.users.attributes if project.users else {},
            "context": dict(project.data.context),
        }

    def fail(self, setting: str, message: str) -> None:
        where = _where(self.project, self.number, setting)
        raise ProjectError(f"{where}: {message}", field=f"features.{self.number}.{setting}")

    def feature(self, feature: Any) -> None:
        if feature.kind in OF:
            self.attribute(feature.of, *OF[feature.kind], "of")
        if feature.kind == "cross":
            for of in feature.of:
                if "." in of:
                    self.attribute(of, {"item", "user", "context"}, {"category"}, "of")
                elif not any(
                    f.get("name") == of and f.get("kind") == "moment" for f in self.project.features
                ):
                    self.fail(
                        "of", f"{of!r} is no feature of kind moment; a cross is of categories and moments"
                    )
        if feature.kind == "custom":
            for of in feature.inputs:
                if "." in of:
                    self.attribute(
                        of,
                        {"item", "user", "context"},
                        {"number", "category", "list", "text", "time", "embedding"},
                        "inputs",
                    )
            problem = check_function(feature.function)
            if problem:
                self.fail("function", problem)
        if isinstance(feature, Counted):
            self.key(feature.by, "by")
        if isinstance(feature, DistinctFeature):
            self.key(feature.of, "of", {"item", "user"})
        for setting in ("event", "per"):
            event = getattr(feature, setting, None)
            if event is not None and event not in self.kinds:
                self.fail(setting, f"no event is of kind {event!r}; the log has: {', '.join(self.kinds)}")

    def attribute(self, of: str, sides: set[str], wanted: set[str], setting: str) -> None:
        side, _, name = of.partition(".")
        if side not in sides or not name:
            choices = " or ".join(f"{s}.<attribute>" for s in sorted(sides))
            self.fail(setting, f"{setting} = {of!r} should be {choices}")
        found = self.tables[side].get(name)
        if found not in wanted:
            there = ", ".join(f"{n} ({k})" for n, k in self.tables[side].items()) or "none"
            self.fail(
                setting,
                f"{setting} = {of!r} needs an attribute of kind {' or '.join(sorted(wanted))}; {side} has: {there}",
            )

    def key(self, by: str, setting: str, whole: set[str] = frozenset({"item", "user", "all"})) -> None:  # type: ignore[assignment]
        for part in by.split("*"):
            if part in whole:
                continue
            side, _, name = part.partition(".")
            if side not in self.tables or not name:
                self.fail(
                    setting,
                    f"{setting} = {by!r} should be {', '.join(sorted(whole))}, an attribute as item.x, user.x or context.x, "
                    "or several joined by *",
                )
            self.attribute(part, {"item", "user", "context"}, {"category", "list"}, setting)

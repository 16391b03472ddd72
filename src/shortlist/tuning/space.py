"""The settings that tuning varies, and the projects that they make."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shortlist.config.project import Project, parse_project
from shortlist.retrieve import RETRIEVERS, make_retrievers
from shortlist.retrieve.fusion.search_space import absolute, default_place, search_space


class Range(NamedTuple):
    """The range of a number."""

    low: float
    high: float
    log: bool
    """Whether its logarithm is searched."""


class SourceAxis(NamedTuple):
    """Settings of one retriever that vary together."""

    settings: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    source: int
    """The position of the retriever in `retrieve.sources`."""


RANGES = {
    "rank.depth": Range(3, 8, False),
    "rank.trees": Range(50, 400, True),
    "rank.learning_rate": Range(0.02, 0.3, True),
    "rank.min_child_weight": Range(1.0, 200.0, True),
    "retrieve.candidates": Range(100, 1000, True),
    "retrieve.history": Range(20, 400, True),
    "rerank.diversity": Range(0.0, 0.4, False),
    "rerank.freshness": Range(0.0, 1.0, False),
}
"""The range of each number, by section and setting."""
DECAYING = frozenset({"again"})
"""Models whose events lose weight with age, and that have no other axis."""
HALF_LIVES = ("1d", "3d", "7d", "14d", "30d", "90d", "365d", None)
"""Half-lives of these models; None: events do not lose weight."""

Parameters = dict[str, Any]
"""The parameters of a trial: a number by section and setting, and the position on each axis of a retriever."""


class SettingSpace:
    """The settings that are searched for one project.

    Numbers of ranking, retrieval and re-ranking have a range (`RANGES`). Settings of a retriever lie on axes of a few
    values each (`retrieve/fusion/search_space.py`); their parameter is the position on the axis.

    Parameters
    ----------
    project : Project
        The project that is tuned.
    n_items : int
        Number of items; some settings are relative to it.

    Attributes
    ----------
    ranges : dict of str to Range
        The numbers.
    axes : dict of str to SourceAxis
        The axes of the retrievers.
    """

    def __init__(self, project: Project, n_items: int) -> None:
        self.project, self.n_items = project, n_items
        diverse = project.rerank.diversity_by is not None
        self.ranges = {name: r for name, r in RANGES.items() if diverse or name != "rerank.diversity"}
        self.axes: dict[str, SourceAxis] = {}
        for number, (name, source) in enumerate(
            zip(make_retrievers(project.retrieve), project.retrieve.sources, strict=True)
        ):
            for names, values in search_space(source["model"]):
                self.axes[f"sources.{name}.{'+'.join(names)}"] = SourceAxis(names, values, number)
            if source["model"] in DECAYING:
                half_lives = tuple((value,) for value in HALF_LIVES)
                self.axes[f"sources.{name}.half_life"] = SourceAxis(("half_life",), half_lives, number)

    def __repr__(self) -> str:
        return f"SettingSpace({len(self.ranges)} numbers, {len(self.axes)} axes)"

    def defaults(self) -> Parameters:
        """Return the project's own settings, or the nearest parameters to them."""
        found: Parameters = {}
        for name, (low, high, _) in self.ranges.items():
            value = self._current(name)
            found[name] = type(value)(min(max(value, low), high))
        for name, (names, values, number) in self.axes.items():
            source = self.project.retrieve.sources[number]
            current = tuple(source.get(n) for n in names)
            if source["model"] in DECAYING:
                config = RETRIEVERS[source["model"]].Config()
                current = tuple(source.get(n, getattr(config, n)) for n in names)
            if current in values:
                found[name] = values.index(current)
            elif source["model"] in DECAYING:
                found[name] = values.index(("30d",))
            else:
                found[name] = default_place(source["model"], names, values, self.n_items)
        return found

    def suggest(self, trial: Any) -> Parameters:
        """Let an Optuna trial choose the parameters."""
        chosen: Parameters = {}
        for name, (low, high, log) in self.ranges.items():
            if isinstance(self._current(name), int):
                chosen[name] = trial.suggest_int(name, int(low), int(high), log=log)
            else:
                chosen[name] = trial.suggest_float(name, low, high, log=log)
        for name, axis in self.axes.items():
            chosen[name] = trial.suggest_int(name, 0, len(axis.values) - 1)
        return chosen

    def settings(self, parameters: Parameters) -> dict[str, Any]:
        """Return the settings of parameters by name, as in a project file."""
        found = {name: parameters[name] for name in self.ranges if name in parameters}
        for name, axis in self.axes.items():
            if name in parameters:
                prefix = name.rpartition(".")[0]
                chosen = dict(zip(axis.settings, axis.values[parameters[name]], strict=True))
                for setting, value in absolute(chosen, self.n_items).items():
                    found[f"{prefix}.{setting}"] = value
        return found

    def project_with(self, parameters: Parameters) -> Project:
        """Return the project with the settings of parameters."""
        settings = json.loads(self.project.model_dump_json())
        names = make_retrievers(self.project.retrieve)
        sources = dict(zip(names, settings["retrieve"]["sources"], strict=True))
        for name, value in self.settings(parameters).items():
            if name.startswith("sources."):
                _, source, setting = name.split(".", 2)
                sources[source][setting] = value
                if value is None:  # TOML has no null; the setting is omitted
                    del sources[source][setting]
            else:
                section, _, setting = name.partition(".")
                settings[section][setting] = value
        return parse_project(settings)

    def _current(self, name: str) -> Any:
        section, _, setting = name.partition(".")
        return getattr(getattr(self.project, section), setting)

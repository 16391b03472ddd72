"""The sources of a project: `[[retrieve.sources]]` as typed settings, and as retrievers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shortlist.config.base import Settings
from shortlist.config.retrieve import RetrieveSettings
from shortlist.config.validate import Place, validate_settings
from shortlist.errors import ProjectError
from shortlist.retrieve.auto_sources import is_auto, parse_auto
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.registry import RETRIEVERS


class Source(NamedTuple):
    """One source of candidates, checked. `settings` is an instance of the model's `Config`."""

    name: str
    model: str
    settings: Settings


def parse_sources(sources: Sequence[Mapping[str, Any]], where: Place | None = None) -> list[Source]:
    """Check the sources of a project: each names a model, and has the settings of that model.

    Parameters
    ----------
    sources
        `project.retrieve.sources`: each a table with `model`, optionally `name` (default: the model's), and settings.
    where
        `project.where`, so that errors name file and line.

    Returns
    -------
    list of Source
        Empty where training chooses them (`sources = "auto"`).

    Raises
    ------
    ProjectError
        For an unknown model, an unknown setting, or a value out of range; `field` is `retrieve.sources.N.setting`.
    """
    where = where or (lambda _: "")
    if is_auto(sources):
        parse_auto(sources, where)
        return []
    found: list[Source] = []
    for number, given in enumerate(sources):
        field = f"retrieve.sources.{number}"
        if "model" not in given:
            raise ProjectError(
                f"{where(field)}{field}: model is missing; there are: {', '.join(RETRIEVERS)}",
                field=f"{field}.model",
            )
        model = given["model"]
        at = f"{field}.model"
        kind = RETRIEVERS.find(model, lambda at: f"{where(at)}{at}: ", at)
        name = str(given.get("name", model))
        if name in {source.name for source in found}:
            at = f"{field}.name" if "name" in given else f"{field}.model"
            raise ProjectError(
                f"{where(at)}{field}: two sources are called {name!r}; give one of them another name",
                field=f"{field}.name",
            )
        settings = {key: value for key, value in given.items() if key not in {"model", "name"}}
        found.append(Source(name, model, validate_settings(kind.Config, settings, where, field)))
    if not found:
        raise ProjectError(
            f"{where('retrieve.sources')}retrieve.sources is empty; name at least one retriever",
            field="retrieve.sources",
        )
    return found


def make_retrievers(settings: RetrieveSettings, where: Place | None = None) -> dict[str, Retriever]:
    """Make the retrievers of a project, by name, each with the project's event weighting.

    Raises
    ------
    ProjectError
        As `parse_sources` does.
    """
    weighting = EventWeighting.of(settings)
    if is_auto(settings.sources):
        raise ProjectError(
            'retrieve.sources is "auto": the sources are chosen by training, and are not known before',
            "retrieve.sources",
        )
    return {
        source.name: RETRIEVERS[source.model](source.settings, event_weighting=weighting)
        for source in parse_sources(settings.sources, where)
    }

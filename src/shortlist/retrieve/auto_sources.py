"""`sources = "auto"`: the settings of a choice that training makes (`fusion/choose_sources.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from shortlist.config.base import Duration, Settings
from shortlist.config.retrieve import AUTO
from shortlist.config.validate import Place, validate_settings


class AutoSourcesConfig(Settings):
    """Settings of `model = "auto"` in `[[retrieve.sources]]`."""

    most: int = Field(4, ge=1)
    """Number of tuned retrievers at most; `popular` and the sources that read attributes come on top."""
    budget: Duration | None = None
    """Time that the search may take; a duration such as "5m". None: as many trials as the size of the log asks for."""
    deep: bool = False
    """Whether `transformer` and `two_tower` are tried, too. One is taken only where its gain is clear of the interval. Needs the extra
    `deep`."""


def is_auto(sources: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the sources of a project are to be chosen."""
    return len(sources) == 1 and sources[0].get("model") == AUTO


def parse_auto(sources: Sequence[Mapping[str, Any]], where: Place) -> AutoSourcesConfig:
    """Return the settings of the choice. Raises `ProjectError` naming the wrong one."""
    given = {key: value for key, value in sources[0].items() if key != "model"}
    return validate_settings(AutoSourcesConfig, given, where, "retrieve.sources.0")

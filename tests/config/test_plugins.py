"""Registries of models: built-in classes, registered classes, and those of installed packages."""

from __future__ import annotations

import pytest

from shortlist.config.base import Settings
from shortlist.config.data import DataSettings
from shortlist.config.plugins import PluginRegistry
from shortlist.errors import ProjectError


@pytest.fixture
def registry() -> PluginRegistry[Settings]:
    built_in = {"data": "shortlist.config.data:DataSettings", "rank": "shortlist.config.rank:RankSettings"}
    return PluginRegistry("section", Settings, "shortlist.no_such_group", built_in)


def test_built_in_classes_are_imported_on_use(registry: PluginRegistry[Settings]) -> None:
    assert list(registry) == ["data", "rank"]
    assert registry["data"] is DataSettings
    assert "trees" not in registry


def test_a_class_is_registered(registry: PluginRegistry[Settings]) -> None:
    @registry.register("mine")
    class MySettings(Settings):
        x: int = 1

    assert registry["mine"] is MySettings
    assert list(registry) == ["data", "rank", "mine"]
    assert registry.register("mine")(MySettings) is MySettings


@pytest.mark.parametrize("name", ["data", "mine"])
def test_a_name_is_given_once(registry: PluginRegistry[Settings], name: str) -> None:
    class FirstSettings(Settings): ...

    class SecondSettings(Settings): ...

    registry.register("mine")(FirstSettings)
    with pytest.raises(ProjectError, match=f"the section name '{name}' is taken by shortlist|is taken by "):
        registry.register(name)(SecondSettings)


def test_a_class_must_extend_the_base_class(registry: PluginRegistry[Settings]) -> None:
    class Unrelated: ...

    with pytest.raises(ProjectError, match=r"does not extend shortlist\.config\.base\.Settings"):
        registry.register("mine")(Unrelated)


def test_an_unknown_name_is_answered_with_a_suggestion(registry: PluginRegistry[Settings]) -> None:
    with pytest.raises(ProjectError, match="there is no section 'rnak'; did you mean 'rank'") as error:
        registry.find("rnak", lambda _: "shortlist.toml, line 3: ", "sources.0.model")
    assert error.value.field == "sources.0.model"
    assert "shortlist.toml, line 3: " in error.value.message
    with pytest.raises(ProjectError, match="there is no section 3"):
        registry.find(3)

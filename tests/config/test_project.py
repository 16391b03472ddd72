"""Project settings: errors name file, line and setting; settings are immutable; later rooms validate their tables."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from shortlist.config.base import SettingError, Settings, duration_ms
from shortlist.config.project import Project, parse_project, read_project
from shortlist.errors import ProjectError
from shortlist.simulate.registry import WORLDS, make_world

ITEMS = {"items": {"id": "i", "attributes": {"price": "number", "photo": "link"}}}
RULE = {"name": "a", "when": {"items": {"any": ["x"]}}, "action": "hide"}


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"nonsense": 1}, "nonsense", "nonsense: there is no such setting; settings are: name"),
        ({"rnak": {}}, "rnak", "there is no such setting; did you mean 'rank'?"),
        ({"rerank": {"calibratoin": 1}}, "rerank.calibratoin", "did you mean 'calibration'?"),
        ({"rerank": {"new_items": {"shar": 1}}}, "rerank.new_items.shar", "did you mean 'share'?"),
        (
            {"items": {"id": "i", "attributes": {"a": "numbr"}}},
            "items.attributes.a",
            "did you mean 'number'?",
        ),
        (
            {"rerank": {"fair": [{"by": "g", "valeus": []}]}},
            "rerank.fair.0.valeus",
            "did you mean 'values'?",
        ),
        (
            {"experiments": {"x": {"arms": {"a": {"shar": 1}}, "metric": "e"}}},
            "experiments.x.arms.a.shar",
            "'share'",
        ),
        (
            {"view": "shlf"},
            "view",
            "must be 'slate', 'shelf', 'feed', 'shop' or 'rows'; did you mean 'shelf'?",
        ),
        ({"rank": {"trees": 0}}, "rank.trees", "must be greater than or equal to 1"),
        ({"rank": {"trees": "many"}}, "rank.trees", "rank.trees: must be a whole number and is 'many'"),
        ({"rerank": {"diversity": "x"}}, "rerank.diversity", "must be a number and is 'x'"),
        ({"rerank": {"diversity": math.nan}}, "rerank.diversity", "must be a finite number and is nan"),
        ({"rerank": {"diversity": True}}, "rerank.diversity", "must be a number and is true"),
        (
            {"placements": {"a": {"weights": {"click": True}}}},
            "placements.a.weights.click",
            "must be a number and is true",
        ),
        (
            {"placements": {"a": {"filters": []}}},
            "placements.a.filters",
            "must be a table of settings or a text in quotes and is []",
        ),
        (
            {"rerank": {"rules": [{"name": "a", "when": "x < 3", "action": "boost", "amount": math.nan}]}},
            "rerank.rules.0.amount",
            "must be a finite number or a text in quotes and is nan",
        ),
        ({"retrieve": {"sources": 3}}, "retrieve.sources", "must be a list and is 3"),
        ({"rank": []}, "rank", "must be a table of settings and is []"),
        ({"name": 3}, "name", "must be a text in quotes and is 3"),
        (
            {"experiments": {"x": {"arms": {"a": {}}, "metric": "e"}}},
            "experiments.x.arms",
            "must have at least 2 entries and has 1",
        ),
        (
            {"objectives": {"x": {"events": ["e"], "window": "soon"}}},
            "objectives.x.window",
            "objectives.x.window: 'soon' is not a duration",
        ),
        ({"objectives": {"x": {"events": ["e"], "weight": 0}}}, "objectives", "every objective has weight 0"),
        (
            {"objectives": {"x": {"events": ["e"], "loss": "squared"}}},
            "objectives.x.loss",
            "not for a probability",
        ),
        ({"evaluate": {"relevant": "y"}}, "evaluate.relevant", "'y' is not an objective"),
        ({"utility": {"at_least": {"y": 1}}}, "utility.at_least", "'y' is not an objective"),
        ({"evaluate": {"ranker_window": 0.9}}, "evaluate.ranker_window", "must be below 0.9"),
        ({"rank": {"position_bias": "weights"}}, "rank.position_bias", 'needs rank.examples = "impressions"'),
        ({"rerank": {"diversity_by": "genre"}}, "rerank.diversity_by", "must be an item attribute of kind"),
        ({"rerank": {"calibration": 0.5}}, "rerank.calibration", "needs calibration_by"),
        ({"rerank": {"rules": [RULE, RULE]}}, "rerank.rules.1.name", "names must differ"),
        (
            {"rerank": {"rules": [{**RULE, "when": {"colour": {}}}]}},
            "rerank.rules.0.when",
            "uses 'colour', which is not an attribute of items",
        ),
        ({"page": {"rows": [{"kind": "attribute"}]}}, "page.rows.0.of", "a row of kind attribute needs of"),
        ({"page": {"price": "cost"}}, "page.price", "'cost' must be an item attribute of kind number"),
        ({"page": {"currency": "EUR"}}, "page.currency", "a currency needs price"),
        (
            {**ITEMS, "page": {"price": "price", "currency": "Euro"}},
            "page.currency",
            "'Euro' must be an item attribute of kind category",
        ),
        ({**ITEMS, "page": {"image": "price"}}, "page.image", "of kind category or link or text"),
        (
            {**ITEMS, "page": {"image": "photo", "image_hosts": ["https://a.example; script-src *"]}},
            "page.image_hosts.0",
            "is not the origin of a server",
        ),
        (
            {**ITEMS, "page": {"image": "photo", "image_hosts": ["https://a.example/photos"]}},
            "page.image_hosts.0",
            "without a path",
        ),
        ({"page": {"image_hosts": ["https://a.example"]}}, "page.image_hosts", "image_hosts needs image"),
        ({"retrieve": {"weights": {"play": -1}}}, "retrieve.weights", "play has weight -1"),
        ({"retrieve": {"values": {"play": 2}}}, "retrieve.values", "play has exponent 2"),
        (
            {"experiments": {"x": {"arms": {"a": {}, "b": {"weights": {"y": 1}}}, "metric": "event"}}},
            "experiments.x.arms.b.weights",
            "'y' is not an objective",
        ),
    ],
)
def test_errors_name_the_setting(settings: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_project(settings, "shortlist.toml")
    assert error.value.field == field
    assert words in str(error.value)
    assert f"shortlist.toml: {field}: " in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("[rank]\ntrees = 10\ndepht = 3\n", 3, "rank.depht"),
        ("[rank]\ntrees = 10\nexamples = 'candidates'\nposition_bias = 'weights'\n", 4, "rank.position_bias"),
        (
            "[objectives.a]\nevents = ['e']\n\n[objectives.b]\nevents = ['e']\ngiven = 'c'\n",
            6,
            "objectives.b.given",
        ),
        ("[rerank]\nfreshness = 1\n\n[rerank.new_items]\nshare = 2\n", 5, "rerank.new_items.share"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, line: int, field: str) -> None:
    path = tmp_path / "shortlist.toml"
    path.write_text(text)
    with pytest.raises(ProjectError, match=rf"shortlist\.toml, line {line}: {field}: "):
        read_project(path)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(ProjectError) as error:
        parse_project({"rank": {"trees": 0, "depht": 3}, "view": "x"})
    assert len(str(error.value).splitlines()) == 3


def test_settings_are_immutable() -> None:
    project = parse_project({})
    for settings, name in (
        (project, "seed"),
        (project.data, "events"),
        (project.rank, "trees"),
        (project.objectives["event"], "weight"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, name, 1)
    assert list(project.objectives) == ["event"]


def test_file_names_are_relative_to_the_project_file(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id\n")
    text = "[data]\nevents = 'events.csv'\nitems = 'select 1'\nusers = 'other.csv'\n"
    (tmp_path / "shortlist.toml").write_text(text)
    data = read_project(tmp_path).data
    assert (data.events, data.items, data.users) == (
        str(tmp_path / "events.csv"),
        "select 1",
        "other.csv",
    )


@pytest.mark.parametrize("text", ["a = ", "\udcff"])
def test_invalid_toml_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shortlist.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ProjectError, match=r"shortlist\.toml: not valid TOML"):
        read_project(path)
    with pytest.raises(ProjectError, match="no such file; `shortlist init"):
        read_project(tmp_path / "none.toml")


# ------------------------------------------------- tables that later rooms own


class SquareSettings(Settings):
    shape: Literal["square"]
    width: float = Field(1.0, gt=0)


class CircleSettings(Settings):
    shape: Literal["circle"]
    radius: float = 1.0


Shape: TypeAdapter[SquareSettings | CircleSettings] = TypeAdapter(
    Annotated[SquareSettings | CircleSettings, Field(discriminator="shape")]
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    path = tmp_path / "shortlist.toml"
    path.write_text(
        "[[features]]\nshape = 'square'\nwidth = 2\n\n[[features]]\nshape = 'circle'\nradios = 2\n\n"
        "[[features]]\nshape = 'sqare'\n\n[[features]]\nwidth = 1\n\n[[features]]\nshape = 'square'\nwidth = 0\n"
    )
    return read_project(path)


def test_prices_and_pictures_of_the_page() -> None:
    page = {
        "price": "price",
        "currency": "EUR",
        "image": "photo",
        "image_hosts": ["https://*.a.example:8443"],
    }
    assert parse_project({**ITEMS, "page": page}).page.currency_attribute is None
    attributes = {**ITEMS["items"]["attributes"], "money": "category"}  # type: ignore[dict-item]
    by_item = {
        "items": {"id": "i", "attributes": attributes},
        "page": {"price": "price", "currency": "money"},
    }
    assert parse_project(by_item).page.currency_attribute == "money"


def test_a_typed_table_is_parsed(project: Project) -> None:
    shape = project.parse("features.0", Shape)
    assert isinstance(shape, SquareSettings)
    assert shape.width == 2
    assert project.parse("features.0", SquareSettings, {"shape": "square"}).width == 1


@pytest.mark.parametrize(
    ("number", "line", "words"),
    [
        (1, 7, "features.1.radios: there is no such setting; did you mean 'radius'?"),
        (2, 10, "features.2.shape: 'sqare' is unknown; did you mean 'square'? There are: circle, square"),
        (3, 12, "features.3.shape: this setting is required; there are: circle, square"),
        (4, 17, "features.4.width: must be greater than 0"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(project: Project, number: int, line: int, words: str) -> None:
    with pytest.raises(ProjectError) as error:
        project.parse(f"features.{number}", Shape)
    assert f"shortlist.toml, line {line}: {words}" in str(error.value)


def test_a_setting_without_a_json_schema_can_be_wrong() -> None:
    class Odd(Settings):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: Path | threading.Event | None = None

    with pytest.raises(ProjectError, match="x: there is no such setting"):
        parse_project({}).parse("features.0", Odd, {"x": 1})


def test_the_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(parse_project({"rank": {"trees": 3, "depth": 4}}).rank) == "RankSettings(trees=3)"
    assert repr(parse_project({"name": "shop", "seed": 1})).startswith(
        "Project(name='shop', seed=1, objectives="
    )


@pytest.mark.parametrize("name", WORLDS)
def test_the_repr_of_a_large_project_is_short(name: str) -> None:
    project = make_world(name, users=20, items=20, sessions=20, days=2).project()
    for settings in (project, project.data, project.retrieve, project.rerank):
        for text in (repr(settings), str(settings)):
            assert len(text) <= 200
            assert text.startswith(f"{type(settings).__name__}(")
            assert text.endswith(")")


def test_where_is_empty_without_a_file() -> None:
    assert parse_project({}).where("rank.trees") == ""


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("1.5h", 5_400_000),
        (" 2 w ", 1_209_600_000),
        ("15m", 900_000),
        ("30d", 2_592_000_000),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "0d", "-1d", "3 years", "d"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_ms(text)


def test_a_setting_error_names_its_field() -> None:
    assert SettingError("x", "message").field == "x"


def test_expressions_of_rules_and_rows_are_checked_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    start = """[data]
context = { device = "category" }
[items]
id = "item_id"
attributes = { price = "number", brand = "category" }
[users]
id = "user_id"
attributes = { age = "number" }
[[rerank.rules]]
name = "cheap"
action = "boost"
"""
    good = 'when = "price < 20 and brand = viewed.brand and user.age > 17 and context.device = \'tv\'"\namount = "20 / price"\n'
    file.write_text(
        start + good + '[[page.rows]]\nkind = "picks"\nfilters = "price < 5"\ntitle = "Under 5"\n'
    )
    project = read_project(file)
    assert project.rerank.rules[0].amount == "20 / price"
    assert project.page.rows[0].title == "Under 5"
    for lines, field, line, words in (
        ('when = "prize < 20"\n', "rerank.rules.0.when", 12, "column 1: items have no attribute 'prize'; did you mean 'price'?"),
        ('when = "price <"\n', "rerank.rules.0.when", 12, "column 8: the expression ends"),
        ('when = "price < 3"\namount = "brand"\n', "rerank.rules.0.amount", 13, "brand is a category"),
        ('when = "price < 3"\namount = 0\n', "rerank.rules.0.amount", 13, "above 0 and at most 100"),
        (good + '[[page.rows]]\nkind = "new"\nfilters = "user.agee > 3"\n', "page.rows.0.filters", 16, "did you mean 'age'?"),
    ):  # fmt: skip
        file.write_text(start + lines)
        with pytest.raises(ProjectError) as error:
            read_project(file)
        assert error.value.field == field
        assert f"line {line}: " in error.value.message
        assert words in error.value.message

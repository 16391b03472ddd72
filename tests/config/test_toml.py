"""TOML: the written file is read back unchanged, keeps its comments, and settings are found by line."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from shortlist.config.project import parse_project
from shortlist.config.toml import COMMENTS, WIDTH, find_line, write_toml

TEXT = """\
name = "x"

[objectives.a]
events = ["e"]

[[features]]
name = "f"

[[features]]
name = "g"
of = "y"

[data]
context = { d = "category" }
columns.user = "u"

[retrieve]
sources = [
    { model = "als", factors = 64 },
    { model = "popular" },
]

[[rerank.rules]]
name = "r"
when = { genres = { any = ["Horror"] } }
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("name", 1),
        ("objectives.a.events", 4),
        ("objectives.a.events.0", 4),
        ("objectives.a.window", 3),
        ("objectives", 3),
        ("features.0.name", 7),
        ("features.1.of", 11),
        ("features.1.by", 9),
        ("features", 6),
        ("features.7.by", 6),
        ("data", 13),
        ("data.context.d", 14),
        ("data.columns.user", 15),
        ("data.columns", 15),
        ("retrieve.sources.0.factors", 19),
        ("retrieve.sources.1", 20),
        ("retrieve.sources.1.half_life", 20),
        ("rerank", 23),
        ("rerank.rules.0.when.genres", 25),
        ("rank.trees", None),
        ("", None),
    ],
)
def test_lines_are_found(field: str, line: int | None) -> None:
    assert find_line(TEXT, field) == line


def test_a_line_of_invalid_toml_is_unknown() -> None:
    assert find_line("name = ", "name") is None


SETTINGS = {
    "name": 'quotes " and [brackets]',
    "simulated": True,
    "data": {
        "events": "events.parquet",
        "columns": {"user": "user id", "timestamp": "t"},
        "context": {"device": "category"},
    },
    "items": {"id": "item_id", "attributes": {"genres": "list", "año": "number"}},
    "objectives": {"play": {"events": ["play"], "weight": 1.5}, "like": {"events": ["like"]}},
    "features": [{"name": "a", "kind": "count"}, {"name": "b", "kind": "rate", "prior": 20.0}],
    "retrieve": {"weights": {"play": 1.0}, "sources": [{"model": "als", "factors": 8}, {"model": "popular"}]},
    "rerank": {
        "rules": [
            {"name": "r", "when": {"genres": {"any": ["Horror", "War"]}, "year": {"min": 1990}}, "slot": 0}
        ],
    },
    "experiments": {"x": {"metric": "play", "arms": {"a": {}, "b": {"weights": {"play": 2.0}}}}},
}


def test_a_written_file_is_read_back_unchanged() -> None:
    assert tomllib.loads(write_toml(SETTINGS, "title")) == SETTINGS


def test_sections_are_in_order_and_commented() -> None:
    text = write_toml(dict(reversed(SETTINGS.items())), "The title")
    lines = text.splitlines()
    assert lines[0] == "# The title"
    headers = [line for line in lines if line.startswith("[")]
    assert headers[:6] == [
        "[data]",
        "[data.columns]",
        "[data.context]",
        "[items]",
        "[items.attributes]",
        "[objectives.play]",
    ]
    assert headers[-1] == "[experiments.x.arms.b.weights]"
    for section in ("data", "data.columns", "items", "objectives", "features", "retrieve", "rerank"):
        assert all(f"# {line}" in lines for line in COMMENTS[section].splitlines()), section
    assert "\n\n\n" not in text
    assert lines[lines.index("[data]") - 1].startswith("# ")


def test_long_lists_have_one_value_a_line() -> None:
    values = [f"value number {n}" for n in range(20)]
    text = write_toml({"rerank": {"fair": [{"by": "x", "values": values}]}}, "title")
    assert tomllib.loads(text)["rerank"]["fair"][0]["values"] == values
    assert max(map(len, text.splitlines())) <= WIDTH


def test_none_and_empty_sections_are_left_out() -> None:
    settings: dict[str, Any] = {
        "name": None,
        "items": {},
        "data": {"context": {}},
        "rank": {"trees": 3, "depth": None},
    }
    text = write_toml(settings, "title")
    assert tomllib.loads(text)["rank"] == {"trees": 3}
    assert "context" not in text
    assert parse_project(tomllib.loads(text)).rank.trees == 3

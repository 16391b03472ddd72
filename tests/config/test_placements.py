"""Placements are checked against the project when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortlist.config.project import parse_project, read_project
from shortlist.errors import ProjectError

BASE: dict[str, Any] = {
    "items": {"id": "i", "attributes": {"price": "number", "brand": "category"}},
    "objectives": {"play": {"events": ["play"]}, "buy": {"events": ["buy"]}},
    "experiments": {
        "colour": {"metric": "play", "arms": {"a": {}, "b": {}}},
        "layout": {"metric": "play", "arms": {"a": {}, "b": {}}},
    },
    "rerank": {"rules": [{"name": "cheap", "when": "price < 5", "action": "boost"}]},
}
RULE = {"name": "dear", "when": "price > 50", "action": "hide"}


@pytest.mark.parametrize(
    ("placement", "field", "words"),
    [
        ({"fliters": "price < 3"}, "fliters", "did you mean 'filters'?"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 201}, "n", "less than or equal to 200"),
        ({"weights": {"plya": 1.0}}, "weights", "'plya' is not an objective; did you mean 'play'?"),
        ({"at_least": {"sale": 0.1}}, "at_least", "objectives are: play, buy"),
        ({"calibration": 0.5}, "calibration", "needs rerank.calibration_by"),
        ({"filters": "prize < 3"}, "filters", "did you mean 'price'?"),
        ({"filters": {"colour": {"any": ["red"]}}}, "filters", "the placement 'home' uses 'colour'"),
        ({"rules": [{**RULE, "when": "brnd = 'x'"}]}, "rules.0.when", "did you mean 'brand'?"),
        ({"rules": [RULE, RULE]}, "rules.1.name", "two rules have the name 'dear'"),
        ({"rules": [{**RULE, "name": "cheap"}]}, "rules.0.name", "two rules have the name 'cheap'"),
        ({"rows": [{"kind": "attribute", "of": "price"}]}, "rows.0.of", "of kind category or list"),
        ({"rows": [{"kind": "picks", "filters": "price < "}]}, "rows.0.filters", "the expression ends"),
        ({"rows": []}, "rows", "at least 1 entries"),
        ({"experiments": ["layuot"]}, "experiments.0", "there is no experiment 'layuot'; did you mean 'layout'?"),
    ],
)  # fmt: skip
def test_errors_name_the_setting(placement: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_project({**BASE, "placements": {"home": placement}})
    assert error.value.field == f"placements.home.{field}"
    assert words in error.value.message


def test_a_name_can_be_a_label(tmp_path: Path) -> None:
    for name in ("start page", "a.b", "", "x" * 65):
        with pytest.raises(ProjectError, match="1 to 64 letters"):
            parse_project({"placements": {name: {}}})
    file = tmp_path / "shortlist.toml"
    file.write_text(
        "name = 'x'\n\n[placements.home]\nn = 5\n\n[placements.check-out]\nn = 5\nfilters = 'cost < 3'\n"
    )
    with pytest.raises(ProjectError, match=r"line 8: placements\.check-out\.filters: "):
        read_project(file)


def test_where_rules_rows_and_experiments_hold() -> None:
    row = {"kind": "new"}
    placements = {"home": {"rules": [RULE], "experiments": ["layout"]}, "end": {"rows": [row]}, "top": {}}
    project = parse_project({**BASE, "placements": placements})
    assert [rule.name for rule in project.rules_at("home")] == ["cheap", "dear"]
    assert [rule.name for rule in project.rules_at("end")] == [rule.name for rule in project.rules_at("")]
    assert [row.kind for row in project.rows_at("end")] == ["new"]
    assert project.rows_at("home") == project.rows_at("") == project.page.rows
    # an experiment that a placement names runs there only; one that none names runs everywhere
    assert list(project.experiments_at("home")) == ["colour", "layout"]
    assert [list(project.experiments_at(name)) for name in ("", "end", "top")] == [["colour"]] * 3
    assert project.placements_of("layout") == ["home"]
    assert project.placements_of("colour") is None
    assert list(parse_project(BASE).experiments_at("")) == ["colour", "layout"]


def test_an_arm_that_calibrates_needs_an_attribute() -> None:
    arms = {"a": {}, "b": {"calibration": 0.3}}
    with pytest.raises(ProjectError, match=r"needs rerank\.calibration_by") as error:
        parse_project({**BASE, "experiments": {"x": {"metric": "play", "arms": arms}}})
    assert error.value.field == "experiments.x.arms.b.calibration"

"""Rankers of others: registered by a decorator, selected by `[rank] model`; the guide's code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shortlist
from shortlist.config.project import parse_project, read_project
from shortlist.errors import ProjectError
from shortlist.rank.gbdt.ranker import GBDTRanker
from shortlist.rank.registry import RANKERS, make_ranker

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "own-ranker.md"


def test_the_default_is_boosted_trees() -> None:
    assert isinstance(make_ranker(parse_project({})), GBDTRanker)


def test_an_unknown_ranker_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ProjectError, match="did you mean 'gbdt'") as refused:
        make_ranker(parse_project({"rank": {"model": "gbtd"}}))
    assert refused.value.field == "rank.model"


def test_options_that_the_trees_do_not_have_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text("[rank]\ntrees = 50\n\n[rank.options]\ndepht = 3\n")
    with pytest.raises(
        ProjectError, match=r"line 5: rank\.options\.depht: gbdt has no options.*'depth'"
    ) as refused:
        make_ranker(read_project(file))
    assert refused.value.field == "rank.options.depht"


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(ProjectError, match="Ranker"):
        shortlist.register_ranker("wrong")(dict)  # type: ignore[type-var]


def test_the_code_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, object] = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert "linear" in RANKERS

"""Every shell command of the recipes runs in an empty folder, servers included."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shortlist.simulate.registry import WORLDS
from support.paths import ROOT
from support.shell import Shell, code_blocks, command_lines

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
DATA = ROOT.parent / "shared" / "data"


def test_every_world_has_a_recipe() -> None:
    assert {page.stem for page in RECIPES} == set(WORLDS)
    for page in RECIPES:
        text = page.read_text(encoding="utf-8")
        for part in ("## Decisions", "## Measures", "## Common mistakes", "## Your own data"):
            assert part in text, f"{page.name}: {part}"
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", RECIPES, ids=lambda p: p.stem)
def test_every_command_runs(page: Path, tmp_path: Path, full: bool) -> None:
    lines = [line for block in code_blocks(page, "sh") for line in command_lines(block)]
    assert len(lines) >= 5
    missing = []
    for name in ("frappe", "movielens-100k"):
        if full and (DATA / name).exists():
            (tmp_path / name).symlink_to(DATA / name)
        else:
            missing.append(
                name
            )  # public data sets are used by the full tests only, and only where they exist
    skipped = [f"{name}.toml" for name in missing] + (["ml.toml"] if "movielens-100k" in missing else [])
    with Shell(tmp_path) as shell:
        for line in lines:
            if not any(word in line for word in (*missing, *skipped)):
                output = shell.run(line)
                if line.startswith("curl"):
                    assert output.startswith("{"), output[:200]
    assert (tmp_path / f"{page.stem}.html").read_text().startswith("<!doctype html>")

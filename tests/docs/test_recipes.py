"""Every shell command of the recipes runs in an empty folder, servers included; in the short form with smaller worlds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shortlist.simulate.registry import WORLDS
from support.paths import ROOT
from support.shell import Shell, code_blocks, command_lines

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
DATA = ROOT.parent / "shared" / "data"
SIZE = re.compile(r"--(users|items|sessions|rounds) (\d+)")
SHARES = {"users": 4, "items": 2, "sessions": 5, "rounds": 2}
"""By what the sizes of a world and of a simulation are divided in the short form."""


def smaller(line: str) -> str:
    """The same command with a smaller world."""
    return SIZE.sub(lambda m: f"--{m[1]} {int(m[2]) // SHARES[m[1]]}", line)


def test_the_sizes_of_a_command_are_divided() -> None:
    line = "shortlist simulate shop --rounds 2 --seeds 1 --users 300 --items 150 --sessions 5000"
    assert (
        smaller(line) == "shortlist simulate shop --rounds 1 --seeds 1 --users 75 --items 75 --sessions 1000"
    )


def test_every_world_has_a_recipe() -> None:
    assert {page.stem for page in RECIPES} == set(WORLDS)
    for page in RECIPES:
        text = page.read_text(encoding="utf-8")
        for part in ("## Decisions", "## Measures", "## Common mistakes", "## Your own data"):
            assert part in text, f"{page.name}: {part}"
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.usefixtures("quick_training")
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
                output = shell.run(line if full else smaller(line))
                if line.startswith("curl"):
                    assert output.startswith("{"), output[:200]
    assert (tmp_path / f"{page.stem}.html").read_text().startswith("<!doctype html>")

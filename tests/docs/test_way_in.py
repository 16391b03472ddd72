"""The pages of the way in: their settings are valid, and their commands and the code of other libraries run."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist.config.project import parse_project, read_project
from shortlist.features.spec import FEATURE
from shortlist.recommender import Recommender
from shortlist.simulate.world import World
from support.paths import ROOT
from support.shell import Shell, code_blocks, command_lines

HOW_TO = ROOT / "docs" / "how-to"
OTHERS = HOW_TO / "from-other-libraries.md"
PAGES = [HOW_TO / f"{name}.md" for name in ("which-objective", "your-export", "from-other-libraries")]
OURS = '(?: title="shortlist.toml")?'
TITLED_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
PEERS = ("implicit", "lightfm", "rectools")
"""Libraries whose blocks run where they are installed; Gorse and Metarank need a server."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_are_valid(page: Path) -> None:
    for block in code_blocks(page, "toml", OURS):
        project = parse_project({"data": {"events": "events.parquet"}, **tomllib.loads(block)})
        for number in range(len(project.features)):
            project.parse(f"features.{number}", FEATURE)


def test_every_block_of_settings_is_found() -> None:
    assert sum(len(code_blocks(page, "toml", OURS)) for page in PAGES) >= 7


def test_exports_are_read_as_they_are(tmp_path: Path) -> None:
    page = HOW_TO / "your-export.md"
    for name, text in TITLED_BLOCK.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Shell(tmp_path, columns=200) as shell:
        said = [shell.run(line) for block in code_blocks(page, "sh") for line in command_lines(block)]
    (shown,) = code_blocks(page, "text")
    for line in shown.splitlines():
        assert re.sub(r"\s+", " ", line) in re.sub(r"\s+", " ", f"{said[1]}{said[2]}"), line
    assert (read_project(tmp_path / "by-sql.toml").data.events or "").endswith("events.sql")
    wide = read_project(tmp_path / "video").data
    assert {rule.kind for rule in wide.derive} >= {"impression", "click", "watch"}
    assert all("problem" in found or "0 set aside" in found or "excluded" in found for found in said[2::2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, world: World, bundle: Path) -> Path:
    """A folder as the pages assume it: a project with its tables, a folder of bundles."""
    folder = tmp_path_factory.mktemp("shop")
    world.write(folder)
    shutil.copytree(bundle, folder / "models" / Recommender.load(bundle).version)
    return folder


@pytest.fixture(scope="module")
def shell(folder: Path) -> Iterator[Shell]:
    """A shell in that folder, beside a server."""
    with Shell(folder) as shell:
        shell.run("shortlist serve models/ --store events.sqlite --port 8000")
        yield shell


def test_the_server_answers_as_those_who_come_from_gorse_expect(shell: Shell) -> None:
    lines = [line for block in code_blocks(OTHERS, "sh") for line in command_lines(block)]
    assert lines[0] == "shortlist serve bundle --port 8000"
    accepted, recommended, similar = (shell.run(line) for line in lines[1:])
    assert accepted == '{"accepted":1,"repeated":0}'
    assert recommended.count('"item":') == similar.count('"title":') == 5


def test_the_checklist_runs_from_top_to_bottom(shell: Shell) -> None:  # after the other: it makes keys
    page = HOW_TO / "before-production.md"
    lines = [line for block in code_blocks(page, "sh") for line in command_lines(block)]
    assert len(lines) >= 7
    answers = {line: shell.run(line) for line in lines}
    assert '"status"' in answers["curl -sf 127.0.0.1:8000/readyz"]


def blocks_until(peer: str) -> list[str]:
    """The first block of the page, which makes the tables, and that of another library."""
    return [*code_blocks(OTHERS, "python")[:1], *code_blocks(OTHERS, "py", f' title="{peer}"')]


@pytest.mark.parametrize("peer", PEERS)
def test_code_of_other_libraries_runs_where_they_are_installed(peer: str) -> None:
    made, own = blocks_until(peer)
    pytest.importorskip(peer)
    namespace: dict[str, Any] = {}
    for code in (made, own):
        exec(compile(code, f"{OTHERS.name}: {peer}", "exec"), namespace)


def test_each_library_stands_beside_shortlist() -> None:
    text = OTHERS.read_text(encoding="utf-8")
    assert (
        len(re.findall(r'^=== "', text, re.MULTILINE))
        == 2 * len(re.findall(r'^=== "Shortlist"', text, re.MULTILINE))
        == 10
    )
    assert all(len(blocks_until(peer)) == 2 for peer in (*PEERS, "gorse"))

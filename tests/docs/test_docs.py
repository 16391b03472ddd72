"""Checks of the README and the documentation pages: Python blocks, relative links and names of commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from shortlist.cli.main import app
from support.paths import ROOT
from support.shell import code_blocks

DOCS = ROOT / "docs"
# Pages whose blocks are run by a test of their own, with fixtures.
TESTED_ELSEWHERE = {"clients.md", "first-hour.md", "own-ranker.md", "own-retriever.md"}
# Pages that a hook of the site writes; the strict build checks links to them.
GENERATED = ("command-line.md", "deploy.md")
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[str]:
    return code_blocks(page, "python", "[^\n]*")


PAGES_WITH_BLOCKS = [page for page in PAGES if page.name not in TESTED_ELSEWHERE and blocks(page)]


@pytest.mark.usefixtures("quick_training")
@pytest.mark.parametrize("page", PAGES_WITH_BLOCKS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page share one namespace and run in order, as in a notebook."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for number, code in enumerate(blocks(page)):
        exec(compile(code, f"{page.name}:{number}", "exec"), namespace)


def test_the_readme_and_the_guides_have_python_blocks() -> None:
    assert ROOT / "README.md" in PAGES_WITH_BLOCKS
    assert len(PAGES_WITH_BLOCKS) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if not link.startswith(("http://", "https://")) and not link.endswith(GENERATED):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def tables(text: str) -> Iterator[list[str]]:
    """Yield the rows of each table of a page; code blocks have none."""
    lines = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE).split("\n")
    for is_table, rows in groupby(lines, lambda line: line.lstrip().startswith("|")):
        if is_table:
            yield list(rows)


def cells(row: str) -> int:
    """Count the cells of a row; a bar in code or after a backslash divides none."""
    return re.sub(r"`[^`]*`", "", row.replace("\\|", "")).strip().strip("|").count("|") + 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_rows_of_tables_belong_to_a_header_and_have_its_cells(page: Path) -> None:
    for header, *rows in tables(page.read_text(encoding="utf-8")):
        assert rows, f"{page.name}: a row without a table: {header}"
        assert re.fullmatch(r"\s*\|[\s:|-]+\|", rows[0]), f"{page.name}: {header}"
        assert {cells(row) for row in rows} == {cells(header)}, f"{page.name}: {header}"


def test_the_glossary_explains_each_word_once() -> None:
    lines = (DOCS / "glossary.md").read_text(encoding="utf-8").split("\n")
    words = [word for word, meaning in pairwise(lines) if meaning.startswith(":   ")]
    assert len(words) > 60
    assert sorted(set(words)) == sorted(words)


def shell_commands() -> list[tuple[str, str]]:
    """Return (page, command line) of every `shortlist` command in a shell block, and of those in tables and sentences."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        fenced = "\n".join(re.findall(r"^```(?:sh|console)[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
        inline = "\n".join(
            re.findall(
                r"`(shortlist [a-z][^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
            )
        )
        lines = re.findall(r"^ *(shortlist [^#\n|]+)", f"{fenced}\n{inline}", re.MULTILINE)
        found += [(page.relative_to(ROOT).as_posix(), line.strip()) for line in lines]
    return found


def test_commands_of_the_pages_exist() -> None:
    root: Any = typer.main.get_command(app)
    commands = shell_commands()
    assert len(commands) > 60
    for page, line in commands:
        command, words = root, shlex.split(line)[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        options = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        assert command is not root or words[0] in {"--help", "COMMAND"}, f"{page}: {line}"
        for word in words:
            option = word.split("=")[0]
            assert not option.startswith("--") or option in options | {"--help"}, f"{page}: {line}: {option}"

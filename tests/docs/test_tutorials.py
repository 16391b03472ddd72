"""The tutorials run from top to bottom in an empty folder, and print what the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.paths import ROOT
from support.shell import Shell, code_blocks, command_lines

TUTORIALS = ROOT / "docs" / "tutorials"
TITLED_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
SHELL_OR_OUTPUT = re.compile(r"^```(sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def words(text: str) -> set[str]:
    """Return the words of an output. Numbers are left out: they depend on the versions of the numerical libraries."""
    return set(re.findall(r"[a-z_]{3,}", text.lower()))


def test_own_data(tmp_path: Path) -> None:
    page = (TUTORIALS / "own-data.md").read_text(encoding="utf-8")
    files = dict(TITLED_BLOCK.findall(page))
    assert set(files) == {"books.csv", "make_log.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    titles = words(files["books.csv"])
    output = ""
    with Shell(tmp_path, columns=100, fresh=True) as shell:
        for language, block in SHELL_OR_OUTPUT.findall(page):
            if language == "sh":
                output = "\n".join(shell.run(line) for line in command_lines(block))
            else:
                missing = words(block) - words(output) - titles
                assert not missing, f"{missing} not in:\n{output}"
    assert '"The Ember Court"' in output
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.usefixtures("quick_training")
def test_first_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = TUTORIALS / "first-hour.md"
    answers = []
    with Shell(tmp_path, fresh=True) as shell:
        for block in code_blocks(page, "sh"):
            answers += [shell.run(line) for line in command_lines(block)]
    recommended, accepted, reasons = answers[2:]
    assert recommended.count('"item":') == 3
    assert accepted == '{"accepted":1,"repeated":0}'
    assert reasons.startswith("{")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for code in code_blocks(page, "python"):
        exec(compile(code, page.name, "exec"), namespace)

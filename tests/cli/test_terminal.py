"""Terminal output: texts from data are shown as they are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from shortlist.cli import terminal
from shortlist.cli.serve import is_loopback
from shortlist.config.project import parse_project
from shortlist.errors import ShortlistError


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(record=True, width=200)
    monkeypatch.setattr(terminal, "console", console)
    return console


def test_titles_in_brackets_are_shown(output: Console) -> None:
    item = SimpleNamespace(title="[rec] 2", predictions={"event": 0.25}, reason="Because you saw [/red]")
    slate: Any = SimpleNamespace(user="[u]", user_known=False, items=[item], unknown_items=["[x]"])
    terminal.show_slate(slate, parse_project({}))
    text = output.export_text()
    for words in (
        "For user [u] (not in the data)",
        "[rec] 2",
        "25.0%",
        "Because you saw [/red]",
        "ignored: [x]",
    ):
        assert words in text


def test_labels_and_texts(output: Console) -> None:
    terminal.print_text("a [bold] claim")
    terminal.print_labelled("leak", "column [score]", "red")
    assert output.export_text() == "a [bold] claim\nleak: column [score]\n"


def test_json_is_written_into_a_new_folder(tmp_path: Path) -> None:
    terminal.write_json(None, {})
    terminal.write_json(tmp_path / "new" / "a.json", {"path": tmp_path})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"path": str(tmp_path)}


def test_a_missing_store_is_not_created(tmp_path: Path) -> None:
    target = tmp_path / "none.sqlite"
    with pytest.raises(ShortlistError, match="no such file; write it"):
        terminal.existing_store(str(target), "store", "write it")
    assert not target.exists()


def test_times() -> None:
    assert terminal.format_time(None) == ""
    assert terminal.format_time(1_700_000_000_000) == "2023-11-14 22:13"


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("0.0.0.0", False), ("example.com", False)],
)
def test_loopback_addresses(host: str, local: bool) -> None:
    assert is_loopback(host) is local

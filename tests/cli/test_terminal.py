"""Terminal output: texts from data are shown as they are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shortlist.cli import inspect as inspect_command
from shortlist.cli import terminal
from shortlist.cli.serve import is_loopback
from shortlist.config.project import parse_project
from shortlist.errors import ShortlistError
from shortlist.evaluate import terminal as tables
from shortlist.evaluate.audit import report as audit_report
from shortlist.metrics.significance import Estimate


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(record=True, width=200)
    monkeypatch.setattr(terminal, "console", console)
    return console


def test_titles_in_brackets_are_shown(output: Console) -> None:
    item = SimpleNamespace(title="[rec] 2", predictions={"event": 0.25}, reason="Because you saw [/red]")
    slate: Any = SimpleNamespace(user="[u]", user_known=False, items=[item], warnings=["no item [x]"])
    terminal.show_slate(slate, parse_project({}))
    text = output.export_text()
    for words in (
        "For user [u] (not in the data)",
        "[rec] 2",
        "25.0%",
        "Because you saw [/red]",
        "warning: no item [x]",
    ):
        assert words in text


def test_labels_and_texts(output: Console) -> None:
    terminal.print_text("a [bold] claim")
    terminal.print_labelled("leak", "column [score]", "red")
    assert output.export_text() == "a [bold] claim\nleak: column [score]\n"


HOSTILE = ("[/red]", "[bold]", "a [/]", "[link=x]y[/link]", ":smile:", "[fe80::1]", "ends with \\")


@pytest.mark.parametrize("text", HOSTILE)
def test_every_way_to_print_shows_texts_as_they_are(text: str) -> None:
    console = terminal.TextConsole()
    console.width = 200
    with console.capture() as capture:
        console.print(text)
        console.print(terminal.make_table(text, (text, "other"), [(text, "x")], right=(text,)))
        terminal.print_labelled(text, text, "red", to=console)
        console.print(_evaluation(text))
        for part in tables.retriever_tables(_retriever_report(text), text):
            console.print(part)
        for table in audit_report.text_tables(_audit(text)):
            console.print(table)
    assert capture.get().count(text) == 18


@given(st.text())
def test_control_characters_are_not_printed(text: str) -> None:
    console = terminal.TextConsole()
    with console.capture() as capture:
        terminal.print_labelled("title", text, to=console)
        console.print(terminal.make_table("t", ("a",), [(text,)]))
    allowed = set("\n\t\r")
    assert not {c for c in capture.get() if (ord(c) < 32 or 127 <= ord(c) < 160) and c not in allowed}


@pytest.mark.parametrize(
    "text", ["\x1b]0;owned\x07title", "\x1b[31mred", "\x9b31mred", "\u202egnp.exe", "a\x00b", "\rgone"]
)
def test_a_title_cannot_command_the_terminal(text: str) -> None:
    console = terminal.TextConsole()
    with console.capture() as capture:
        terminal.print_labelled("title", text, to=console)
        console.print(text)
    printed = capture.get()
    assert not set(printed) & set("\x1b\x07\x9b\u202e\x00\r")
    assert text[-2:].strip("\x00") in printed


def _evaluation(name: str) -> Any:
    values = {"ndcg@10": Estimate(0.5, 0.4, 0.6), "recall@10": Estimate(0.5, 0.4, 0.6)}
    facts = {"people": 3, "test_from": name}
    report: Any = SimpleNamespace(
        name=name,
        simulated=False,
        facts=facts,
        k=10,
        subject=name,
        main_metric="ndcg@10",
        metrics={name: values},
    )
    return tables.evaluation_table(report)


def _retriever_report(name: str) -> Any:
    facts = dict.fromkeys(
        ("test_users_unknown_to_train", "test_items_unknown_to_train", "test_pairs_already_in_train"), 1
    )
    return SimpleNamespace(
        retriever=name,
        metrics={name: Estimate(0.5, 0.4, 0.6)},
        choice=SimpleNamespace(sentence=lambda: name),
        facts=facts,
        fit_seconds=1.0,
        recommend_seconds=1.0,
        one_history_ms=1.0,
        peak_memory_mb=1.0,
    )


def _audit(name: str) -> Any:
    known = {name: Estimate(0.5, 0.4, 0.6)}
    agreement = SimpleNamespace(
        metric=name,
        correlation=Estimate(0.5, 0.4, 0.6),
        pick=name,
        regret=0.1,
        expected_regret=0.1,
        is_significant=True,
    )
    return SimpleNamespace(
        name=name,
        simulated=False,
        agreements=[agreement],
        bad=[],
        truth=SimpleNamespace(description=name, known=lambda: known),
    )


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


def test_joint_objectives_share_one_column_of_importance() -> None:
    joint = {"click": {"a": 0.7, "b": 0.3}, "buy": {"a": 0.7, "b": 0.3}}
    assert inspect_command._joined(joint) == {"all objectives": joint["click"]}
    separate = {**joint, "buy": {"a": 0.2, "b": 0.8}}
    assert inspect_command._joined(separate) == separate
    alone = {"click": joint["click"]}
    assert inspect_command._joined(alone) == alone

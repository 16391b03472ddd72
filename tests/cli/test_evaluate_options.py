"""`shortlist evaluate`: every option has an effect, or is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import shortlist.cli.evaluate as command
from shortlist.cli.main import app
from shortlist.config.project import Project
from shortlist.errors import ShortlistError

TABLES = ("--train", "t.parquet", "--test", "e.parquet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--retriever", "als"), "--retriever needs --train"),
        (("--set", "factors=2"), "--set needs --train"),
        (("--items", "i.parquet"), "--items needs --recommendations"),
        (("--users", "u.parquet"), "--users needs --recommendations"),
        ((*TABLES, "--html", "x.html"), "--html needs a project or --recommendations"),
        ((*TABLES, "--protocol", "time"), "--protocol needs a project"),
        ((*TABLES, "--items", "i.parquet"), "--items needs --recommendations"),
        (("--recommendations", "a=a.csv", "--retriever", "als"), "--retriever needs --train"),
        (("--recommendations", "a=a.csv", "--set", "x=1"), "--set needs --train"),
        (("--recommendations", "a=a.csv", "--train", "t.parquet"), "--train needs --test"),
        (("--recommendations", "a=x.csv", "--recommendations", "a=y.csv"), "two tables have the name 'a'"),
        (("--train", "t.parquet"), "--train and --test go together"),
        (("--test", "e.parquet"), "--train and --test go together"),
        ((*TABLES, "--set", "factors"), "write name=value"),
        (("--master", "local[1]"), "--master belongs to --engine spark"),
        ((*TABLES, "--engine", "spark"), "--train works on one machine"),
    ],
)
def test_an_option_without_effect_is_refused(arguments: tuple[str, ...], message: str) -> None:
    failed = CliRunner().invoke(app, ["evaluate", *arguments])
    assert failed.exit_code != 0
    assert isinstance(failed.exception, ShortlistError)
    assert message in failed.exception.message
    assert f"--{failed.exception.field}" in {*arguments, "--test"}


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Project]:
    """The projects that an evaluation was started with."""
    projects: list[Project] = []
    monkeypatch.setattr(command, "read_dataset", lambda _project: SimpleNamespace(log=()))
    monkeypatch.setattr(command, "show_report", lambda *_: None)
    monkeypatch.setattr("shortlist.evaluate.protocol.evaluate", lambda project, *_: projects.append(project))
    return projects


@pytest.mark.parametrize(
    ("arguments", "k", "protocol"),
    [
        ((), 7, "rolling"),
        (("--k", "5"), 5, "rolling"),
        (("--protocol", "leave_last"), 7, "leave_last"),
        (("--k", "50", "--protocol", "users"), 50, "users"),
    ],
)
def test_options_override_the_project(
    tmp_path: Path, evaluated: list[Project], arguments: tuple[str, ...], k: int, protocol: str
) -> None:
    (tmp_path / "shortlist.toml").write_text("[evaluate]\nk = 7\nprotocol = 'rolling'\n")
    done = CliRunner().invoke(app, ["evaluate", "-p", str(tmp_path), *arguments])
    assert done.exit_code == 0, done.exception
    assert (evaluated[0].evaluate.k, evaluated[0].evaluate.protocol) == (k, protocol)


def test_an_unknown_protocol_is_named(tmp_path: Path) -> None:
    (tmp_path / "shortlist.toml").write_text("")
    failed = CliRunner().invoke(app, ["evaluate", "-p", str(tmp_path), "--protocol", "roling"])
    assert isinstance(failed.exception, ShortlistError)
    assert "there is no protocol 'roling'; did you mean 'rolling'?" in failed.exception.message
    assert failed.exception.field == "evaluate.protocol"


@pytest.mark.parametrize(("arguments", "k"), [((), 20), (("--k", "3"), 3)])
def test_the_list_length_of_recommendations(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], k: int
) -> None:
    lengths: list[Any] = []
    monkeypatch.setattr(command, "show_report", lambda *_: None)
    monkeypatch.setattr(
        "shortlist.evaluate.external.evaluate_recommendations",
        lambda *_, k, **__: lengths.append(k),
    )
    given = ["evaluate", "--recommendations", "a.csv", "--test", "e.parquet", *arguments]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.exception
    assert lengths == [k]

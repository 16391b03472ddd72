"""`shortlist check`: a wrong setting of any section is reported with file, line, name and suggestion."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app, main
from shortlist.errors import ProjectError

PROJECT = """\
[data]
events = "events.csv"

[data.columns]
user = "user"
item = "item"
timestamp = "time"

[[features]]
name = "popularity"
kind = "count"
by = "item"
event = "event"
window = "7d"

[[retrieve.sources]]
model = "als"
factors = 64

[[retrieve.sources]]
model = "popular"

[rank]
trees = 20

[rerank]
diversity = 0.1

[[rerank.rules]]
name = "few"
when = { items = { any = ["i1"] } }
action = "bury"

[placements.home]
diversity = 0.2

[experiments.variety]
metric = "event"

[experiments.variety.arms.present]

[experiments.variety.arms.varied]
share = 0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "events.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "time"])
        writer.writerows([f"u{n % 20}", f"i{n % 7}", 1_700_000_000 + 1_000 * n] for n in range(200))
    (tmp_path / "shortlist.toml").write_text(PROJECT)
    return tmp_path


def test_a_correct_project_passes(folder: Path) -> None:
    done = CliRunner().invoke(app, ["check", "-p", str(folder)])
    assert done.exit_code == 0, done.exception


@pytest.mark.parametrize(
    ("before", "after", "field", "words"),
    [
        ("factors = 64", "factros = 64", "retrieve.sources.0.factros", "did you mean 'factors'?"),
        ("factors = 64", "factors = 0", "retrieve.sources.0.factors", "greater than or equal to"),
        ('model = "popular"', 'model = "populr"', "retrieve.sources.1.model", "did you mean 'popular'?"),
        ('window = "7d"', 'widnow = "7d"', "features.0.widnow", "did you mean 'window'?"),
        ('kind = "count"', 'kind = "cuont"', "features.0.kind", "did you mean 'count'?"),
        ('event = "event"', 'event = "evnt"', "features.0.event", "no event is of kind 'evnt'"),
        ("trees = 20", "tress = 20", "rank.tress", "did you mean 'trees'?"),
        ("trees = 20", 'model = "gbtd"', "rank.model", "did you mean 'gbdt'?"),
        ("diversity = 0.1", "diverstiy = 0.1", "rerank.diverstiy", "did you mean 'diversity'?"),
        ('action = "bury"', 'acton = "bury"', "rerank.rules.0.acton", "did you mean 'action'?"),
        ('action = "bury"', 'action = "burry"', "rerank.rules.0.action", "did you mean 'bury'?"),
        ("diversity = 0.2", "divesity = 0.2", "placements.home.divesity", "did you mean 'diversity'?"),
        ("share = 0.5", "shar = 0.5", "experiments.variety.arms.varied.shar", "did you mean 'share'?"),
        ('metric = "event"', 'metric = "evnt"', "experiments.variety.metric", "did you mean 'event'?"),
    ],
)
def test_a_wrong_setting_is_reported(folder: Path, before: str, after: str, field: str, words: str) -> None:
    text = PROJECT.replace(before, after)
    (folder / "shortlist.toml").write_text(text)
    line = text[: text.index(after)].count("\n") + 1
    failed = CliRunner().invoke(app, ["check", "-p", str(folder)])
    assert failed.exit_code != 0
    assert isinstance(failed.exception, ProjectError)
    assert failed.exception.field == field
    assert f"shortlist.toml, line {line}: " in failed.exception.message
    assert words in failed.exception.message


@pytest.mark.parametrize("command", ["check", "train", "evaluate"])
@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("factors", "factros", "retrieve.sources.0.factros"),
        ('window = "7d"', 'window = "7 days"', "features.0.window"),
    ],
)
def test_settings_are_checked_before_the_tables_are_read(
    folder: Path, command: str, before: str, after: str, field: str
) -> None:
    (folder / "events.csv").unlink()
    (folder / "shortlist.toml").write_text(PROJECT.replace(before, after))
    failed = CliRunner().invoke(app, [command, "-p", str(folder)])
    assert isinstance(failed.exception, ProjectError)
    assert failed.exception.field == field
    assert "shortlist.toml, line " in failed.exception.message


def test_an_error_is_a_sentence_with_exit_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shortlist.toml").write_text("[rerank]\ndiversity_by = 'genre'\n")
    monkeypatch.setattr("sys.argv", ["shortlist", "check", "-p", str(folder)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    text = " ".join(capsys.readouterr().err.split())
    assert text.startswith("error: ")
    assert "shortlist.toml, line 2: rerank.diversity_by: 'genre'" in text
    assert "[items.attributes] has: none" in text  # brackets are not markup

"""`init` from a terminal: options for columns, questions, files in other encodings, and a SQL file per table."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError
from support.cli import run

ROWS = [(f"c{k % 17}", f"p{k % 11}", f"2025-03-{k % 28 + 1:02}", f"m{k % 13}") for k in range(80)]


def write(path: Path, head: str = "customer_id,sku,day,member_id", encoding: str = "utf-8") -> None:
    path.write_text("\n".join([head, *(",".join(row) for row in ROWS)]), encoding=encoding)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "e.csv")
    said = run("init", "e.csv", "--user", "membr_id", cwd=tmp_path, ok=False, child=False)
    assert "--user: the events have no column 'membr_id'; did you mean 'member_id'?" in said
    run("init", "e.csv", "--user", "member_id", "--time", "day", cwd=tmp_path, child=False)
    text = (tmp_path / "shortlist.toml").read_text()
    assert 'user = "member_id"' in text
    assert "# member_id is the user, as given." in text


def test_on_a_terminal_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "e.csv")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("membr\nmember_id\n"))
    said = run("init", "e.csv", cwd=tmp_path, child=False)
    assert "Which column is the user?" in said
    assert "There is no column 'membr'." in said
    assert read_project(tmp_path).data.columns.user == "member_id"
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    said = run("init", "e.csv", "--yes", "--force", cwd=tmp_path, child=False)
    assert "Nothing was asked" in said
    assert read_project(tmp_path).data.columns.user == "customer_id"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_files_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "e.csv", "Kundennummer,Größe,Datum,x", encoding)
    run("init", "e.csv", "--item", "Größe", cwd=tmp_path, child=False)
    project = read_project(tmp_path)
    assert project.data.encoding == encoding
    dataset = Dataset.from_project(project)
    assert dataset.check.kept == 80
    assert f"e.csv: read as {encoding}" in " ".join(dataset.check.notes)


def test_an_encoding_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "e.csv", "Kundennummer,Größe,Datum,x", "cp1252")
    (tmp_path / "shortlist.toml").write_text(
        '[data]\nevents = "e.csv"\nencoding = "klingon"\n[data.columns]\nuser = "x"\nitem = "Datum"\n'
    )
    with pytest.raises(DataError, match="'klingon' is no encoding"):
        Dataset.from_project(read_project(tmp_path))


def test_a_sql_file_for_each_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "project"
    data.mkdir()
    write(data / "lines.csv")
    (data / "events.sql").write_text(
        "-- orders\nSELECT customer_id, sku, strptime(day, '%Y-%m-%d') AS day, 'purchase' AS kind FROM read_csv('lines.csv', all_varchar = true);\n"
    )
    (data / "items.sql").write_text(
        "SELECT DISTINCT sku, 'Item ' || sku AS title FROM read_csv('lines.csv', all_varchar = true)"
    )
    run("init", "events.sql", "--items", "items.sql", cwd=data, child=False)
    project = read_project(data)
    assert (project.data.columns.kind, project.items and project.items.title) == ("kind", "title")
    monkeypatch.chdir(tmp_path)  # names in the file are relative to its folder, wherever the command runs
    assert repr(Dataset.from_project(project)) == "Dataset(17 users, 11 items, 80 events)"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("COPY (SELECT 1) TO 'x.csv'", "one SELECT statement"),
        ("SELECT 1; SELECT 2", "one SELECT statement"),
        ("SELECT * FROM read_csv('/etc/hostname')", "the project's folder"),
        ("SELECT FROM WHERE", "events.sql: DuckDB cannot read it"),
    ],
)
def test_a_sql_file_is_confined(tmp_path: Path, query: str, message: str) -> None:
    (tmp_path / "events.sql").write_text(query)
    said = run("init", "events.sql", cwd=tmp_path, ok=False, child=False)
    assert message in said
    assert not (tmp_path / "x.csv").exists()

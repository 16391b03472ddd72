"""Queries of project files read one table, and nothing but the project's files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from shortlist.engines.confined import FOLDERS_VARIABLE, QueryFiles
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError

EVENTS = "user_id,item_id\nu1,i1\nu2,i2\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which is the working directory; beside it, a folder with somebody's secret."""
    folder = tmp_path / "project"
    (folder / "parts").mkdir(parents=True)
    (folder / "events.csv").write_text(EVENTS)
    (folder / "parts" / "a.csv").write_text(EVENTS)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret.csv").write_text("user_id,item_id\nme,password\n")
    monkeypatch.chdir(folder)
    return folder


def read(query: str, folder: Path, database: str | None = None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = read_table(query, database, QueryFiles(folder)).to_pylist()
    return rows


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM 'events.csv'",
        "FROM 'events.csv'",
        "WITH e AS (FROM 'parts/*.csv') SELECT * FROM e;",
        "SELECT * FROM read_csv('{folder}/events.csv')",
    ],
)
def test_files_of_the_project_are_read(project: Path, query: str) -> None:
    assert read(query.format(folder=project), project) == [
        {"user_id": "u1", "item_id": "i1"},
        {"user_id": "u2", "item_id": "i2"},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM '{outside}/secret.csv'",
        "SELECT * FROM read_text('{outside}/secret.csv')",
        "SELECT * FROM read_blob('../home/secret.csv')",
        "SELECT * FROM read_csv('{folder}/../home/secret.csv')",
        "SELECT * FROM glob('{outside}/*')",
        "SELECT * FROM 'link.csv'",
        "SELECT * FROM read_csv('file://{outside}/secret.csv')",
        "SELECT * FROM read_csv('https://example.com/secret.csv')",
        "SELECT (SELECT max(content) FROM read_text('{outside}/secret.csv')) AS user_id, 1 AS item_id",
        "SELECT * FROM sqlite_scan('{outside}/secret.db', 't')",
    ],
)
def test_other_files_are_refused(project: Path, query: str) -> None:
    outside = project.parent / "home"
    (project / "link.csv").symlink_to(outside / "secret.csv")
    with pytest.raises(DataError, match=f"reads files of the project's folder.*{FOLDERS_VARIABLE}"):
        read(query.format(folder=project, outside=outside), project)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; COPY (SELECT 42) TO '{folder}/written.csv'; SELECT 1 AS user_id, 2 AS item_id",
        "SELECT 1 AS user_id; ATTACH '{folder}/written.csv'",
        "SELECT 1; SET memory_limit = '1GB'",
        "SELECT 1; INSTALL httpfs",
        "WITH e AS (SELECT 1) INSERT INTO t SELECT * FROM e",
        "FROM t SELECT 1; PRAGMA version",
    ],
)
def test_a_query_is_one_select(project: Path, statement: str) -> None:
    with pytest.raises(DataError, match=r"one SELECT statement, and this is \d \("):
        read(statement.format(folder=project), project)
    with pytest.raises(DataError, match="one SELECT statement"):  # also where a person typed it
        read_table(statement.format(folder=project))
    assert not (project / "written.csv").exists()


@pytest.mark.parametrize(
    "statement", ["COPY (SELECT 42) TO 'written.csv'", "PRAGMA version", "ATTACH 'written.csv'", "INSTALL x"]
)
def test_another_statement_is_no_query(project: Path, statement: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(statement, project)
    assert not (project / "written.csv").exists()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/log''')",
        "SELECT * FROM project",  # a variable of the calling Python code
    ],
)
def test_functions_cannot_change_anything(project: Path, query: str) -> None:
    with pytest.raises(DataError):
        read(query.format(folder=project), project)
    assert not (project / "log").exists()


def test_views_and_macros_of_a_database_are_confined(project: Path) -> None:
    with duckdb.connect("stranger.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        connection.execute("CREATE VIEW v AS SELECT * FROM read_text('../home/secret.csv')")
        connection.execute("CREATE MACRO m() AS TABLE SELECT * FROM read_text('../home/secret.csv')")
    assert read("t", project, "stranger.duckdb") == [{"a": 1}]
    assert read("SELECT a + 1 AS a FROM t", project, "stranger.duckdb") == [{"a": 2}]
    for source in ("v", "SELECT * FROM v", "SELECT * FROM m()"):
        with pytest.raises(DataError, match="reads files of the project's folder"):
            read(source, project, "stranger.duckdb")


def test_a_pivot_needs_its_values(project: Path) -> None:
    assert read("SELECT * FROM (PIVOT (SELECT 1 AS a, 'k' AS b) ON b IN ('k'))", project) == [
        {"a": 1, "k": 1}
    ]
    with pytest.raises(DataError, match="list them"):
        read("SELECT * FROM (PIVOT (SELECT 1 AS a, 'k' AS b) ON b)", project)


def test_tables_that_the_project_names_can_be_queried(project: Path) -> None:
    outside = project.parent / "home" / "secret.csv"
    (project / "shortlist.toml").write_text(
        f'[data]\nevents = "{outside}"\nitems = "SELECT DISTINCT item_id FROM \'{outside}\'"\n[items]\nid = "item_id"\n'
    )
    assert Dataset.from_project(read_project(project)).items.ids.values.to_pylist() == ["password"]


def test_a_person_can_allow_more_folders(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = project.parent / "home"
    monkeypatch.setenv(FOLDERS_VARIABLE, str(outside))
    assert read(f"SELECT * FROM '{outside}/secret.csv'", project) == [
        {"user_id": "me", "item_id": "password"}
    ]


@pytest.mark.parametrize(
    "setting",
    ["events = {query}", "events = 'events.csv'\nitems = {query}", "events = 'events.csv'\nusers = {query}"],
)
def test_check_of_a_strangers_project_writes_nothing(project: Path, setting: str) -> None:
    query = "SELECT 1; COPY (SELECT 42) TO 'written.csv'; SELECT 1 AS user_id, 2 AS item_id"
    text = f'[data]\n{setting.format(query=chr(34) + query + chr(34))}\n[items]\nid = "item_id"\n[users]\nid = "user_id"\n'
    (project / "shortlist.toml").write_text(text)
    done = CliRunner().invoke(app, ["check", "-p", str(project)])
    assert isinstance(done.exception, DataError)
    assert not (project / "written.csv").exists()


def test_the_test_table_of_an_evaluation_is_confined(project: Path) -> None:
    (project / "shortlist.toml").write_text(
        '[data]\nevents = "events.csv"\n[evaluate]\nprotocol = "given"\n'
        "given = \"SELECT * FROM '../home/secret.csv'\"\n"
    )
    done = CliRunner().invoke(app, ["evaluate", "-p", str(project)])
    assert isinstance(done.exception, DataError)
    assert FOLDERS_VARIABLE in done.exception.message


def test_a_query_can_be_longer_than_the_name_of_a_file(project: Path) -> None:
    query = f"SELECT * FROM 'events.csv' WHERE item_id <> '{'x' * 300}'"
    done = CliRunner().invoke(app, ["init", query])
    assert done.exit_code == 0, done.output

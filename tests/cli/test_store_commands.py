"""`shortlist erase` and `shortlist keys`: mistyped stores, and tables whose other rows stay as they are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.errors import DataError, ShortlistError
from shortlist.store.event_store import EventStore

SLATES = '"user","rank","item","title"\r\n"007",1,"00012","a"\r\n"7",1,"00013","two\nlines, ""quoted"""\r\n8,1,1e5,c\r\n'


@pytest.mark.parametrize(
    "arguments", [["erase", "somebody"], ["keys", "list"], ["keys", "revoke", "front"]], ids=lambda a: a[0]
)
def test_a_store_that_does_not_exist_is_refused(arguments: list[str], tmp_path: Path) -> None:
    """Whoever mistypes the store does not read that a person was erased, and no file is made."""
    store = tmp_path / "typo.sqlite"
    done = CliRunner().invoke(app, [*arguments, "--store", str(store)])
    assert done.exit_code != 0
    assert isinstance(done.exception, ShortlistError)
    assert "no such file" in str(done.exception)
    assert not store.exists()


def test_a_key_can_be_made_before_the_first_start(tmp_path: Path) -> None:
    store = tmp_path / "new.sqlite"
    assert CliRunner().invoke(app, ["keys", "add", "front", "--store", str(store)]).exit_code == 0
    assert store.exists()


@pytest.mark.parametrize(
    ("user", "rest"),
    [
        ("007", '"user","rank","item","title"\r\n"7",1,"00013","two\nlines, ""quoted"""\r\n8,1,1e5,c\r\n'),
        ("7", '"user","rank","item","title"\r\n"007",1,"00012","a"\r\n8,1,1e5,c\r\n'),
        ("8", SLATES.removesuffix("8,1,1e5,c\r\n")),
        ("9", SLATES),
    ],
)
def test_erasing_leaves_the_other_rows_of_a_csv_as_they_are(user: str, rest: str, tmp_path: Path) -> None:
    EventStore(tmp_path / "e.sqlite").close()
    table = tmp_path / "slates.csv"
    table.write_bytes(SLATES.encode())
    done = CliRunner().invoke(
        app, ["erase", user, "--store", str(tmp_path / "e.sqlite"), "--export", str(table)]
    )
    assert done.exit_code == 0, done.exception
    assert table.read_bytes().decode() == rest


@pytest.mark.parametrize("column", ["user", "user_id"])
def test_erasing_keeps_visitors_of_a_parquet_table(column: str, tmp_path: Path) -> None:
    """A row without a user is nobody's: a comparison with an unknown value must not remove it."""
    EventStore(tmp_path / "e.sqlite").close()
    table = tmp_path / "slates.parquet"
    pq.write_table(pa.table({column: ["u1", None, "u2"], "item": [1, 2, 3]}), table)
    arguments = ["erase", "u1", "--store", str(tmp_path / "e.sqlite"), "--export", str(table)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert pq.read_table(table).to_pydict() == {column: [None, "u2"], "item": [2, 3]}


def test_a_table_without_users_is_refused(tmp_path: Path) -> None:
    EventStore(tmp_path / "e.sqlite").close()
    table = tmp_path / "slates.csv"
    table.write_text("person,item\n1,2\n")
    arguments = ["erase", "1", "--store", str(tmp_path / "e.sqlite"), "--export", str(table)]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, DataError)
    assert "no column user or user_id; there are: person, item" in done.exception.message
    assert table.read_text() == "person,item\n1,2\n"
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["slates.csv"]

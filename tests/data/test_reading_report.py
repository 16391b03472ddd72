"""Every column is used or named, and every row that is not used is counted: the report of `check`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.config.project import parse_project, read_project
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

ROWS = 30
EVENTS = {
    "user_id": [f"u{k % 5}" for k in range(ROWS)],
    "item_id": [f"i{k % 7}" for k in range(ROWS)],
    "timestamp": [1_750_000_000 + 600 * k for k in range(ROWS)],
}
IDS = [f"i{k}" for k in range(7)]


def events(**columns: object) -> pa.Table:
    return pa.table({**EVENTS, **columns})


def warnings(dataset: Dataset) -> list[tuple[str, str, int, str]]:
    return [(p.column, p.what, p.count, p.fix) for p in dataset.check.problems if p.level == "warning"]


@pytest.mark.parametrize(
    ("name", "values", "kept", "fix"),
    [
        ("propensity", [33.3, 0.5], 0.5, "Divide per cent by 100, with a query in data.events"),
        ("propensity", [0.0, 1.0], 1.0, "Correct the export"),
        ("propensity", [-0.1, 0.25], 0.25, "Correct the export"),
        ("propensity", [float("inf"), 0.25], 0.25, "Correct the export"),
        ("position", [40_000, 7], 7, "Correct the export"),
        ("position", [-5, 0], 0, "Correct the export"),
        ("position", [1.5, 2.0], 2, "Correct the export"),
    ],
)
def test_impossible_propensities_and_positions_are_unknown_and_named(
    name: str, values: list[float], kept: float, fix: str
) -> None:
    dataset = Dataset.from_frames(events(**{name: values * (ROWS // 2)}))
    [(column, what, count, how)] = warnings(dataset)
    assert (column, count, how) == (name, ROWS // 2, fix)
    assert "taken for unknown" in what
    read = dataset.log.propensity if name == "propensity" else dataset.log.position
    unknown = read != read if name == "propensity" else read == -1
    assert unknown.tolist() == [True, False] * (ROWS // 2)
    assert read[1] == pytest.approx(kept)


def test_every_column_that_is_not_used_is_named() -> None:
    odd = {"seen": [{"a": [1]}] * ROWS, "blob": [b"x"] * ROWS, "empty": [None] * ROWS, "tags": [["a"]] * ROWS}
    notes = Dataset.from_frames(events(**odd), pa.table({"item_id": IDS, "of": [[1.0]] * 7})).check.notes
    assert (
        "events: the project does not use seen (of type struct<a: list<item: int64>>), blob (of type binary), empty (without any value), "
        "tags (of type list<item: string>)" in notes
    )
    assert "items: the project does not use of (of type list<item: double>)" in notes
    assert "guessed: Not used: empty (without any value)." in notes


def test_values_that_an_attribute_cannot_hold_are_named() -> None:
    items = pa.table(
        {
            "item_id": IDS,
            "price": [1.0, float("inf"), 1e300, None, float("nan"), 2.0, 3.0],
            "released": ["2025-04-01", "soon", "", None, "2025-04-02", "2025-04-03", "2025-04-04"],
            "vector": [[1.0, 2.0], [], None, [float("nan"), 1.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
        }
    )
    found = {
        column: (what, count) for column, what, count, _ in warnings(Dataset.from_frames(EVENTS_TABLE, items))
    }
    assert found == {
        "price": ("the value cannot be read as number, and is unknown", 2),
        "released": ("the value cannot be read as time, and is unknown", 1),
        # an empty list is an unknown vector, like null; one that holds NaN is a fault
        "vector": ("the value cannot be read as embedding, and is unknown", 1),
    }


EVENTS_TABLE = events()


def test_titles_must_be_texts() -> None:
    with pytest.raises(
        DataError, match=r"items: title: a column of type list.* cannot hold titles \(e\.g\. \['a'\]"
    ):
        Dataset.from_frames(EVENTS_TABLE, pa.table({"item_id": IDS, "title": [["a"]] * 7}))


def test_ids_of_items_are_checked_as_those_of_events_are() -> None:
    items = pa.table({"item_id": [*IDS, "NULL", None, "", "x" * 600, "i1"]})
    problems = {p.what: p.count for p in Dataset.from_frames(EVENTS_TABLE, items).check.problems}
    assert problems == {
        "the text says that there is no id": 1,
        "the id is missing": 1,
        "the id is an empty text": 1,
        "a text id has at most 512 characters and no NUL character": 1,
        "an earlier row has the same id; the first row was kept": 1,
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[bool, str]:
    """Whether a command succeeds, and what it says."""
    result = CliRunner().invoke(app, list(arguments))
    error = "" if result.exception is None else str(result.exception)
    return result.exit_code == 0, " ".join(f"{result.output} {error}".split())


def write(path: Path, times: list[str], more: str = "") -> None:
    rows = [f"u{k % 5},i{k % 7},{time}" for k, time in enumerate(times)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n" + more)


def test_the_report_of_a_file_says_how_times_and_lines_were_read(folder: Path) -> None:
    write(folder / "e.csv", [f"202504{k + 1:02}" for k in range(ROWS)], "(30 rows)\n")
    done, said = run("init", "e.csv")
    assert done
    assert "set aside: e.csv: lines: the line cannot be read (1 row)" in said
    done, said = run("check")
    assert done
    assert (
        "e.csv: lines: the line cannot be read (1 row); for example line 32: 1 value where there are 3 columns"
        in said
    )
    assert "times read as dates written as numbers, without a zone as UTC: 2025-04-01 to 2025-04-30" in said
    assert "31 events read, 30 kept, 1 set aside (1 on unreadable lines)" in said


def test_the_reasons_are_shown_where_no_event_is_left(folder: Path) -> None:
    write(folder / "e.csv", ["Sun 15 Jun 2025 15:06:40 GMT"] * ROWS)
    assert run("init", "e.csv")[0]
    done, said = run("check")
    assert not done
    assert (
        "no usable event is left (30 rows). Rows are set aside: e.csv: timestamp: not a time (30 rows)"
        in said
    )
    assert "row 1: user_id=u0, item_id=i0, timestamp=Sun 15 Jun 2025 15:06:40 GMT" in said
    with pytest.raises(DataError, match="not a time"):
        Dataset.from_frames(events().set_column(2, "timestamp", pa.array(["soon"] * ROWS)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("user_id item_id timestamp\nu1 i1 1750000000\n", "one column only: separate the values"),
        ("1,2,1750000000\n3,4,1750000001\n", "The first line of a text file must hold the names"),
        ("user_id,item_id,timestamp\n", "The table has no rows"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_init_or_check(folder: Path, content: str, words: str) -> None:
    (folder / "e.csv").write_text(content)
    done, said = run("init", "e.csv")
    if done:
        done, said = run("check")
    assert not done
    assert words in said


def test_values_with_a_few_typing_errors_stay_the_value_and_are_named(folder: Path) -> None:
    rows = [f"u{k % 5},i{k % 7},{1_750_000_000 + k},{'five' if k == 9 else k % 5 + 1}" for k in range(ROWS)]
    (folder / "e.csv").write_text("\n".join(["user_id,item_id,timestamp,rating", *rows]))
    assert run("init", "e.csv")[0]
    done, said = run("check")
    assert not done
    assert "e.csv: rating: the value is no number (1 row); for example row 10: rating=five" in said


@pytest.mark.parametrize(
    "role", ["kind", "event_id", "slate", "position", "propensity", "timestamp", "rating"]
)
@pytest.mark.parametrize("values", [[{"a": 1}], [["a"]], [b"\xff"]], ids=["struct", "list", "binary"])
def test_a_column_with_a_role_and_an_odd_type_is_an_error_of_ours_or_named(
    role: str, values: list[object]
) -> None:
    table = pa.table({**EVENTS, role: values * ROWS})
    said = []
    try:
        said = Dataset.from_frames(table).check.notes
    except DataError as error:
        said = [error.message]
    assert any(role in line for line in said)


def test_a_column_of_kinds_without_any_value_is_not_used() -> None:
    notes = Dataset.from_frames(events(kind=pa.nulls(ROWS))).check.notes
    assert "events: the project does not use kind (without any value)" in notes


def test_kinds_that_say_that_there_is_none_are_missing() -> None:
    kinds = ["play", "play", "NULL", "\\N", "", None] * (ROWS // 6)
    dataset = Dataset.from_frames(events(kind=kinds))
    assert {dataset.log.kinds[code] for code in dataset.log.kind} == {"play"}
    assert dataset.check.set_aside == {"without kind": ROWS * 4 // 6}


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([timedelta(seconds=5)] * ROWS), "of type duration[us], which cannot be read as numbers"),
        (pa.array([f"about {k}" for k in range(ROWS)]), "texts that cannot be read as numbers"),
    ],
    ids=["duration", "texts"],
)
def test_a_value_that_is_no_number_is_left_out_with_the_reason(column: pa.Array, reason: str) -> None:
    notes = Dataset.from_frames(events(watch_time=column)).check.notes
    assert f"guessed: Not used: watch_time ({reason})." in notes
    assert any(note.startswith("events: the project does not use watch_time") for note in notes)


def test_the_numbers_of_the_rows_and_a_column_without_a_name_are_no_context(folder: Path) -> None:
    rows = [f"{k},u{k % 5},i{k % 7},{1_750_000_000 + k},{k * 7 % 24}" for k in range(100)]
    (folder / "e.csv").write_text("\n".join([",user_id,item_id,timestamp,hour", *rows]))
    assert run("init", "e.csv")[0]
    assert "column0" not in read_project(folder / "shortlist.toml").data.context
    said = run("check")[1]
    assert "e.csv: columns without a name in line 1 are called column0" in said
    assert "e.csv: the project does not use column0" in said


def test_how_attributes_are_read_is_said() -> None:
    days = {
        "released": [f"{k + 10}/04/2025" for k in range(7)],
        "added": [f"0{k + 1}/04/2025" for k in range(7)],
    }
    items = pa.table({"item_id": IDS, "price": [f"{k},5" for k in range(7)], **days})
    dataset = Dataset.from_frames(EVENTS_TABLE, items)
    assert dataset.items.attributes["price"].show(1) == 1.5
    assert dataset.items.attributes["released"].show(0) == "2025-04-10"
    assert {
        "items: price: read as decimal commas",
        "items: released: read as dates with the day first, without a zone as UTC: 2025-04-10 to 2025-04-16",
    } <= set(dataset.check.notes)
    [(column, what, count, _)] = warnings(dataset)
    assert (column, count) == ("added", 7)
    assert "no date says whether the day or the month comes first" in what


def test_times_of_attributes_that_are_unlikely_are_warned_of() -> None:
    items = pa.table({"item_id": IDS, "released": [45_000 + k for k in range(7)]})
    dataset = Dataset.from_frames(events(), items)
    assert "items: released: read as seconds: 1970-01-01 to 1970-01-01" in dataset.check.notes
    [(column, what, _, _)] = warnings(dataset)
    assert (column, "the day numbers of a spreadsheet" in what) == ("released", True)


def test_rows_of_items_that_are_not_used_are_named() -> None:
    items = pa.table({"item_id": [None, *IDS, "i3", ""], "genre": ["a", "b"] * 5})
    found = {
        problem.what: problem.examples for problem in Dataset.from_frames(events(), items).check.problems
    }
    assert found == {
        "the id is missing": ["row 1"],
        "an earlier row has the same id; the first row was kept": ["row 9: i3"],
        "the id is an empty text": ["row 10"],
    }


def test_rows_of_context_have_the_numbers_of_the_file() -> None:
    times = [1_750_000_000 - 600 * k for k in range(ROWS)]
    project = parse_project(
        {
            "data": {
                "columns": {"user": "user_id", "item": "item_id", "timestamp": "timestamp"},
                "context": {"n": "number"},
            }
        }
    )
    values = ["x", *["1"] * (ROWS - 1)]
    dataset = Dataset.from_frames(events(timestamp=times, n=values), project=project)
    assert [problem.examples for problem in dataset.check.problems] == [["row 1: x"]]


def test_empty_event_ids_and_slates_are_missing() -> None:
    keys = ["", "NULL", " k "] + [f"k{k}" for k in range(ROWS - 3)]
    check = (
        dataset := Dataset.from_frames(events(event_id=keys * 1, slate_id=["", *["s"] * (ROWS - 1)]))
    ).check
    assert (check.kept, dataset.log.slate.tolist().count(-1)) == (ROWS, 1)
    assert "events: event_id: 1 texts are no keys, such as NULL, and are taken for missing" in check.notes
    assert any("event_id: blanks around 1 ids are left out" in note for note in check.notes)


def test_a_long_value_is_cut_in_the_report() -> None:
    [problem] = Dataset.from_frames(events(user_id=["x" * 600, *["u1"] * (ROWS - 1)])).check.problems
    assert len(str(problem)) < 400

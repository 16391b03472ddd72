"""Files that arrive in a folder: each once, in pieces, and never half-written or changed ones."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist.ingest.folder as module
from shortlist.config.project import Project, parse_project
from shortlist.errors import DataError
from shortlist.ingest.folder import FolderSource
from shortlist.ingest.rules import EventRules
from shortlist.ingest.stream import IngestTotals, ingest
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.intake import IntakeResult, SourceBatch
from support.cli import run
from support.sizes import size
from support.waiting import wait_for

NEVER = threading.Event()
OLD = time.time() - 3_600


def write(folder: Path, name: str, text: str, later: float = 0) -> Path:
    """Write a file that looks an hour old, so that nobody waits for it to be finished."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (OLD + later, OLD + later))
    return path


def rows(start: int, end: int) -> str:
    """Lines of a CSV file with the events `start` to `end`."""
    return "user_id,item_id,kind,timestamp\n" + "".join(
        f"u{n},{n},play,{1_700_000_000 + n}\n" for n in range(start, end)
    )


def take(folder: Path, store: EventStore, project: Project | None = None, **options: Any) -> IngestTotals:
    return ingest(FolderSource(str(folder), EventRules(), project, once=True, **options), store, NEVER)


def items(store: EventStore) -> list[Any]:
    return [event.item for event in store.events()]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = EventStore(tmp_path / "events.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


def test_files_of_every_kind_are_read_once(folder: Path, store_target: str) -> None:
    store = EventStore(store_target)
    write(folder, "day=1/a.csv", rows(0, 3))
    lines = [
        {
            "user": "u3",
            "item": 3,
            "kind": "play",
            "timestamp": 1_700_000_003_000,
            "context": {"device": "tv"},
        },
        {
            "user": "u4",
            "item": 4,
            "kind": "rate",
            "timestamp": 1_700_000_004_000,
            "value": 4.5,
            "event_id": "own",
        },
    ]
    write(folder, "b.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    table = pa.table(
        {
            "user": ["u5"],
            "item": [5],
            "kind": ["play"],
            "timestamp": pa.array([1_700_000_005_000], pa.timestamp("ms")),
            "context": [{"device": "phone", "hour": 7}],
            "slate_id": ["s5"],
        }
    )
    pq.write_table(table, folder / "c.parquet")
    os.utime(folder / "c.parquet", (OLD, OLD))
    for hidden in ("_SUCCESS", ".d.csv", "e.csv.tmp", "_delta/f.csv", "notes.md"):
        write(folder, hidden, rows(90, 99))
    assert take(folder, store).stored == 6
    found = {event.item: event for event in store.events()}
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    assert [found[n].time for n in range(6)] == [1_700_000_000_000 + 1_000 * n for n in range(6)]
    assert (found[3].context, found[4].value, found[4].event_id) == ({"device": "tv"}, 4.5, "own")
    assert (found[5].context, found[5].slate) == ({"device": "phone", "hour": 7}, "s5")
    again = take(folder, store)
    assert (again.stored, again.repeated, again.passed) == (0, 0, 0)
    write(folder, "g.csv", rows(6, 8))
    assert take(folder, store).stored == 2
    store.close()


def test_rows_that_are_no_events_are_kept_with_their_reasons(folder: Path, store: EventStore) -> None:
    text = (
        rows(0, 2)
        + "u5,,play,1700000005\nu6,6,,1700000006\nu7,7,play,soon\n,8,play,1700000008\nu9,9,play,9999999999\n"
    )
    write(folder, "a.csv", text)
    totals = take(folder, store)
    assert (totals.stored, totals.rejected) == (2, 5)
    kept = {(record.field, record.user): record for _, _, record in store.rejected_since(0)}
    assert {field for field, _ in kept} == {"item_id", "kind", "timestamp", "user_id"}
    missing = kept["item_id", "u5"]
    assert missing.reason == "row 3: item_id: the id is missing"
    assert json.loads(missing.body)["timestamp"] == 1700000005 or "1700000005" in missing.body
    assert "more than a day ahead" in kept["timestamp", "u9"].reason
    assert totals.reasons["item_id: the id is missing"] == 1
    assert take(folder, store).rejected == 0


def test_a_project_names_the_columns_and_makes_events_of_rows(folder: Path, store: EventStore) -> None:
    text = "customer;sku;on;clicked;seconds;shop\n7;A1;31/12/2023 20:00;1;40;north\n007;A2;30/12/2023 20:00;0;50;north\n"
    write(folder, "a.csv", text)
    data = {
        "columns": {"user": "customer", "item": "sku", "timestamp": "on"},
        "time_format": "%d/%m/%Y %H:%M",
        "context": {"shop": "category"},
        "derive": [
            {"kind": "click", "when": "clicked"},
            {"kind": "watch", "when": "seconds", "value": "seconds"},
        ],
    }
    project = parse_project({"data": data})
    assert take(folder, store, project).stored == 3
    found = sorted((event.user, event.item, event.kind, event.value) for event in store.events())
    assert found == [("007", "A2", "watch", 50.0), ("7", "A1", "click", None), ("7", "A1", "watch", 40.0)]
    assert {event.context["shop"] for event in store.events()} == {"north"}


def test_a_growing_file_is_waited_for(folder: Path, tmp_path: Path) -> None:
    """The writer pauses for less than the time that a file has to be still."""
    store, stop = EventStore(tmp_path / "e.sqlite"), threading.Event()
    source = FolderSource(str(folder), EventRules(), settle=1.5)
    thread = threading.Thread(target=ingest, args=(source, store, stop))
    thread.start()
    with (folder / "a.csv").open("w") as file:
        for start in range(0, 60, 20):
            file.write(rows(start, start + 20) if start == 0 else rows(start, start + 20).partition("\n")[2])
            file.flush()
            time.sleep(0.4)
            assert EventStore(tmp_path / "e.sqlite").last_row() == 0
    wait_for(lambda: store.last_row() == 60, "the events of the file")
    stop.set()
    thread.join(20)
    assert sorted(items(store)) == list(range(60))
    store.close()


def test_a_changed_file_is_named_and_the_others_are_read(folder: Path, store: EventStore) -> None:
    path = write(folder, "a.csv", rows(0, 3))
    write(folder, "b.csv", rows(10, 12))
    take(folder, store)
    os.utime(path, (OLD + 5, OLD + 5))
    assert take(folder, store).faults == {}, "only the time has changed"
    write(folder, "a.csv", rows(0, 5))
    write(folder, "c.csv", rows(20, 22))
    totals = take(folder, store)
    assert totals.stored == 2
    assert "a.csv was read, and has changed since" in totals.faults["a.csv"]
    write(folder, "a.csv", rows(0, 3).replace("u1", "u2"), later=9)
    assert "a.csv" in take(folder, store).faults, "the size is the same, and the content is not"
    assert sorted(items(store)) == [0, 1, 2, 10, 11, 20, 21]


def test_a_copy_of_a_file_is_not_read_again(folder: Path, store: EventStore) -> None:
    """An erased user would come back with it."""
    write(folder, "a.csv", rows(0, 3))
    take(folder, store)
    store.erase("u1", 1, "test")
    write(folder, "copy.csv", rows(0, 3))
    assert take(folder, store).stored == 0
    assert items(store) == [0, 2]


def test_an_unreadable_file_is_named_and_read_when_it_is_replaced(folder: Path, store: EventStore) -> None:
    write(folder, "a.parquet", "PAR1 half of a file")
    write(folder, "b.csv", rows(0, 2))
    write(folder, "c.csv", "who,what\n1,2\n")
    totals = take(folder, store)
    assert totals.stored == 2
    assert set(totals.faults) == {"a.parquet", "c.csv"}
    assert "there is no column user or user_id; there are: who, what" in totals.faults["c.csv"]
    write(folder, "c.csv", rows(5, 6))
    totals = take(folder, store)
    assert (totals.stored, set(totals.faults)) == (1, {"a.parquet"})


def test_events_that_the_model_does_not_know_are_rejected(
    folder: Path, store: EventStore, recommender: Recommender
) -> None:
    known, kind = recommender.dataset.items.ids.id(0), recommender.dataset.log.kinds[0]
    now = recommender.now() // 1000 - 5
    write(
        folder,
        "a.csv",
        f"user,item,kind,timestamp\nu1,{known},{kind},{now}\nu1,nothing,{kind},{now}\nu1,{known},sang,{now}\n",
    )
    rules = EventRules(recommender.state.check_event, recommender.state.clock)
    totals = ingest(FolderSource(str(folder), rules, once=True), store, NEVER)
    assert (totals.stored, totals.rejected) == (1, 2)
    assert {record.field for _, _, record in store.rejected_since(0)} == {"item", "kind"}


class Killed(BaseException):
    """Ends a run as a crash would."""


class DyingStore(EventStore):
    """A store whose process dies before or after chosen transactions."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.deaths: list[tuple[int, bool]] = []
        self.count = 0

    def take_in(self, batch: SourceBatch, time: int) -> IntakeResult:
        """Write, and die where it is this transaction's turn."""
        at, after = self.deaths[0] if self.deaths else (-1, False)
        self.count += 1
        dies = self.count > at >= 0
        if dies and not after:
            self._die()
        result = super().take_in(batch, time)
        if dies:
            self._die()
        return result

    def _die(self) -> None:
        self.count = 0
        del self.deaths[0]
        raise Killed


@settings(max_examples=size(6, 60))
@given(
    sizes=st.lists(st.integers(0, 23), min_size=1, max_size=4),
    deaths=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4),
    piece=st.integers(1, 9),
)
def test_nothing_is_lost_and_nothing_twice_wherever_it_dies(
    sizes: list[int], deaths: list[tuple[int, bool]], piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("dying")
    first = 0
    for number, many in enumerate(sizes):
        # a row without a user; no two files have the same content, which would be read once
        bad = f",{1_000 + number},play,{1_700_000_000 + first}\n"
        write(folder / "in", f"{number}.csv", rows(first, first + many) + bad)
        first += many
    store = DyingStore(str(folder / "e.sqlite"))
    store.deaths = list(deaths)
    before = module.BATCH
    module.BATCH = piece
    try:
        for _ in range(len(deaths) + 1):
            try:
                take(folder / "in", store)
            except Killed:
                continue
            break
    finally:
        module.BATCH = before
    assert sorted(items(store)) == list(range(first))
    assert len(store.rejected_since(0)) == len(sizes)
    store.close()


def test_two_processes_on_one_folder_store_nothing_twice(
    folder: Path, store: EventStore, tmp_path: Path
) -> None:
    """Ids are made of the content here, so the number of passed records shows that the position was what stopped them."""
    write(folder, "a.csv", rows(0, 40))
    sources = [FolderSource(str(folder), EventRules(), once=True) for _ in range(2)]
    for source in sources:
        source.open(lambda: store.positions(sources[0].name))
    batches = [source.read() for source in sources]
    results = [store.take_in(batch, 1) for batch in batches if batch is not None]
    assert [(one.stored, one.repeated, one.passed) for one in results] == [(40, 0, 0), (0, 0, 40)]


def test_the_command(folder: Path, tmp_path: Path) -> None:
    write(folder, "a.csv", rows(0, 3) + "u9,,play,1700000009\n")
    out = run("ingest", "in", "--store", "e.sqlite", "--once", "--metrics-port", "0", cwd=tmp_path)
    assert "metrics at http://127.0.0.1:" in out
    assert "3 events stored, 1 rejected" in out
    assert "1 × item_id: the id is missing" in out
    write(folder, "a.csv", rows(0, 9))
    out = run("ingest", "in", "--store", "e.sqlite", "--once", cwd=tmp_path, ok=False)
    assert "a.csv was read, and has changed since" in out


def test_rejected_records_are_erased_and_shown_with_their_user(folder: Path, store_target: str) -> None:
    store = EventStore(store_target)
    write(folder, "a.csv", rows(0, 2) + "u1,,play,1700000009\nu2,,play,1700000009\n")
    take(folder, store)
    assert [record.field for record in store.of_user("u1")["rejected"]] == ["item_id"]
    assert store.erase("u1", 1, "test") == {"events": 1, "slates": 0, "attributes": 0, "rejected": 1}
    assert [record.user for _, _, record in store.rejected_since(0)] == ["u2"]
    store.close()


def test_a_value_that_the_database_refuses_is_rejected_alone(folder: Path, tmp_path: Path) -> None:
    """SQLite's integers have 64 bits; an event from a future version may hold another value."""
    from shortlist.store.intake import ReceivedRecord
    from shortlist.store.records import StoredEvent

    store = EventStore(tmp_path / "e.sqlite")
    events = [StoredEvent(f"e{n}", "u", n, "play", 2**70 if n == 1 else n) for n in range(3)]
    batch = SourceBatch("x", [ReceivedRecord("p", n, event) for n, event in enumerate(events)])
    result = store.take_in(batch, 1)
    assert (result.stored, result.rejected) == (2, 1)
    assert items(store) == [0, 2]
    [(_, _, record)] = store.rejected_since(0)
    assert "the database cannot store a value" in record.reason
    store.close()


def test_a_folder_that_is_missing(tmp_path: Path, store: EventStore) -> None:
    with pytest.raises(DataError, match="no such folder"):
        take(tmp_path / "nowhere", store)
    (tmp_path / "one.jsonl").write_text("")
    with pytest.raises(DataError, match="is a file; name the folder"):
        take(tmp_path / "one.jsonl", store)

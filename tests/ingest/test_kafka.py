"""Topics of Kafka into the store: each event once, whatever stops, and whoever else reads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import shortlist.ingest.kafka as module
from shortlist.errors import DataError
from shortlist.ingest.kafka import KafkaSettings, KafkaSource
from shortlist.ingest.rules import EventRules
from shortlist.ingest.stream import IngestTotals, ingest
from shortlist.ingest.telemetry import IngestMetrics
from shortlist.store.event_store import EventStore
from shortlist.store.intake import IntakeResult, SourceBatch, SourcePosition
from support.cli import run
from support.kafka import PARTITIONS, KafkaCluster
from support.waiting import wait_for

NEVER = threading.Event()


def body(number: int, **more: Any) -> dict[str, Any]:
    return {"user": f"u{number}", "item": number, "kind": "play", "timestamp": 1_700_000_000 + number, **more}


def source(kafka: KafkaCluster, topic: str, **settings: Any) -> KafkaSource:
    """The topic, read to its end by a group of its own: members that died are waited for."""
    return KafkaSource(
        KafkaSettings(kafka.brokers, topic, once=True, **{"group": topic, **settings}), EventRules()
    )


def numbers(store: EventStore) -> list[int]:
    return [event.item for event in store.events()]


def test_messages_become_events_and_a_restart_goes_on(kafka: KafkaCluster, store_target: str) -> None:
    topic = f"forms-{store_target[-6:]}"
    kafka.send(topic, body(0, event_id="own", value=2.5, context={"device": "tv"}, slate_id="s1"))
    kafka.send(topic, [body(1), {"user": "u2"}, body(2)], {"events": [body(3)]}, None, partition=1)
    kafka.send(topic, b"\0\0\0\0\7" + b'{"user": 4, "item": 4, "kind": "play"}', b"no JSON", partition=2)
    store = EventStore(store_target)
    metrics = IngestMetrics()
    before = int(time.time() * 1000)
    totals = ingest(source(kafka, topic), store, NEVER, metrics)
    assert (totals.stored, totals.rejected, totals.repeated) == (5, 2, 0)
    found = {event.item: event for event in store.events()}
    assert found[0].event_id == "own"
    assert (found[0].value, found[0].context, found[0].slate) == (2.5, {"device": "tv"}, "s1")
    assert found[0].time == 1_700_000_000_000
    assert abs(found[4].time - before) < 60_000, "the time of the message"
    assert len({event.event_id for event in found.values()}) == 5
    _, name, one = store.rejected_since(0)[0]
    reasons = {record.reason: record for _, _, record in store.rejected_since(0)}
    assert name == f"kafka:{kafka.id}/{topic}"
    assert one.time >= before
    missing = reasons["1.item: Field required"]
    assert (missing.part, missing.number, missing.field, missing.user) == ("1", 0, "1.item", "u2")
    assert any(record.body == "no JSON" and record.field == "message" for record in reasons.values())
    assert metrics.registry.get_sample_value("shortlist_ingest_events_total", {"result": "stored"}) == 5
    assert kafka.committed(topic, topic)[:3] == [1, 3, 2]

    kafka.send(topic, body(5), partition=3)
    again = ingest(source(kafka, topic, group="another"), store, NEVER)
    assert (again.stored, again.rejected, again.passed) == (1, 0, 0), (
        "the store knows the positions, not the group"
    )
    assert sorted(numbers(store)) == [0, 1, 2, 3, 4, 5]
    store.close()


class Killed(BaseException):
    """Ends a run as a crash would: nothing is written after it."""


class DyingStore(EventStore):
    """A store whose process dies before or after a transaction."""

    def __init__(self, target: str, dies_at: int, after: bool) -> None:
        super().__init__(target)
        self.left, self.after = dies_at, after

    def take_in(self, batch: SourceBatch, time: int) -> IntakeResult:
        """Write, and die at the chosen transaction."""
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Killed
        result = super().take_in(batch, time)
        if self.left < 0:
            raise Killed
        return result


def test_nothing_is_lost_and_nothing_twice_wherever_it_dies(
    kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events have no ids of their own sent twice, so that only the positions can tell what was read."""
    monkeypatch.setattr(module, "BATCH", 7)
    for partition in range(PARTITIONS):
        kafka.send("dying", *[body(25 * partition + number) for number in range(25)], partition=partition)
    kafka.send("dying", b"broken", partition=2)
    target = str(tmp_path / "events.sqlite")
    for dies_at, after in ((2, True), (1, False), (4, True)):
        store = DyingStore(target, dies_at, after)
        with pytest.raises(Killed):
            ingest(source(kafka, "dying"), store, NEVER)
        store.close()
    rest = EventStore(target)
    totals = ingest(source(kafka, "dying"), rest, NEVER)
    assert totals.passed == 0
    assert sorted(numbers(rest)) == list(range(100))
    assert len(rest.rejected_since(0)) == 1
    rest.close()


def test_a_killed_process_goes_on(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A real process is killed with SIGKILL while it writes; the next one has the rest."""
    many = 40_000
    kafka.send("killed", *[[body(100 * at + one) for one in range(100)] for at in range(many // 100)])
    target = tmp_path / "events.sqlite"
    command = [
        sys.executable,
        "-m",
        "shortlist.cli",
        "ingest",
        kafka.address("killed"),
        "--store",
        str(target),
    ]
    process = subprocess.Popen(command)
    store = EventStore(target)
    wait_for(lambda: store.last_row() > 0, "the first events")
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    ingest(source(kafka, "killed"), store, NEVER)
    assert sorted(numbers(store)) == list(range(many))
    store.close()


def test_two_consumers_of_one_group_share_the_partitions(kafka: KafkaCluster, tmp_path: Path) -> None:
    for partition in range(PARTITIONS):
        kafka.send("shared", *[body(50 * partition + number) for number in range(50)], partition=partition)
    target = str(tmp_path / "events.sqlite")
    stop = threading.Event()
    totals: list[IngestTotals] = []

    def consume() -> None:
        store = EventStore(target)
        settings = KafkaSettings(kafka.brokers, "shared", "shared")
        totals.append(ingest(KafkaSource(settings, EventRules()), store, stop))
        store.close()

    threads = [threading.Thread(target=consume) for _ in range(2)]
    store = EventStore(target)
    threads[0].start()
    wait_for(lambda: store.last_row() == 200, "the first 200 events")
    threads[1].start()  # the partitions are shared anew while messages come in
    for number in range(200, 260):
        kafka.send("shared", body(number), partition=number % PARTITIONS)
        time.sleep(0.05)
    wait_for(lambda: store.last_row() >= 260, "all events")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert sorted(numbers(store)) == list(range(260))
    assert sum(one.stored for one in totals) == 260
    store.close()


def test_from_the_end(kafka: KafkaCluster, tmp_path: Path) -> None:
    """What arrives after the first start is read, also where nothing had come in before the restart."""
    kafka.send("end", *[body(number) for number in range(3)])
    store = EventStore(tmp_path / "events.sqlite")
    assert ingest(source(kafka, "end", start="end"), store, NEVER).stored == 0
    kafka.send("end", body(3))
    assert ingest(source(kafka, "end", start="end"), store, NEVER).stored == 1
    assert numbers(store) == [3]
    store.close()


def test_a_topic_that_was_made_anew_is_refused(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.send("anew", body(1))
    store = EventStore(tmp_path / "events.sqlite")
    name = f"kafka:{kafka.id}/anew"
    store.take_in(SourceBatch(name, positions={"0": SourcePosition(500)}), 1)
    with pytest.raises(DataError, match="up to offset 500, and it ends at 1: the topic was made anew"):
        ingest(source(kafka, "anew"), store, NEVER)
    store.close()


def test_a_topic_without_events_stops_at_once(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.send("other", *[{"order": number} for number in range(150)])
    store = EventStore(tmp_path / "events.sqlite")
    with pytest.raises(DataError, match=r"none of the first 150 records is an event.*user: Field required"):
        ingest(source(kafka, "other"), store, NEVER)
    assert store.rejected_since(0) == []
    assert all(at.next == 0 for at in store.positions(f"kafka:{kafka.id}/other").values()), "where they begin"
    store.close()


def test_the_command(kafka: KafkaCluster, tmp_path: Path) -> None:
    kafka.send("command", body(1), {"user": "u9", "item": 1, "kind": "play", "fame": 3})
    options = [
        "--store",
        "events.sqlite",
        "-X",
        "client.id=test",
        "--group",
        "command",
        "--once",
        "--json",
        "out.json",
    ]
    out = run("ingest", kafka.address("command"), *options, cwd=tmp_path)
    assert "1 events stored, 1 rejected" in out
    assert "fame: there is no such field" in out
    out = run("rejected", "--store", "events.sqlite", "--out", "bad.jsonl", "--clear", cwd=tmp_path)
    assert '"fame": 3' in (tmp_path / "bad.jsonl").read_text().replace("\\", "")
    assert "1 deleted" in out
    assert "0 rejected" in run("rejected", "--store", "events.sqlite", cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["kafka://127.0.0.1:1"], "name the topic"),
        (["kafka:///topic"], "name the brokers"),
        (["kafka://user:secret@host/topic"], "user and password are settings"),
        (["kafka://127.0.0.1:1/t", "-X", "group.id=g"], "-X group.id: use --group"),
        (["kafka://127.0.0.1:1/t", "-X", "nonsense=1"], "a setting of librdkafka (-X) is wrong"),
        (["kafka://127.0.0.1:1/t", "-X", "nonsense"], "is key=value"),
        (["kafka://127.0.0.1:1/t", "--project", "x.toml"], "--project names the columns of files"),
        (["kinesis://stream"], "this kind of source cannot be read"),
        (["nowhere"], "nowhere: no such folder"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_wrong_source_is_a_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    out = run("ingest", *arguments, "--store", "e.sqlite", cwd=tmp_path, ok=False)
    assert sentence in " ".join(out.split())
    assert "secret" not in out
    assert not (tmp_path / "e.sqlite").exists() or arguments == ["nowhere"] or "librdkafka" in sentence


def test_brokers_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER", 1.0)
    store = EventStore(tmp_path / "e.sqlite")
    away = KafkaSource(KafkaSettings("127.0.0.1:1", "t"), EventRules())
    with pytest.raises(DataError, match=r"kafka://127.0.0.1:1: no broker answers"):
        ingest(away, store, NEVER)
    store.close()

"""`shortlist ingest` and `shortlist rejected`: events, items and users from Kafka or a folder into a server's event store."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shortlist.cli.store import StoreOption, open_store
from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    load_functions,
    load_recommender,
    parse_bundle,
    print_labelled,
    print_text,
    write_json,
)
from shortlist.errors import DataError, ShortlistError

if TYPE_CHECKING:
    from shortlist.ingest.rules import RecordRules
    from shortlist.ingest.source import RecordSource
    from shortlist.ingest.stream import IngestTotals
    from shortlist.store.event_store import EventStore

SHOWN = 5
"""Reasons of rejected records that are printed."""


SourceArgument = Annotated[
    str,
    typer.Argument(
        help="kafka://host:9092/topic, a folder into which files arrive, or a folder of an object store (s3://bucket/events/)."
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_bundle,
        metavar="BUNDLE",
        help="Also reject what this bundle does not know, as the server does: items, kinds and contexts of events; attributes of items "
        "and users.",
    ),
]
ColumnsOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        "-p",
        help="For files: the project that names their columns (default: columns as in POST /v1/events and PUT /v1/items).",
    ),
]
RecordsOption = Annotated[
    Literal["events", "items", "users"],
    typer.Option(
        "--of", help="What the source holds: events, or items or users, whose titles and attributes change."
    ),
]
OnceOption = Annotated[bool, typer.Option("--once", help="Stop when everything that is there has been read.")]
TopicOption = Annotated[
    str | None, typer.Option(help="Kafka: the topic, where the address does not name it.")
]
StartOption = Annotated[
    Literal["beginning", "end"],
    typer.Option("--from", help="Kafka: where to begin the first time; afterwards, the store knows."),
]
KafkaOptions = Annotated[
    list[str] | None,
    typer.Option("-X", "--kafka-option", help="Kafka: a setting of librdkafka, key=value. Repeatable."),
]
KafkaFile = Annotated[
    Path | None,
    typer.Option(help="Kafka: a file with settings of librdkafka, one key=value a line; for passwords."),
]
SettleOption = Annotated[
    float, typer.Option(min=0, help="Folder: seconds for which a file must not have changed.")
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the source in the store. Another name reads everything once more."),
]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Serve metrics for Prometheus on this port (0: any).")
]


def ingest(
    source: SourceArgument,
    store: StoreOption = None,
    of: RecordsOption = "events",
    bundle: ModelOption = None,
    project: ColumnsOption = None,
    once: OnceOption = False,
    topic: TopicOption = None,
    group: Annotated[str, typer.Option(help="Kafka: the consumer group.")] = "shortlist",
    start: StartOption = "beginning",
    options: KafkaOptions = None,
    kafka_config: KafkaFile = None,
    settle: SettleOption = 2.0,
    name: NameOption = None,
    metrics_port: MetricsPort = None,
    metrics_host: Annotated[str, typer.Option(help="Bind address of the metrics.")] = "127.0.0.1",
    functions: FunctionsOption = None,
    json_file: JsonOption = None,
) -> None:
    """Read events from Kafka or from files into an event store, each exactly once, until it is interrupted.

    Events and the position in the source are one transaction of the store: after a crash or a restart, on any machine, nothing
    is lost and nothing is stored twice. Servers on the store count the events within a second. With --of items or --of users, the
    source holds titles and attributes, as PUT /v1/items and PUT /v1/users take them.
    """
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    load_functions(functions)
    rules = _rules(of, bundle, project)
    if source.startswith("kafka://"):
        _refuse_project(project)
        opened = _kafka(
            source,
            rules,
            name,
            topic=topic,
            group=group,
            start=start,
            once=once,
            options=_settings(options, kafka_config),
        )
    else:
        opened = _folder(source, rules, project, once=once, settle=settle, name=name)
    into = open_store(store, create=True)
    try:
        totals = _run(opened, into, metrics_port, metrics_host)
    finally:
        into.close()
    _show(opened.name, totals)
    write_json(json_file, {"source": opened.name, **vars(totals)})
    if totals.faults:
        raise DataError("; ".join(totals.faults.values()), field="source")


def _rules(of: Literal["events", "items", "users"], bundle: Path | None, project: Path | None) -> RecordRules:
    from shortlist.config.project import read_project
    from shortlist.ingest.change_rules import ChangeRules
    from shortlist.ingest.rules import EventRules

    state = None if bundle is None else load_recommender(bundle).state
    if of == "events":
        return EventRules() if state is None else EventRules(state.check_event, state.clock)
    declared = None if project is None else getattr(read_project(project), of)
    return ChangeRules(of, state, None if declared is None else declared.attributes)


def _kafka(address: str, rules: RecordRules, name: str | None, **settings: Any) -> RecordSource:
    from shortlist.ingest.kafka import KafkaSettings, KafkaSource

    topic = settings.pop("topic")
    return KafkaSource(KafkaSettings.of_address(address, topic, **settings), rules, name)


def _folder(folder: str, rules: RecordRules, project: Path | None, **options: Any) -> RecordSource:
    from shortlist.config.project import read_project
    from shortlist.engines.object_store import is_object_store
    from shortlist.ingest.folder import FolderSource

    if "://" in folder and not is_object_store(folder):
        scheme = folder.partition("://")[0]
        raise DataError(
            f"{scheme}://: this kind of source cannot be read; use kafka://host:9092/topic, a folder, s3://…, gs://… or az://…",
            field="source",
        )
    return FolderSource(folder, rules, None if project is None else read_project(project), **options)


def _refuse_project(project: Path | None) -> None:
    if project is not None:
        raise ShortlistError(
            "--project names the columns of files; messages of Kafka have the fields of POST /v1/events, PUT /v1/items or PUT /v1/users",
            field="project",
        )


def _settings(options: list[str] | None, file: Path | None) -> dict[str, str]:
    """Return settings of librdkafka: those of the file, then those of the command. Raises `DataError` where one is not key=value."""
    lines: list[str] = []
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: cannot be read: {error}", field="kafka_config") from None
    found: dict[str, str] = {}
    for line in [*lines, *(options or [])]:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise DataError(f"{key}: a setting of librdkafka is key=value", field="kafka_option")
        found[key.strip()] = value.strip()
    return found


def _run(
    source: RecordSource, store: EventStore, metrics_port: int | None, metrics_host: str
) -> IngestTotals:
    from shortlist.ingest.stream import ingest as run
    from shortlist.ingest.telemetry import IngestMetrics

    metrics = IngestMetrics()
    with _interrupts() as stop, _metrics_server(metrics.registry, metrics_port, metrics_host):
        return run(source, store, stop, metrics)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, so that the transaction in work is finished."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _metrics_server(registry: Any, port: int | None, host: str) -> Iterator[None]:
    """Serve metrics while the block runs, where a port is given. Raises `ShortlistError` where it cannot be used."""
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ShortlistError(f"--metrics-port {port}: {error.strerror}", field="metrics_port") from None
    print_text(f"metrics at http://{host}:{server.server_port}/metrics", "dim")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _show(name: str, totals: IngestTotals) -> None:
    print_text(f"{name}: {totals}")
    for reason, count in totals.reasons.most_common(SHOWN):
        print_labelled("rejected", f"{count:,} × {reason}")
    if totals.rejected:
        print_text("`shortlist rejected` shows them.", "dim")


def rejected(
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Write them as JSON lines, the body of each record included.")
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete from the store what was shown or written.")
    ] = False,
) -> None:
    """Show or write the records that `shortlist ingest` rejected, with the reason of each."""
    opened = open_store(store)
    try:
        count, last = 0, 0
        lines = out.open("w", encoding="utf-8") if out is not None else None
        try:
            while page := opened.rejected_since(last):
                for _, source, record in page:
                    text = json.dumps({"source": source, **vars(record)})
                    if lines is not None:
                        lines.write(text + "\n")
                    else:
                        print_text(f"{source}, {record.part}, {record.number}: {record.reason}")
                count, last = count + len(page), page[-1][0]
        finally:
            if lines is not None:
                lines.close()
        print_text(f"{count:,} rejected records{f' → {out}' if out is not None else ''}")
        if clear and last:
            print_text(f"{opened.remove_rejected(last):,} deleted from the store.")
    finally:
        opened.close()

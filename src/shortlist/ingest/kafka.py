"""A topic of Kafka as a source of events, or of changes of items or users.

The positions of the store decide where reading begins; the offsets of the consumer group are committed after each transaction,
for tools that show the lag. Consumers of one group share the partitions of the topic: when a partition moves to another
consumer, that one begins at the store's position, and what the earlier one still wanted to write is left out by the store.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from shortlist.errors import DataError, ShortlistError, import_extra
from shortlist.ingest.kafka_messages import read_message
from shortlist.ingest.rules import RecordRules
from shortlist.ingest.source import Positions, RecordSource
from shortlist.store.intake import ReceivedRecord, RejectedRecord, SourceBatch, SourcePosition

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

BATCH = 5_000
"""Messages of one transaction at most."""
WAIT = 0.5
"""Seconds that messages are waited for."""
ANSWER = 10.0
"""Seconds that a broker has to answer."""
OURS = {
    "enable.auto.commit": "offsets are committed after the store has the events",
    "enable.auto.offset.store": "offsets are committed after the store has the events",
    "group.id": "use --group",
    "auto.offset.reset": "use --from",
    "bootstrap.servers": "name the brokers in the address, kafka://host:9092/topic",
    "enable.partition.eof": "it is set",
}
"""Settings of librdkafka that this source sets → why, or which option to use."""
log = logging.getLogger("shortlist.ingest")


@dataclass(frozen=True)
class KafkaSettings:
    """Where and how to read.

    Parameters
    ----------
    brokers
        Addresses `host:port` of brokers, separated by commas.
    topic
        The topic.
    group
        The consumer group.
    start
        Where a partition begins that the store has no position of: "beginning" or "end".
    once
        Stop at the end that the topic has at the start.
    options
        More settings of librdkafka.
    """

    brokers: str
    topic: str
    group: str = "shortlist"
    start: Literal["beginning", "end"] = "beginning"
    once: bool = False
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_address(cls, address: str, topic: str | None = None, **more: Any) -> KafkaSettings:
        """Read `kafka://host:9092,host2:9092/topic`. Raises `DataError` without brokers or topic, or for a setting that is set here."""
        parts = urlsplit(address)
        topic = topic or parts.path.strip("/")
        if not parts.netloc or "@" in parts.netloc:
            raise DataError(
                f"{parts.scheme}://…: name the brokers, kafka://host:9092,host2:9092/topic; user and password are settings: "
                "-X sasl.username=…, or a file of settings (--kafka-config)",
                field="source",
            )
        if not topic:
            raise DataError(
                f"{address}: name the topic, {address.rstrip('/')}/TOPIC or --topic", field="topic"
            )
        for name in more.get("options", {}):
            if name in OURS:
                raise DataError(f"-X {name}: {OURS[name]}", field=name)
        return cls(parts.netloc, topic, **more)


class KafkaSource(RecordSource):
    """Reads a topic with librdkafka (extra `kafka`).

    Parameters
    ----------
    settings
        Where and how to read.
    rules
        Reads and checks one record.
    name
        The source's name in the store (default: `kafka:`, the id of the cluster and the topic).
    """

    def __init__(self, settings: KafkaSettings, rules: RecordRules, name: str | None = None) -> None:
        self.settings, self.rules = settings, rules
        self.name, self.records = name or "", rules.records
        self.lag: dict[str, int] = {}
        self.missing = 0
        self.faults: dict[str, str] = {}
        self._kafka = import_extra("confluent_kafka", "kafka")
        self._positions: Positions = dict
        self._begun: dict[str, SourcePosition] = {}
        self._ends: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._finished: set[str] = set()
        self._fault: ShortlistError | None = None
        self._consumer: Consumer | None = None

    @property
    def consumer(self) -> Consumer:
        """The consumer of librdkafka, once the source is open."""
        assert self._consumer is not None
        return self._consumer

    def open(self, positions: Positions) -> None:
        """Connect, look for the topic, and join the group."""
        settings = {
            "client.id": "shortlist",
            "session.timeout.ms": 10_000,  # how long partitions of a process that was killed wait
            **self.settings.options,
            "bootstrap.servers": self.settings.brokers,
            "group.id": self.settings.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "error_cb": self._report,
        }
        try:
            self._consumer = self._kafka.Consumer(settings)
        except self._kafka.KafkaException as error:
            raise DataError(
                f"a setting of librdkafka (-X) is wrong: {error.args[0].str()}", "options"
            ) from None
        self._positions = positions
        cluster = self._find_topic()
        of = "" if self.records == "events" else f"#{self.records}"
        self.name = self.name or f"kafka:{cluster}/{self.settings.topic}{of}"
        self.consumer.subscribe([self.settings.topic], on_assign=self._assigned, on_revoke=self._revoked)

    def _find_topic(self) -> str:
        """Return the id of the cluster, or the brokers where it has none. Raises `DataError` where the topic cannot be read."""
        topic, brokers = self.settings.topic, self.settings.brokers
        try:
            found = self.consumer.list_topics(topic, timeout=ANSWER)
        except self._kafka.KafkaException as error:
            fault = self._fault.message if self._fault else error.args[0].str()
            raise DataError(f"kafka://{brokers}: no broker answers: {fault}", field="source") from None
        fault = found.topics[topic].error
        if fault is not None or not found.topics[topic].partitions:
            reason = "it has no partitions" if fault is None else fault.str()
            raise DataError(f"kafka://{brokers}: the topic {topic!r} cannot be read: {reason}", field="topic")
        return found.cluster_id or brokers

    def _report(self, error: Any) -> None:
        """Take note of an error of the connection; librdkafka connects again by itself unless it is fatal or of the login."""
        fatal = error.fatal() or error.code() == self._kafka.KafkaError._AUTHENTICATION  # noqa: SLF001 - its public name
        if fatal:
            self._fault = DataError(f"kafka://{self.settings.brokers}: {error.str()}", field="source")
        else:
            log.warning("kafka://%s: %s; connecting again", self.settings.brokers, error.str())

    # ---------------------------------------------------------------- partitions

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            known = self._positions()
            for partition in partitions:
                self._begin(consumer, partition, known.get(str(partition.partition)))
        except self._kafka.KafkaException as error:
            self._fault = DataError(f"kafka://{self.settings.brokers}: {error.args[0].str()}", field="source")
        except ShortlistError as error:  # what a callback raises is lost
            self._fault = error
        if self._fault is None:
            cooperative = "cooperative" in self.settings.options.get("partition.assignment.strategy", "")
            (consumer.incremental_assign if cooperative else consumer.assign)(partitions)

    def _begin(self, consumer: Consumer, partition: TopicPartition, known: SourcePosition | None) -> None:
        """Set where a partition begins: at the store's position, else at its beginning or end."""
        part = str(partition.partition)
        low, high = consumer.get_watermark_offsets(partition, timeout=ANSWER, cached=False)
        if known is None:
            start = high if self.settings.start == "end" else low
            self._begun[part] = SourcePosition(
                start
            )  # kept, so that a restart does not skip what came after it
        else:
            start = known.next
        if start > high:
            raise DataError(
                f"the store has read {self.name}, partition {part}, up to offset {start:,}, and it ends at {high:,}: the topic was "
                "made anew. To read it as another source, give --name",
                field="source",
            )
        if start < low:
            self.missing += low - start
            log.error(
                "%s, partition %s: offsets %s to %s were deleted by Kafka before they were read; the retention of the topic is "
                "shorter than this stop was",
                self.name,
                part,
                f"{start:,}",
                f"{low - 1:,}",
            )
            start = low
        partition.offset = start
        self._next[part], self._ends[part] = start, high
        self._finished.discard(part)
        self.lag[part] = high - start

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            part = str(partition.partition)
            for known in (self._ends, self._next, self.lag, self._begun):
                known.pop(part, None)
            self._finished.discard(part)

    # ---------------------------------------------------------------- messages

    def read(self) -> SourceBatch | None:
        """Return the messages that came in; None where `once` is set and all partitions are at their end."""
        try:
            messages = self.consumer.consume(BATCH, WAIT)
        except self._kafka.KafkaException as error:
            raise DataError(f"{self.name}: {error.args[0].str()}", field="source") from None
        if self._fault is not None:
            raise self._fault
        records: list[ReceivedRecord] = []
        rejected: list[RejectedRecord] = []
        reached, self._begun = dict(self._begun), {}
        for message in messages:
            if message.error() is not None:
                self._take_error(message)
                continue
            part, offset = str(message.partition()), message.offset()
            assert offset is not None  # only messages that are to be sent have none
            reached[part] = SourcePosition(offset + 1)
            self._next[part] = offset + 1
            value = message.value()
            if value:  # a message without a value deletes a key in compacted topics
                kind, sent = message.timestamp()
                time = sent if kind != self._kafka.TIMESTAMP_NOT_AVAILABLE else None
                good, bad = read_message(self.rules, self.name, part, offset, value, time)
                records += good
                rejected += bad
        self._measure_lag()
        if not messages and not reached and self._is_finished():
            return None
        return SourceBatch(self.name, records, rejected, reached)

    def _take_error(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if error.code() == self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._finished.add(str(message.partition()))
        elif error.code() == self._kafka.KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            raise DataError(
                f"{self.name}: Kafka no longer has the offset that comes next: {error.str()}; start again to go on at the oldest "
                "message there is",
                field="source",
            )
        elif error.code() == self._kafka.KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - it joins the group again
            log.warning("%s: %s", self.name, error.str())
        else:
            raise DataError(f"{self.name}: {error.str()}", field="source")

    def _is_finished(self) -> bool:
        """Whether all partitions of this consumer are at the end that they had when they were assigned."""
        if not self.settings.once or not self._ends:
            return False
        return all(part in self._finished or self._next[part] >= end for part, end in self._ends.items())

    def _measure_lag(self) -> None:
        for part, offset in self._next.items():
            partition = self._kafka.TopicPartition(self.settings.topic, int(part))
            high = self.consumer.get_watermark_offsets(partition, cached=True)[1]
            self.lag[part] = max(high - offset, 0)

    def stored(self, batch: SourceBatch) -> None:
        """Commit the offsets of the group. It can fail, in the middle of a rebalance for example: the store's positions count."""
        offsets = [
            self._kafka.TopicPartition(self.settings.topic, int(part), at.next)
            for part, at in batch.positions.items()
        ]
        if offsets:
            try:
                self.consumer.commit(offsets=offsets, asynchronous=False)
            except self._kafka.KafkaException as error:
                log.info(
                    "the offsets of the group are committed with the next batch: %s", error.args[0].str()
                )

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            self._consumer.close()

    def __repr__(self) -> str:
        return f"KafkaSource({self.settings.topic!r}, group {self.settings.group!r})"

"""A Kafka cluster: the mock cluster of librdkafka, which speaks the protocol of brokers over TCP."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

PARTITIONS = 4
"""Partitions that the mock cluster gives to a new topic."""


class KafkaCluster:
    """One broker in this process; other processes reach it, too. It ends with the object."""

    def __init__(self) -> None:
        self.producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 3})
        found = self.producer.list_topics(timeout=10)
        self.id = found.cluster_id
        self.brokers = ",".join(f"{broker.host}:{broker.port}" for broker in found.brokers.values())

    def send(self, topic: str, *values: Any, partition: int = 0) -> None:
        """Append messages: bytes as they are, None, and other values as JSON."""
        for value in values:
            content = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
            self.producer.produce(topic, content, partition=partition)
        assert self.producer.flush(20) == 0

    def address(self, topic: str) -> str:
        """The address that `shortlist ingest` takes."""
        return f"kafka://{self.brokers}/{topic}"

    def committed(self, topic: str, group: str) -> list[int]:
        """The offsets that a group has committed, by partition; negative: none."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 3})
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        offsets = [one.offset for one in consumer.committed(partitions, timeout=10)]
        consumer.close()
        return offsets

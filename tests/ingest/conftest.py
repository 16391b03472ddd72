"""A Kafka cluster for all tests of a module."""

from __future__ import annotations

import pytest

from support.kafka import KafkaCluster


@pytest.fixture(scope="session")
def kafka() -> KafkaCluster:
    """A cluster; each test uses topics of its own."""
    return KafkaCluster()

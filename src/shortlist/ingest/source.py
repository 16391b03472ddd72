"""The base of sources: a source delivers batches of records with positions, and begins where the store's positions say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from shortlist.store.intake import SourceBatch, SourcePosition

Positions = Callable[[], Mapping[str, SourcePosition]]
"""Reads part → position from the store."""


class RecordSource(ABC):
    """Delivers events, or changes of items or users, in batches. Not for several threads.

    A source never decides by itself what was read: it begins at the positions of the store, and moves its own (the offsets
    of a group in Kafka) only after the store has a batch.

    Attributes
    ----------
    name
        Identifies the source in the store. Another name reads everything once more.
    records
        What is delivered: "events", "items" or "users".
    lag
        Part → number of records that are known to wait.
    missing
        Number of records that the source had deleted before they were read.
    faults
        Part → why it cannot be read, while other parts are.
    """

    name: str
    records: str
    lag: dict[str, int]
    missing: int
    faults: dict[str, str]

    @abstractmethod
    def open(self, positions: Positions) -> None:
        """Connect. `positions` reads the store's positions of this source. Raises `DataError` where it cannot be reached."""

    @abstractmethod
    def read(self) -> SourceBatch | None:
        """Wait up to about a second, and return what came in, possibly nothing; None at the end, where there is one."""

    @abstractmethod
    def stored(self, batch: SourceBatch) -> None:
        """Take note that the store has a batch."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

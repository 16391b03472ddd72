"""`[spark]`: training on a cluster."""

from __future__ import annotations

from pydantic import Field

from shortlist.config.base import Settings


class SparkSettings(Settings):
    """Limits of the part that one machine takes over from the executors in `shortlist train --engine spark` (`[spark]`)."""

    events: int = Field(2_000_000, ge=1_000)
    """Events that reach the driver at most. A log of at most so many is trained there as a whole. Of a larger one, the driver gets
    all events of a random part of the users: the ranker, its calibration and the validation learn from them, and they are the log
    of the bundle. Retrievers and counts of items learn from all events, on the executors."""

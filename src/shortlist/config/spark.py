"""`[spark]`: training on a cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shortlist.config.base import Settings


class SparkSettings(Settings):
    """Limits of the part that one machine takes over from the executors in `shortlist train --engine spark` (`[spark]`)."""

    events: int = Field(2_000_000, ge=1_000)
    """Events that reach the driver at most. A log of at most so many is trained there as a whole. Of a larger one, the driver gets
    all events of a random part of the users: the ranker, its calibration and the validation learn from them, and they are the log
    of the bundle. Retrievers and counts of items learn from all events, on the executors."""
    ranker: Literal["auto", "driver", "executors"] = "auto"
    """Where the trees of the ranker grow. driver: on the driver. executors: on the executors, as workers of XGBoost in tasks that begin
    together (the way of `xgboost.spark`), each with a part of the examples. auto: on the executors with 1,000,000 examples or more
    (`rank.max_rows`), where more tasks run at a time than the driver has cores. Examples, choices between models and calibration are made
    on the driver. Spark Connect and dynamic allocation: on the driver."""
    ranker_workers: int = Field(0, ge=0)
    """Tasks that grow the trees of the ranker at most; 0: as many as the cluster runs at a time. Each has at least 10,000 examples."""

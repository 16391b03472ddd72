"""The base of all feature declarations."""

from __future__ import annotations

from pydantic import Field

from shortlist.config.base import Settings
from shortlist.features.aggregates import Aggregate


class FeatureSettings(Settings):
    """Base of all feature declarations."""

    name: str = Field(min_length=1)
    """Name of the feature, and of its column in the matrix."""

    def aggregates(self) -> list[Aggregate]:
        """Return the aggregates that the feature is computed from."""
        return []

    def inputs_of(self) -> list[str]:
        """Return the features and attributes that this feature is derived from."""
        return []

"""How strongly each re-ranker acts on a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RerankStrengths:
    """The strengths of the re-rankers for one request; 0 switches a re-ranker off.

    Parameters
    ----------
    diversity
        0 to 1: weight of dissimilarity against utility (`mmr`, `dpp`).
    freshness
        0 to 10: boost of new items (`boost_fresh`).
    calibration
        0 to 1: how strictly a slate follows the shares of the user's tastes (`calibrate_genres`).
    explore
        0 to 5: strength of exploration (`explore`).
    cold_start
        0 to 1: probability that the slate reserves a slot for a new item (`ColdStartExploration`).
    """

    diversity: float = 0.0
    freshness: float = 0.0
    calibration: float = 0.0
    explore: float = 0.0
    cold_start: float = 0.0

"""The boost of fresh items."""

from __future__ import annotations

import numpy as np

from shortlist.data.no_time import NO_TIME
from shortlist.rerank.freshness import boost_fresh


def test_freshness_computed_by_hand() -> None:
    boosted = boost_fresh(
        np.array([1.0, 1.0, 1.0, -1.0]), np.array([1_000, 0, NO_TIME, 1_000]), 1_000, 1.0, 1_000
    )
    np.testing.assert_allclose(boosted, [2.0, 1.5, 1.0, 0.0])

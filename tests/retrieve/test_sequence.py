"""Sequence, by hand."""

from __future__ import annotations

import numpy as np

from shortlist.data.histories import Histories
from shortlist.retrieve import Sequence
from support.interactions import make_requests


def test_sequence_by_hand() -> None:
    """u: a, b (a minute later), then c two days later. Forward votes fade with steps and gaps; backward only within."""
    day = 86_400_000
    h = Histories(
        np.array([0, 3]),
        np.array([0, 1, 2], np.int32),
        np.array([0, 60_000, 60_000 + 2 * day]),
        np.zeros(3, np.int16),
        np.zeros(3, np.float32),
    )
    model = Sequence(window=2, fading=0.5, backward=0.25, session="1h", half_life="2d", power=0.0)
    W = model.fit_histories(h, np.ones(3, np.float32), 3).weights_.toarray()
    gap = 0.5 ** ((60_000 + 2 * day) / (2 * day))
    np.testing.assert_allclose(W, [[0, 1, 0.5 * gap], [0.25, 0, 0.5], [0, 0, 0]], rtol=1e-6)
    late = model.score(make_requests([0, 1]))[0]  # b, the latest, counts whole; a counts recency
    np.testing.assert_allclose(late, [0.25, 0.8, 0.5 + 0.8 * 0.5 * gap], rtol=1e-6)

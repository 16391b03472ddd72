"""The number of neighbours kept for each item."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.retrieve import Neighbours
from shortlist.retrieve import neighbours as neighbours_room
from support.interactions import random_interactions


def test_large_catalogues_keep_fewer_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    X = random_interactions(3, 400, 300, 0.2)
    monkeypatch.setattr(neighbours_room, "MOST", 300 * 30)
    assert np.diff(Neighbours().fit_matrix(X).weights.indptr).max() == 30
    monkeypatch.setattr(neighbours_room, "MOST", 300)
    assert np.diff(Neighbours().fit_matrix(X).weights.indptr).max() == 20
    assert np.diff(Neighbours(k=70).fit_matrix(X).weights.indptr).max() == 70

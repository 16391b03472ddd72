"""Distances of compiled loops against the inverse sine of NumPy."""

from __future__ import annotations

import numpy as np

from shortlist.expressions.units import EARTH_RADIUS
from shortlist.rerank.great_circle import arcs_of, squared_chords_to
from shortlist.rerank.item_columns import unit_vectors


def test_distances_to_a_place() -> None:
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(-90, 90, 5_000), rng.uniform(-180, 180, 5_000)
    lat[0], lon[:3] = np.nan, (0.0, np.nan, -120.0)
    lat[2] = -30.0  # the other end of the globe
    x, y, z = unit_vectors(lat, lon)
    place = tuple(float(one) for one in unit_vectors(30.0, 60.0))
    assert len(place) == 3
    squares = squared_chords_to(x, y, z, place)
    angle = np.arccos(np.clip(x * place[0] + y * place[1] + z * place[2], -1, 1))
    found = arcs_of(squares)
    assert np.isnan(found[:2]).all()
    np.testing.assert_allclose(found[2:], EARTH_RADIUS * angle[2:], atol=1e-3)
    exact = 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(squares, 4)) / 2)
    np.testing.assert_allclose(found, exact, rtol=2e-8, atol=1e-9)
    assert arcs_of(np.zeros(1))[0] == 0

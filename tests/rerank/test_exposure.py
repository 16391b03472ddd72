"""Exposure caps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.rerank.exposure import cap_exposure


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=20), st.integers(1, 3), st.integers(1, 10))
def test_exposure_caps_hold(providers: list[int], cap: int, n: int) -> None:
    provider = np.array(providers, np.int32)
    chosen = cap_exposure(np.arange(len(providers)), provider, cap, n)
    assert len(set(chosen.tolist())) == len(chosen) <= n
    assert all((provider[chosen] == m).sum() <= cap for m in range(4))
    assert (np.diff(chosen) > 0).all()


def test_a_cap_counts_earlier_pages() -> None:
    provider = np.array([0, 0, 1, 1, 2, -1], np.int32)
    shown = np.array([0, 1, 1, -1], np.int32)
    assert cap_exposure(np.arange(6), provider, 2, 6, shown).tolist() == [0, 4, 5]
    assert cap_exposure(np.arange(6), provider, 2, 2, shown[:0]).tolist() == [0, 1]

"""What the slots of a slate may choose from."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.rerank.dpp import dpp
from shortlist.rerank.genre_calibration import calibrate_genres
from shortlist.rerank.mmr import mmr
from shortlist.rerank.slot_limits import NO_CAP, SlotLimits, opening_slots

GREEDY: dict[str, Callable[..., Any]] = {
    "mmr": lambda utility, vectors, *rest: mmr(utility, vectors, 0.5, *rest),
    "dpp": lambda utility, vectors, *rest: dpp(utility, vectors, 0.5, *rest),
    "calibration": lambda utility, vectors, *rest: calibrate_genres(
        utility, (np.arange(len(utility) + 1), vectors.argmax(1).astype(np.int32)), np.ones(4) / 4, 0.5, *rest
    ),
}


@pytest.mark.parametrize("way", GREEDY)
@settings(max_examples=30)
@given(seed=st.integers(0, 999), cap=st.integers(1, 4), n=st.integers(1, 30), later=st.integers(1, 20))
def test_slots_keep_to_their_limits(way: str, seed: int, cap: int, n: int, later: int) -> None:
    """A longer slate begins with the items of a shorter one; no provider has more than the cap; rows wait until they are open."""
    rng = np.random.default_rng(seed)
    rows = 60
    utility, vectors = rng.random(rows), rng.normal(size=(rows, 4)).astype(np.float32)
    provider = rng.integers(-1, 8, rows)
    opens = np.where(np.arange(rows) < 20, 0, rng.integers(0, 40, rows))
    limits = SlotLimits(opens, provider, np.zeros(8, np.int64), cap, np.full(rows, -1))
    order = GREEDY[way](utility, vectors, n, 0, limits)
    assert sorted(order.tolist()) == list(range(rows))
    longer = GREEDY[way](utility, vectors, n + later, 0, limits)
    selected = min(
        n,
        int(np.minimum(np.bincount(provider[provider >= 0], minlength=8), cap).sum() + (provider < 0).sum()),
    )
    assert order[:selected].tolist() == longer[:selected].tolist()
    chosen = provider[order[:selected]]
    assert np.bincount(chosen[chosen >= 0], minlength=8).max(initial=0) <= cap
    for slot, row in enumerate(order[:selected].tolist()):
        if opens[row] > slot:  # only because nothing that is open was left
            before = order[:slot]
            held = np.bincount(provider[before][provider[before] >= 0], minlength=8)
            free = (provider < 0) | (held[provider] < cap)
            assert not (free & (opens <= slot) & ~np.isin(np.arange(rows), before)).any()


def test_limits_computed_by_hand() -> None:
    utility = np.array([1.0, 0.9, 0.8, 0.7])
    groups = np.array([-1, -1, -1, -1])
    provider, held = np.array([0, 0, 1, -1]), np.array([0, 1])
    limits = SlotLimits(np.array([0, 0, 0, 1]), provider, held, 1, np.full(4, -1))
    # provider 1 is full from earlier pages, provider 0 after the first slot, and the last row opens at slot 1
    assert mmr(utility, groups, 0.5, 3, 0, limits).tolist() == [0, 3, 1, 2]
    unlimited = limits._replace(cap=NO_CAP)
    assert mmr(utility, groups, 0.5, 3, 0, unlimited).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("way", GREEDY)
def test_a_pinned_row_has_its_slot_and_no_other(way: str) -> None:
    """Rows that are pinned count as selected where they stand, whatever their utility."""
    rng = np.random.default_rng(3)
    utility, vectors = rng.random(12), rng.normal(size=(12, 4)).astype(np.float32)
    best, least = int(utility.argmax()), int(utility.argmin())
    pinned = np.full(12, -1)
    pinned[[least, best]] = [1, 5]
    limits = SlotLimits.opening(np.zeros(12, np.int64), pinned)
    slates = [GREEDY[way](utility, vectors, n, 0, limits)[:n].tolist() for n in range(1, 9)]
    assert all(longer[: len(slate)] == slate for slate, longer in itertools.pairwise(slates))
    assert (slates[-1][1], slates[-1][5]) == (least, best)


def test_equal_utilities_open_by_their_codes() -> None:
    """So that a shown item and a candidate have the same places on each page."""
    items = np.random.default_rng(0).permutation(130).astype(np.int32)
    opens = opening_slots(np.zeros(130), items)
    assert (opens[items < 100] == 0).all()
    assert opens[items == 100].item() == 20
    assert opens[items == 129].item() == 25

"""Candidates that become examples: equal to one request after the other."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.rank.candidate_rows import (
    NOT_SHOWN,
    ONLY_LISTED,
    CandidateRows,
    sampled_candidates,
    shown_candidates,
)
from shortlist.rank.unshown import SlateEntries, outside_candidates, without_seen
from shortlist.retrieve.fusion.blend import Blended
from support.interactions import make_requests

N_ITEMS = 40
Row = tuple[int, int, float, int]
"""Request, item, weight, position."""


def blended_of(rng: np.random.Generator, required: list[NDArray[Any]], k: int = 12) -> Blended:
    """Return random candidates of requests whose required items come first; some lists have free places."""
    lists = []
    for own in required:
        first = np.unique(own)
        rest = rng.permutation(np.setdiff1d(np.arange(N_ITEMS), first))
        lists.append(np.concatenate([first, rest])[:k])
        lists[-1][k - rng.integers(0, 3) :] = -1
    item = np.array(lists, np.int32).reshape(len(required), k)
    numbers = np.arange(item.size, dtype=np.float32).reshape(item.shape)
    return Blended(item, np.stack([numbers, -numbers], 2), np.stack([numbers + 0.5] * 2, 2), ["a", "b"])


def rows_of(found: CandidateRows) -> list[Row]:
    columns = found.request, found.item, found.weight, found.position
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 5), st.integers(1, 9))
def test_candidates_are_sampled_as_one_request_after_the_other(seed: int, n: int, negatives: int) -> None:
    rng = np.random.default_rng(seed)
    blended = blended_of(rng, [np.empty(0, np.int64)] * n)
    positive = (rng.random(blended.item.shape) < 0.2) & (blended.item >= 0)
    found = sampled_candidates(blended, positive, negatives, 7, np.random.default_rng(seed))
    draws, expected = np.random.default_rng(seed), []
    for row in range(n):
        others = np.flatnonzero(~positive[row] & (blended.item[row] >= 0))
        top, rest = others[: negatives // 2], others[negatives // 2 :]
        drawn = draws.permutation(len(rest))[: negatives - len(top)]
        certain = np.concatenate([np.flatnonzero(positive[row]), top])
        weight = float(np.float32(len(rest) / max(len(drawn), 1)))
        expected += [(7 + row, int(i), 1.0, 0) for i in blended.item[row, certain]]
        expected += [(7 + row, int(i), weight, 0) for i in blended.item[row, rest[drawn]]]
    assert rows_of(found) == expected
    place = {int(v): (r, c) for (r, c), v in np.ndenumerate(blended.ranks[:, :, 0])}
    for item, ranks, scores in zip(found.item, found.ranks, found.scores, strict=True):
        row, column = place[int(ranks[0])]
        assert blended.item[row, column] == item
        assert ranks[1] == -ranks[0]
        assert scores[0] == ranks[0] + 0.5


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 5))
def test_shown_items_are_found_as_one_slate_after_the_other(seed: int, n: int, unshown: int) -> None:
    rng = np.random.default_rng(seed)
    log: Any = SimpleNamespace(
        item=rng.integers(0, N_ITEMS, 60).astype(np.int32), position=rng.integers(-1, 9, 60).astype(np.int16)
    )
    slates = [rng.choice(60, rng.integers(0, 5), replace=False) for _ in range(n)]
    others = [np.setdiff1d(rng.integers(0, N_ITEMS, 2), log.item[part]) for part in slates]
    if not unshown:
        others = [part[:0] for part in others]
    listed = [
        np.union1d(log.item[part], rng.integers(0, N_ITEMS, 3)) if rng.random() < 0.4 else part[:0]
        for part in slates
    ]
    required = [np.concatenate([log.item[a], b, c]) for a, b, c in zip(slates, others, listed, strict=True)]
    blended = blended_of(rng, required, k=20)
    more = SlateEntries.of(others), SlateEntries.of(listed)
    draw = unshown, np.random.default_rng(seed)
    found = shown_candidates(blended, log, SlateEntries.of(slates), more, draw, 0)
    draws, expected = np.random.default_rng(seed), []
    for row, (part, outside, whole) in enumerate(zip(slates, others, listed, strict=True)):
        items, first = np.unique(log.item[part], return_index=True)
        own = blended.item[row]
        if unshown and not len(whole):
            rest = np.flatnonzero((own >= 0) & ~np.isin(own, items))
            drawn = np.union1d(draws.permutation(rest)[:unshown], rest[np.isin(own[rest], outside)])
            expected += [(row, int(i), 1.0, NOT_SHOWN) for i in own[drawn.astype(int)]]
        expected += [(row, int(i), 1.0, ONLY_LISTED) for i in np.setdiff1d(whole, items)]
        slots = np.maximum(log.position[part][first], 0)  # a slot that is not known counts as the first one
        expected += [(row, int(i), 1.0, int(slot)) for i, slot in zip(items, slots, strict=True)]
    assert rows_of(found) == expected


def test_outside_candidates_are_items_that_a_slate_did_not_show() -> None:
    item, known = np.array([3, 4, 5], np.int32), np.arange(6, dtype=np.int32)
    slates = SlateEntries.of([np.array([0, 1]), np.array([], np.int64), np.array([2])])
    found = outside_candidates(known, slates, item, 200.0, np.random.default_rng(0))
    drawn = [set(found.rows[found.owner == at].tolist()) for at in range(3)]
    assert drawn == [{0, 1, 2, 5}, set(range(6)), {0, 1, 2, 3, 4}]
    half = outside_candidates(
        known, SlateEntries.of([np.array([], np.int64)] * 4_000), item, 0.5, np.random.default_rng(0)
    )
    assert half.sizes.max() == 1
    assert half.sizes.mean() == pytest.approx(0.5, abs=0.03)
    assert not len(outside_candidates(known, slates, item, 0.0, np.random.default_rng(0)).rows)


def test_items_that_requests_exclude_are_removed_from_their_own_slates() -> None:
    item = np.array([3, 4, 3], np.int32)
    slates = SlateEntries.of([np.array([0, 1]), np.array([2])])
    requests = replace(
        make_requests([], []), excluded=np.array([3, 9, 4]), excluded_indptr=np.array([0, 2, 3])
    )
    kept = without_seen(item, slates, requests, np.zeros(2, bool))
    assert kept.owner.tolist() == [0, 1]
    assert kept.rows.tolist() == [1, 2]
    kept = without_seen(item, slates, requests, np.array([True, False]))
    assert kept.rows.tolist() == [0, 1, 2]

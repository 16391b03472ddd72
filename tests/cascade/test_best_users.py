"""Users are given out in the order of scores, and few users of each item suffice for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.cascade.audience import AudienceRequest
from shortlist.cascade.best_users import BestUsers, best_rows, give_out
from shortlist.distributed.audience_job import AudienceJob

NONE = -np.inf


def test_a_user_goes_where_the_score_is_highest() -> None:
    scores = np.array([[0.9, 0.8], [0.7, 0.85], [0.6, NONE], [NONE, NONE]], np.float32)
    for cap, expected in ((1, [[0, 2], [1]]), (2, [[0, 1], [1, 0]]), (None, [[0, 1], [1, 0]])):
        best = BestUsers(2, 4, 2, cap)
        best.add(0, scores[:3])
        best.add(3, scores[3:])
        assert best.chosen() == expected, cap


def test_of_equal_scores_the_earlier_is_first() -> None:
    assert best_rows(np.array([1, NONE, 2, 1, 2], np.float32)).tolist() == [2, 4, 0, 3]
    assert best_rows(np.array([1, NONE, 2, 1, 2], np.float32), 3).tolist() == [2, 4, 0]


def stable(scores: NDArray[np.float32], n: int, cap: int) -> list[list[int]]:
    """Deferred acceptance (Gale and Shapley, 1962): users propose to items in order, items keep their best n."""
    users, items = scores.shape
    order = {pair: rank for rank, pair in enumerate(best_rows(scores.ravel()).tolist())}
    wishes = {user: sorted(pair for pair in order if pair // items == user) for user in range(users)}
    for user, pairs in wishes.items():
        wishes[user] = sorted(pairs, key=lambda pair: order[pair])
    kept: list[list[int]] = [[] for _ in range(items)]
    held = dict.fromkeys(range(users), 0)
    while True:
        free = [user for user in range(users) if held[user] < cap and wishes[user]]
        if not free:
            return [[pair // items for pair in pairs] for pairs in kept]
        pair = wishes[free[0]].pop(0)
        item = pair % items
        kept[item] = sorted([*kept[item], pair], key=lambda one: order[one])
        held[free[0]] += 1
        if len(kept[item]) > n:
            held[kept[item].pop() // items] -= 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float32], int, int]:
    users, items = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    few = st.sampled_from([NONE, 0.0, 0.25, 0.5, 0.75, 1.0])
    values = draw(st.lists(few, min_size=users * items, max_size=users * items))
    return (
        np.array(values, np.float32).reshape(users, items),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
    )


@settings(max_examples=60)
@given(cases())
def test_the_best_users_of_each_item_suffice(case: tuple[NDArray[np.float32], int, int]) -> None:
    scores, n, cap = case
    users, items = scores.shape
    whole = BestUsers(items, users, n, cap)
    whole.add(0, scores)
    found = whole.chosen()
    assert found == stable(scores, n, cap)
    job = AudienceJob("v", users, users, 0, AudienceRequest([f"i{at}" for at in range(items)], n, cap))
    few = np.full_like(scores, NONE)
    for item in range(items):
        rows = best_rows(scores[:, item], job.depth)
        few[rows, item] = scores[rows, item]
    pairs = best_rows(few.ravel())
    assert give_out(pairs // items, pairs % items, items, n, cap) == found


@pytest.mark.parametrize(("n", "cap", "depth"), [(10, None, 10), (10, 1, 40), (10, 3, 20), (10, 50, 10)])
def test_how_many_users_of_an_item_can_matter(n: int, cap: int | None, depth: int) -> None:
    request = AudienceRequest(["a", "b", "c", "d"], n, cap)
    assert AudienceJob("v", 1_000, 100, 0, request).depth == depth

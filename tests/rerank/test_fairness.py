"""Fair shares: exchanges, their cost, their limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.rerank.fairness import fair_share

UTILITY = hnp.arrays(np.float64, 14, elements=st.floats(-5, 5))


def test_exchanges_computed_by_hand() -> None:
    utility = np.array([10.0, 9.0, 8.0, 7.0, 6.5, 1.0])
    protected = np.array([False, False, False, False, True, True])
    found = fair_share(np.arange(6), utility, protected, 0.25, 0.05, 4)
    # one of four slots is due: the lowest of the others is exchanged for the best protected item
    assert found.order.tolist() == [0, 1, 2, 4]
    assert found.reached == 0.25
    assert found.price == pytest.approx(0.5 / 34)
    # two exchanges would lose 0.5 + 7 of 34, above the limit of a tenth: the second one is not made
    assert fair_share(np.arange(6), utility, protected, 0.5, 0.1, 4).order.tolist() == [0, 1, 2, 4]
    assert fair_share(np.arange(6), utility, protected, 0.5, 0.5, 4).order.tolist() == [0, 1, 5, 4]
    assert fair_share(np.arange(6), utility, protected, 0.5, 0.0, 4).order.tolist() == [0, 1, 2, 3]
    assert fair_share(np.empty(0, np.int64), utility, protected, 0.5, 0.1, 4).reached == 0.0


@given(UTILITY, st.integers(0, 2**14 - 1), st.floats(0.05, 1), st.floats(0, 1), st.integers(1, 14))
def test_a_fair_share_loses_at_most_the_permitted_utility(
    utility: NDArray[Any], bits: int, share: float, most_loss: float, n: int
) -> None:
    protected = np.array([bool(bits >> i & 1) for i in range(14)])
    order = np.argsort(-utility, kind="stable")
    found = fair_share(order, utility, protected, share, most_loss, n)
    assert len(set(found.order.tolist())) == len(found.order) == n
    before, after = utility[order[:n]].sum(), utility[found.order].sum()
    assert before - after <= most_loss * max(before, 0) + 1e-9
    due, reached = int(np.ceil(share * n - 1e-9)), int(protected[found.order].sum())
    present = int(protected[order[:n]].sum())
    assert present <= reached <= max(due, present)
    if most_loss == 1 and before > 0 and (utility >= 0).all():
        assert reached >= min(due, int(protected.sum()))


def test_a_share_of_all_pages() -> None:
    """Of ten slots, four were shown with one protected item: half of all ten are five, four of them on this page."""
    utility = np.ones(12)
    protected = np.arange(12) >= 6
    counts = [
        int(protected[fair_share(np.arange(12), utility, protected, 0.5, 1.0, 6, earlier).order].sum())
        for earlier in ((0, 0), (4, 1), (4, 4), (6, 6))
    ]
    assert counts == [3, 4, 1, 0]

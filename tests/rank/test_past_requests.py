"""How many past requests become examples, and how many negatives each of them keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.config.rank import RankSettings
from shortlist.rank.past_requests import POSITIVES_PER_REQUEST, within_limit


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        (100, (100, 60)),  # 7,000 rows
        (200, (200, 40)),  # 10,000 rows: 50 a request
        (400, (400, 15)),  # 25 a request
        (5_000, (400, 15)),  # a quarter of the negatives, and not less
    ],
)
def test_requests_keep_fewer_negatives_before_requests_are_left_out(
    requests: int, expected: tuple[int, int]
) -> None:
    assert within_limit(requests, RankSettings(negatives=60, max_rows=10_000)) == expected


@given(st.integers(0, 10**7), st.integers(1, 500), st.integers(1_000, 10**6))
def test_examples_stay_within_the_limit(requests: int, negatives: int, most: int) -> None:
    size, kept = within_limit(requests, RankSettings(negatives=negatives, max_rows=most))
    assert size <= requests
    assert negatives <= 4 * kept
    assert kept <= negatives
    assert size * (kept + POSITIVES_PER_REQUEST) <= most or size == 1
    if size < requests:
        assert kept == -(-negatives // 4)

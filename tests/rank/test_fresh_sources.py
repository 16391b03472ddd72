"""Sources by the moment of a request."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.rank.fresh_sources import FreshSources
from shortlist.retrieve import ALS, Popular

START = 1_750_000_000_000
MINUTE = 60_000


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """One event a minute for 100 minutes: item a until minute 50, then item b."""
    events = pa.table(
        {
            "user_id": [f"u{minute % 7}" for minute in range(100)],
            "item_id": ["a" if minute < 50 else "b" for minute in range(100)],
            "timestamp": [START + minute * MINUTE for minute in range(100)],
        }
    )
    return Dataset.from_frames(
        events, project=parse_project({"data": {"columns": {"timestamp": "timestamp"}}})
    )


def fresh(dataset: Dataset, refits: int) -> FreshSources:
    """Sources that were fitted on the first 40 minutes, for a window of minutes 40 to 100."""
    past = dataset.before(START + 40 * MINUTE)
    sources = {"popular": Popular().fit(past), "als": ALS(factors=2).fit(past)}
    return FreshSources(sources, dataset, (START + 40 * MINUTE, START + 100 * MINUTE), refits)


def test_a_source_knows_what_was_before_the_part_of_its_request(dataset: Dataset) -> None:
    moments = START + MINUTE * np.array([40, 45, 60, 99])
    batches = list(fresh(dataset, 3).batches(moments, 2))
    assert [(start, end) for start, end, _ in batches] == [(0, 2), (2, 3), (3, 4)]
    counts = [sources["popular"].counts_[-1].tolist() for *_, sources in batches]  # type: ignore[attr-defined]
    assert counts == [[40, 0], [50, 10], [50, 30]]  # as of minutes 40, 60 and 80
    assert len({id(sources["als"]) for *_, sources in batches}) == 1  # takes longer than a pass: fitted once


def test_without_refits_and_for_moments_in_no_order_sources_stay(dataset: Dataset) -> None:
    moments = START + MINUTE * np.array([40, 45, 60, 99])
    for sources, asked in ((fresh(dataset, 0), moments), (fresh(dataset, 3), moments[::-1])):
        batches = list(sources.batches(asked, 3))
        assert [(start, end) for start, end, _ in batches] == [(0, 3), (3, 4)]
        assert all(s["popular"].counts_[-1].tolist() == [40, 0] for *_, s in batches)  # type: ignore[attr-defined]
    assert list(fresh(dataset, 3).batches(moments[:0], 3)) == []


@given(
    st.lists(st.integers(40, 99), min_size=1, max_size=20).map(sorted),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_no_source_sees_its_request(dataset: Dataset, minutes: list[int], refits: int, size: int) -> None:
    """Batches are the requests in their order, and no source has counted an event of the request's moment or later."""
    moments = START + MINUTE * np.array(minutes, np.int64)
    seen = []
    for start, end, sources in fresh(dataset, refits).batches(moments, size):
        assert end - start <= size
        seen += list(range(start, end))
        counted = sources["popular"].counts_[-1].sum()  # type: ignore[attr-defined]
        assert 40 <= counted <= minutes[start]
    assert seen == list(range(len(minutes)))


def test_a_refreshed_model_keeps_the_half_life_that_was_found() -> None:
    """The items of a log change every day; on the end of it alone, there are too few events to tell."""
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, 60, 3_000))
    events = pa.table(
        {
            "user_id": rng.integers(0, 200, 3_000),
            "item_id": day + rng.integers(0, 5, 3_000),
            "timestamp": START + day * 24 * 60 * MINUTE,
        }
    )
    log = Dataset.from_frames(
        events, project=parse_project({"data": {"columns": {"timestamp": "timestamp"}}})
    )
    found = Popular(half_life="auto").fit(log)
    early = log.before(START + 5 * 24 * 60 * MINUTE)
    assert len(early.log) < 500
    decay = found.decay_on(log.log)
    age = decay.half_life or decay.window
    assert age is not None
    assert age < 10 * 24 * 60 * MINUTE
    weights = decay.weights(early.log.time[-1] - early.log.time)
    refreshed = found.refreshed(early)
    assert refreshed is not None
    expected = np.bincount(early.log.item, weights, len(early.items))[None]
    np.testing.assert_allclose(refreshed.counts_, expected, rtol=1e-6)
    assert not np.allclose(Popular(half_life="auto").fit(early).counts_, expected)
    lasting = Popular(half_life="auto").fit(early)  # too few events: age does not matter
    again = lasting.refreshed(log)
    assert again is not None
    np.testing.assert_array_equal(again.counts_, Popular().fit(log).counts_)

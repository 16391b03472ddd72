"""From sums of groups to values: the mean is that over people, and groups of one are the people."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.evaluate.on_spark.grouped import group_values, judged_groups
from shortlist.evaluate.on_spark.job import history_thirds
from shortlist.evaluate.slices import SliceColumn

VALUES = st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=40)


@given(VALUES, st.integers(1, 8))
def test_the_mean_of_groups_is_the_mean_over_people(given_values: list[float | None], groups: int) -> None:
    values = np.array([np.nan if value is None else value for value in given_values])
    known, owner = ~np.isnan(values), np.arange(len(values)) % groups
    total = np.bincount(owner[known], values[known], groups).astype(np.float64)
    found = group_values(total, np.bincount(owner[known], minlength=groups).astype(np.float64))
    if known.any():
        assert np.nanmean(found) == pytest.approx(values[known].mean(), abs=1e-9)
    else:
        assert np.isnan(found).all()


@given(VALUES)
def test_groups_of_one_are_the_people(given_values: list[float | None]) -> None:
    values = np.array([np.nan if value is None else value for value in given_values])
    found = group_values(np.nan_to_num(values), (~np.isnan(values)).astype(float))
    np.testing.assert_allclose(found, values, atol=1e-9)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_thirds_are_those_of_the_whole_list(sizes: list[int]) -> None:
    found, counts = np.unique(sizes, return_counts=True)
    known = [size for size in sizes if size > 0]
    expected = tuple(int(q) for q in np.quantile(known, [1 / 3, 2 / 3])) if known else None
    assert history_thirds(found, counts.astype(float)) == expected


def test_slices_of_few_people_are_left_out() -> None:
    rows = [(p, name, 0, 0.5 + 0.1 * name, 1) for name in (0, 1) for p in range(30)]
    rows += [(p, name, 1, 0.4, 1) for name in (0, 1) for p in range(25)]
    rows += [(p, name, 2, 0.4, 1) for name in (0, 1) for p in range(5)]
    found = pa.table(
        dict(zip(("person", "name", "metric", "total", "n"), map(list, zip(*rows, strict=True)), strict=True))
    )
    parts = [
        SliceColumn.of_group("activity", "few", "people"),
        SliceColumn.of_group("activity", "many", "people"),
    ]
    judged = judged_groups(found, ["a", "b"], ["ndcg@10", *(part.key for part in parts)], parts, 100, 0)
    assert judged.people == 30
    assert [part.name for part in judged.parts] == ["few"]
    assert judged.sizes == {parts[0].key: 25}
    assert judged.measured.mean("b", "ndcg@10") == pytest.approx(0.6)

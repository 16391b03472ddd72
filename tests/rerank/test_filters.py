"""Filters of requests."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.data.dataset import Dataset
from shortlist.errors import RequestError
from shortlist.rerank.filters import allowed_items


def test_filters_select_items_and_errors_name_the_field(dataset: Dataset) -> None:
    items = dataset.items
    comedies = allowed_items(items, {"genres": {"any": ["Comedy"]}}, None)
    assert comedies is not None
    assert all(
        ("Comedy" in items.attributes["genres"].show(i)) == bool(comedies[i]) for i in range(len(items))
    )
    late = allowed_items(items, {"arrived": {"min": "2026-01-10"}, "minutes": {"max": 100}}, None)
    assert late is not None
    assert all(
        items.attributes["arrived"].show(i) >= "2026-01-10" and items.attributes["minutes"].show(i) <= 100
        for i in np.flatnonzero(late).tolist()
    )
    for bad, field in (
        ({"colour": {"any": []}}, "filters.colour"),
        ({"minutes": {"max": "x"}}, "filters.minutes.max"),
        ({"genres": {"any": "Comedy"}}, "filters.genres.any"),
        ({"genres": {"min": 1}}, "filters.genres"),
        ({"genres": 1}, "filters.genres"),
    ):
        with pytest.raises(RequestError) as error:
            allowed_items(items, bad, None)
        assert error.value.field == field

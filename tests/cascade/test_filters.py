"""A prediction is a property of person, item and moment, and whatever is allowed can fill a slate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.config.request_defaults import MAX_N
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender

USER = "u00003"
VISITOR_HISTORY = ["m00001", "m00007", "m00012"]


def predictions(recommender: Recommender, now: int, **request: Any) -> dict[Any, tuple[float, ...]]:
    slate = recommender.recommend(now=now, explore=0.0, **request)
    return {r.item: tuple(r.predictions.values()) for r in slate}


def assert_equal_where_both(
    one: dict[Any, tuple[float, ...]], other: dict[Any, tuple[float, ...]], least: int = 1
) -> None:
    common = sorted(set(one) & set(other))
    assert len(common) >= least
    np.testing.assert_allclose([one[i] for i in common], [other[i] for i in common], atol=1e-6)


@pytest.mark.parametrize("person", [{"user": USER}, {"history": VISITOR_HISTORY}, {"after": "m00007"}, {}])
def test_a_filter_moves_no_prediction(recommender: Recommender, person: dict[str, Any]) -> None:
    now = recommender.now()
    whole = predictions(recommender, now, n=MAX_N, **person)
    genre = predictions(recommender, now, n=MAX_N, filters={"genres": {"any": ["Horror"]}}, **person)
    assert_equal_where_both(whole, genre, least=10)
    for item in list(genre)[:3]:
        alone = predictions(recommender, now, n=1, filters={"items": {"any": [item]}}, **person)
        assert list(alone) == [item]
        assert_equal_where_both(alone, genre)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=st.sets(st.integers(0, 299), min_size=1, max_size=60), n=st.integers(1, MAX_N))
def test_any_list_and_any_n(recommender: Recommender, dataset: Dataset, codes: set[int], n: int) -> None:
    """Whatever the list and its length, predictions are those of the unfiltered request; the slate is as long as it can be."""
    now, items = recommender.now(), dataset.items.ids.ids(np.array(sorted(codes)))
    listed = predictions(recommender, now, user=USER, n=n, filters={"items": {"any": items}})
    seen = set(dataset.items.ids.ids(np.asarray(dataset.histories.item[slice(*_span(dataset))])))
    assert len(listed) == min(n, len(set(items) - seen))
    whole = predictions(recommender, now, user=USER, n=MAX_N)
    assert_equal_where_both(listed, whole, least=0)


def _span(dataset: Dataset) -> tuple[int, int]:
    code, indptr = dataset.users.ids.code(USER), dataset.histories.indptr
    return int(indptr[code]), int(indptr[code + 1])


def test_more_items_than_candidates(world: Any, dataset: Dataset, recommender: Recommender) -> None:
    """A project with 20 candidates answers a request for 100 items, and its predictions are those of a request for 10."""
    project = recommender.project
    few = replace(
        recommender.model,
        project=project.model_copy(
            update={"retrieve": project.retrieve.model_copy(update={"candidates": 20})}
        ),
    )
    small = Recommender.of(few)
    now = small.now()
    long = predictions(small, now, user=USER, n=100)
    assert len(long) == 100
    assert_equal_where_both(long, predictions(small, now, user=USER, n=10), least=5)
    together = small.recommend(users=[USER, "u00004"], n=100, now=now, explore=0.0)
    assert [r.item for r in together[0]] == [
        r.item for r in small.recommend(USER, n=100, now=now, explore=0.0)
    ]


def test_new_items_that_no_source_proposes(bundle: Any) -> None:
    """A stranger who filters on twenty items that were just added gets as many of them as requested."""
    recommender = Recommender.load(bundle)
    added = [f"new{number:02}" for number in range(20)]
    for item in added:
        recommender.change_item(item, {"title": item, "genres": ["Horror"]})
    slate = recommender.recommend(n=10, filters={"items": {"any": added}})
    assert len(slate) == 10
    assert {r.item for r in slate} <= set(added)
    assert len(recommender.recommend(n=50, filters={"items": {"any": added}})) == 20

"""What holds for every retriever, whatever the shape of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.dataset import Dataset
from shortlist.retrieve import RETRIEVERS, Retriever, top_k
from support.interactions import make_requests
from support.retrievers import check_lists, frame, made, ordered_models


@pytest.mark.parametrize("name", list(RETRIEVERS))
def test_save_and_load_change_nothing(name: str, dataset: Dataset, tmp_path: Path) -> None:
    model: Retriever = made(name).fit(dataset)
    model.save(tmp_path / name)
    requests = make_requests([0, 1, 2], [5], [])
    np.testing.assert_array_equal(
        RETRIEVERS[name].load(tmp_path / name).score(requests), model.score(requests)
    )


@pytest.mark.parametrize("name", list(RETRIEVERS))
def test_a_strict_filter_still_fills_the_list(name: str, dataset: Dataset) -> None:
    model = made(name).fit(dataset)
    allowed = np.zeros(len(dataset.items), bool)
    allowed[:30] = True
    found = model.retrieve(
        make_requests(
            [40, 41, 42, 3], allowed=allowed, excluded_indptr=np.array([0, 2]), excluded=np.array([3, 4])
        ),
        20,
    ).item[0]
    found = found[found >= 0]
    assert set(found.tolist()) <= set(range(30)) - {3, 4}
    assert len(set(found.tolist())) == len(found)
    if name == "popular":
        assert len(found) == 20


SHAPES = {
    "one user": [("u", "a"), ("u", "b")],
    "one item": [("u", "a"), ("v", "a")],
    "one event": [("u", "a")],
    "a history of every item": [("u", i) for i in "abcd"] + [("v", "a"), ("w", "b")],
    "duplicates": [("u", "a")] * 5 + [("v", "a"), ("v", "b"), ("u", "b")],
    "nothing shared": [("u", "a"), ("v", "b"), ("w", "c")],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", list(RETRIEVERS))
def test_unusual_data_sets_can_be_fitted(name: str, shape: str) -> None:
    dataset = frame(SHAPES[shape], ["a", "b", "c", "d", "never"])
    model = made(name).fit(dataset)
    check_lists(model, make_requests([], [0], [0, 0, 1], list(range(5))), 5)


@pytest.mark.parametrize("name", list(RETRIEVERS))
def test_retrieve_score_and_score_items_agree(name: str, dataset: Dataset) -> None:
    """retrieve, score and score_items are three views of the same numbers."""
    model = made(name).fit(dataset)
    requests = make_requests([0, 1, 2], [5, 9], [])
    dense = model.score(requests)
    found, cut = model.retrieve(requests, 15), top_k(dense, requests, 15)
    np.testing.assert_allclose(found.score, cut.score, rtol=1e-4, atol=1e-6)
    some = np.array([[3, 4, -1], [7, 0, 9], [1, 2, 3]])
    picked = np.where(some >= 0, np.take_along_axis(dense, np.maximum(some, 0), 1), -np.inf)
    kept = model.score_items(requests, some)
    np.testing.assert_allclose(kept, picked, rtol=1e-4, atol=1e-6)
    # what a model keeps of the proposals for the scores of given items changes nothing
    np.testing.assert_array_equal(kept, model.score_items(make_requests([0, 1, 2], [5, 9], []), some))


@pytest.mark.parametrize(
    "name", [n for n in RETRIEVERS if n not in {"sequence", "sequential_slim", "transformer", "two_tower"}]
)
@given(st.permutations([0, 3, 5, 7, 11]))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter(name: str, order: list[int]) -> None:
    model = ordered_models()[name]
    np.testing.assert_allclose(
        model.score(make_requests(order)), model.score(make_requests([0, 3, 5, 7, 11])), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", list(RETRIEVERS))
def test_a_second_fit_leaves_nothing_of_the_first(name: str, dataset: Dataset) -> None:
    requests = make_requests([0, 1, 2], [5])
    twice = made(name).fit(dataset.before(int(dataset.log.time[len(dataset.log) // 2])))
    twice.score(requests)
    np.testing.assert_array_equal(twice.fit(dataset).score(requests), made(name).fit(dataset).score(requests))

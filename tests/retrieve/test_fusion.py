"""Retrievers: matrices small enough to check by hand, dense references, and what must hold for any history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.retrieve import MODELS, Content, Neighbours, Popular, Retriever, make_retrievers
from shortlist.retrieve.base import best
from shortlist.retrieve.fusion.blend import blend
from support.interactions import make_requests

#        a  b  c  d
TAKEN = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c"), ("w", "c")]


@pytest.fixture(scope="module")
def small() -> Dataset:
    events = pa.table(
        {
            "user_id": [t[0] for t in TAKEN],
            "item_id": [t[1] for t in TAKEN],
            "timestamp": [1.6e9 + 86_400 * i for i in range(6)],
        }
    )
    items = pa.table(
        {"item_id": ["a", "b", "c", "d"], "text": ["red fox", "red hen", "blue hen", "blue hen"]}
    )
    users = pa.table({"user_id": ["u", "v", "w"], "sex": ["f", "m", "m"]})
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": {"text": "text"}},
            "users": {"id": "user_id", "attributes": {"sex": "category"}},
        }
    )
    return Dataset.from_frames(events, items, users, project)


def test_popular_by_hand(small: Dataset) -> None:
    np.testing.assert_allclose(
        Popular().fit(small).score(make_requests([])), [[2 / 6, 2 / 6, 2 / 6, -np.inf]]
    )
    decayed = Popular(half_life="1d").fit(small).score(make_requests([]))[0]
    ages = np.arange(5, -1, -1.0)
    total = (2**-ages).sum()
    np.testing.assert_allclose(
        decayed[:3], [(2**-5 + 2**-3) / total, (2**-4 + 2**-2) / total, (2**-1 + 1) / total], rtol=1e-6
    )


def test_popular_by_segment(small: Dataset) -> None:
    model = Popular(by="sex", prior=0.0).fit(small)
    women = model.score(
        make_requests([], attributes={"sex": small.users.attributes["sex"].take(np.array([0]))})
    )
    np.testing.assert_allclose(women, [[0.5, 0.5, -np.inf, -np.inf]])
    unknown = model.score(
        make_requests([], attributes={"sex": small.users.attributes["sex"].take(np.array([-1]))})
    )
    np.testing.assert_allclose(unknown[0, :3], 1 / 3)


def test_neighbours_by_hand(small: Dataset) -> None:
    model = Neighbours(shrink=0.0, power=0.5, spread=0.0).fit(small)
    cosine = np.array([[0, 1, 0.5, 0], [1, 0, 0.5, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(model.weights.toarray(), cosine, atol=1e-6)
    np.testing.assert_allclose(model.score(make_requests([0, 2]))[0], [0.5, 1.5, 0.5, -np.inf], rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 20), st.integers(1, 8))
def test_neighbours_against_dense(seed: int, shrink: float, k: int) -> None:
    X = (np.random.default_rng(seed).random((12, 7)) < 0.4).astype(np.float64)
    X[0] = 1
    users, items = np.nonzero(X)
    dataset = Dataset.from_frames(pa.table({"user_id": users, "item_id": items}))
    X = X[:, dataset.items.ids.values.to_pylist()]
    co, counts = X.T @ X, X.sum(0)
    reference = co / (np.sqrt(np.outer(counts, counts)) + shrink)
    np.fill_diagonal(reference, 0)
    ours = Neighbours(shrink=shrink, k=k, power=0.5, spread=0.0).fit(dataset).weights.toarray()
    kept = ours > 0
    np.testing.assert_allclose(ours[kept], reference[kept], rtol=1e-5)
    for row in range(7):  # the k largest, whichever of equals
        np.testing.assert_allclose(
            np.sort(ours[row])[::-1][:k], np.sort(reference[row])[::-1][:k], rtol=1e-5, atol=1e-7
        )


def test_content_finds_alike_and_new_items(small: Dataset) -> None:
    model = Content().fit(small)
    scores = model.score(make_requests([0]))[0]
    assert scores[1] > 0 > scores[2]  # "red" is shared with b, nothing with c
    assert model.score(make_requests([2]))[0, 3] == pytest.approx(
        1.0
    )  # d was taken by nobody and reads like c
    assert model.similar(3).argmax() in {2, 3}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", list(MODELS))
def test_save_and_load_change_nothing(name: str, dataset: Dataset, tmp_path: Path) -> None:
    model: Retriever = MODELS[name]().fit(dataset)
    model.save(tmp_path / name)
    requests = make_requests([0, 1, 2], [5], [])
    np.testing.assert_array_equal(MODELS[name].load(tmp_path / name).score(requests), model.score(requests))


@pytest.mark.parametrize("name", list(MODELS))
def test_filters_hold_and_a_strict_one_still_fills(name: str, dataset: Dataset) -> None:
    model = MODELS[name]().fit(dataset)
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


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30), st.integers(1, 35))
def test_best_is_the_sorted_head(values: list[float], k: int) -> None:
    scores = np.array([values], np.float32)
    found = best(scores, make_requests([]), k)
    order = np.lexsort([np.arange(len(values)), -scores[0]])[:k]
    assert found.item[0].tolist() == order.tolist()


def test_blend_keeps_each_source(dataset: Dataset) -> None:
    models: dict[str, Retriever] = {
        "popular": Popular().fit(dataset),
        "neighbours": Neighbours().fit(dataset),
    }
    requests = make_requests([1, 2], [])
    blended = blend(models, requests, 50)
    for source, model in enumerate(models.values()):
        alone = model.retrieve(requests, 50).item
        for row in range(2):
            for place in range(50):
                item, rank = blended.item[row, place], blended.ranks[row, place, source]
                if item >= 0 and not np.isnan(rank):
                    assert alone[row, int(rank)] == item
    assert np.isnan(blended.ranks[1, :, 1]).all()  # an empty history has no neighbours


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"model": "magic"}, "there are: popular"),
        ({"model": "als", "factors": 0}, "factors"),
        ({"model": "als", "x": 1}, "x: there is no such setting"),
    ],
)
def test_sources_are_checked(source: dict[str, object], words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        make_retrievers([source])

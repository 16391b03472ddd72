"""Models answer on a catalogue that is longer than the one they were fitted on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities, EntityChange
from shortlist.retrieve import ALS, RETRIEVERS, SLIM, Content, Fuse, Neighbours, Retriever
from support.interactions import make_requests, random_interactions
from support.retrievers import made

ADDED = 7


def fitted(name: str, dataset: Dataset) -> Retriever:
    if name == "blend":
        return Fuse({"slim": SLIM(), "als": ALS(factors=8), "neighbours": Neighbours()}).fit(dataset)
    return made(name).fit(dataset)


@pytest.mark.parametrize("name", [*RETRIEVERS, "blend"])
def test_items_added_since_have_no_score_and_change_no_answer(name: str, dataset: Dataset) -> None:
    model, n = fitted(name, dataset), len(dataset.items)
    plain = make_requests([1, 2, 3], [4])
    longer = make_requests(
        [1, n + 2, 2, 3],
        [4],
        allowed=np.ones(n + ADDED, bool),
        excluded_indptr=np.array([0, 2, 2]),
        excluded=np.array([n, n + ADDED - 1]),
    )
    if name in {"sequence", "sequential_slim", "content"}:  # the place of an event in the history counts
        plain = longer.within(n)
    elif name == "blend":
        longer = make_requests([1, 2, 3], [4], allowed=np.ones(n + ADDED, bool))
    a, b = model.retrieve(plain, 20), model.retrieve(longer, 20)
    np.testing.assert_array_equal(a.item, b.item)
    np.testing.assert_allclose(a.score, b.score, rtol=1e-5)
    given = np.array([[5, n, n + ADDED - 1], [n + 1, 6, -1]])
    scores = model.score_items(longer, given)
    assert np.isneginf(scores[given >= n]).all()
    assert model.similar(n + 1) is None
    owner, items = np.array([0, 0, 1]), np.array([5, n + 1, n + 2])
    strongest = model.strongest(longer, owner, items)
    assert strongest[1] == strongest[2] == -1
    shares = model.explain(longer, 0, items)
    if shares is not None and name != "blend":
        assert not shares[:, 1].any() or name == "content"
        assert not shares[1:].any()
    alone = model.retrieve(make_requests([n + 1]), 5)
    if name not in {"popular", "blend"}:  # a history of unknown items is an empty one
        assert (alone.item == -1).all()


@pytest.mark.parametrize("name", [n for n in RETRIEVERS if n != "content"])
def test_other_models_stay_as_they_are(name: str, dataset: Dataset) -> None:
    model = made(name).fit(dataset)
    assert model.with_items(dataset.items) is model


def catalogue(n: int) -> Dataset:
    words = ["red", "blue", "old", "new", "fox", "hen"]
    rows, columns = random_interactions(0, 200, 100, 0.1).nonzero()
    items = pa.table(
        {
            "item_id": np.arange(n),
            "kind": [words[i % 3] for i in range(n)],
            "price": np.arange(n, dtype=np.float64) % 50,
            "text": [f"{words[i % 5]} {words[(i * 7) % 6]} w{i % 97}" for i in range(n)],
        }
    )
    attributes = {"kind": "category", "price": "number", "text": "text"}
    project = parse_project({"items": {"id": "item_id", "attributes": attributes}})
    return Dataset.from_frames(pa.table({"user_id": rows, "item_id": columns}), items, project=project)


def appended(items: Entities, count: int) -> Entities:
    def change(i: int) -> EntityChange:
        values: dict[str, Any] = {"kind": "red", "price": 3.0, "text": f"red fox w{i % 97}"}
        return EntityChange(i, None, values)

    return items.with_changes([change(len(items) + i) for i in range(count)])


@pytest.mark.parametrize("learned", [True, False])
def test_content_knows_appended_items_as_if_they_had_been_there(*, learned: bool) -> None:
    dataset = catalogue(300)
    model = Content(learned=learned).fit(dataset)
    items, chain = dataset.items, model
    for count in (1, 3, 1, 40, 2, 1):
        items = appended(items, count)
        chain = chain.with_items(items)
    at_once = model.with_items(items)
    requests = make_requests([1, 2, 3], [40, 310])
    for view in (Content.score, Content.similar):
        argument: Any = requests if view is Content.score else 305
        found, expected = view(chain, argument), view(at_once, argument)
        assert found is not None
        assert expected is not None
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert at_once.score(requests).shape[1] == len(items) == 348
    assert model.score(requests).shape[1] == 300
    assert (at_once.retrieve(requests, 400).item[0] >= 300).any()
    of_one, of_chain = (model.explain(requests, 1, np.array([5, 320])) for model in (at_once, chain))
    assert of_one is not None
    assert of_chain is not None
    np.testing.assert_allclose(of_one, of_chain, rtol=1e-5)


def test_appending_costs_the_appended_items() -> None:
    """One item on 60,000 costs about as much as on 600; the arrays of the trained catalogue are shared."""
    seconds = []
    for n in (600, 60_000):
        dataset = catalogue(n)
        model = Content(learned=False).fit(dataset)
        items, took = dataset.items, []
        for _ in range(12):
            items = appended(items, 1)
            started = time.perf_counter()
            longer = model.with_items(items)
            took.append(time.perf_counter() - started)
        assert longer.vectors_ is model.vectors_
        assert longer._chunks[0] is model._chunks[0]
        seconds.append(float(np.median(took[2:])))
    assert seconds[1] < 4 * seconds[0] + 0.003

"""Content: similar descriptions, and items without events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from shortlist.config.data import DataSettings
from shortlist.config.project import Project, parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.guess.project import guess_project
from shortlist.data.ids import IdMap
from shortlist.data.tables import read_tables
from shortlist.evaluate.cold_start import cold_start
from shortlist.retrieve import Content, EventWeighting
from shortlist.retrieve.item_vectors import hashed_counts
from shortlist.retrieve.kernels.cooccurrence import csr_arrays
from shortlist.retrieve.kernels.descriptions import add_standardised, dense_product
from shortlist.simulate.world import World
from support.interactions import make_requests
from support.retrievers import small_dataset


def test_content_finds_similar_and_new_items() -> None:
    model = Content().fit(small_dataset())
    scores = model.score(make_requests([0]))[0]
    assert scores[1] > 0 > scores[2]  # "red" is shared with b, nothing with c
    assert model.score(make_requests([2]))[0, 3] == pytest.approx(
        1.0
    )  # d has no events and the description of c
    similarity = model.similar(3)
    assert similarity is not None
    assert int(similarity.argmax()) in {2, 3}


def test_no_model_reads_links() -> None:
    """The host of all pictures makes no items similar; a link that is named is read, as a text."""
    events = [{"user_id": "u", "item_id": "a"}]
    items = [
        {"item_id": k, "about": about, "photo": f"https://images.example.com/{k}.png"}
        for k, about in (("a", "red pan"), ("b", "red lid"), ("c", "bike"))
    ]
    attributes = {"about": "text", "photo": "link"}
    project = parse_project({"items": {"id": "item_id", "attributes": attributes}})
    dataset = Dataset.from_frames(events, items, project=project)
    assert dataset.items.attributes["photo"].show(0) == "https://images.example.com/a.png"
    similarity = Content(learned=False).fit(dataset).similar(0)
    assert similarity is not None
    assert similarity[1] > 0 == similarity[2]
    named = Content(attributes=["photo"], learned=False).fit(dataset).similar(0)
    assert named is not None
    assert named[2] > 0


def test_a_described_new_item_is_found_without_refitting(world: World, dataset: Dataset) -> None:
    model = Content().fit(dataset)
    assert model.factor_map_.size, "the world has enough described items to learn a map"
    # a copy of item 0 without events: the same description, so nearly the same score
    n = len(dataset.items)
    twin = dataset.items.attributes

    rows = np.append(np.arange(n), 0)

    grown = replace(
        dataset,
        items=replace(
            dataset.items,
            ids=IdMap(pa.array([*dataset.items.ids.values.to_pylist(), "twin"])),
            titles=dataset.items.titles.extended(["twin"]),
            attributes={name: a.take(rows) for name, a in twin.items()},
        ),
    )
    scores = model.with_items(grown.items).score(make_requests([5, 6, 7]))
    assert scores.shape[1] == n + 1
    assert scores[0, n] == pytest.approx(scores[0, 0], rel=1e-4, abs=1e-4)


def test_new_items_are_found_on_movielens(movielens: Path) -> None:
    """A tenth of the films hidden from training: recall@50 of the hidden ones at least five times chance."""

    project = parse_project_of(movielens)
    found = cold_start(Dataset.from_project(project), EventWeighting.of(project.retrieve), k=50)
    assert found.hidden_items == pytest.approx(168, abs=2)
    assert found.recall.value >= 5 * found.random, (found.recall.value, found.random)


def parse_project_of(folder: Path) -> Project:
    sources = {"events": str(folder / "events.parquet"), "items": str(folder / "items.parquet")}
    tables = read_tables(DataSettings(**sources))
    project = guess_project(tables.events, tables.items, tables.users)
    return project.model_copy(update={"data": project.data.model_copy(update=sources)})


@given(st.lists(st.lists(st.text(min_size=1), max_size=6), min_size=1, max_size=6), st.integers(4, 16))
def test_tokens_are_counted_where_scikit_learn_counts_them(texts: list[list[str]], bits: int) -> None:
    reference = HashingVectorizer(
        n_features=2**bits, analyzer=lambda tokens: tokens, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    found = hashed_counts(texts, bits)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), reference.toarray())


def test_the_dense_product_equals_that_of_scipy_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    left, right = (
        sp.random(*shape, 0.3, "csr", np.float32, random_state=rng) for shape in ((9, 40), (40, 25))
    )
    found = np.zeros((9, 30), np.float32)
    dense_product(0, 9, csr_arrays(left), csr_arrays(right), 3, found)
    np.testing.assert_array_equal(found[:, 3:28], (left @ right).toarray())
    assert not found[:, [0, 1, 2, 28, 29]].any()


def test_similarities_are_added_in_units_of_their_spread() -> None:
    rng = np.random.default_rng(1)
    learned, cosine = (rng.normal(3, 7, (4, 50)).astype(np.float32) for _ in range(2))
    cosine[2] = 0  # nothing in common with any item
    described, known = rng.random(50) < 0.8, np.array([True, False, True, True])
    units = [
        (x - x.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), 1e-9) for x in (learned, cosine)
    ]
    expected = np.where(described & known[:, None], units[0] + 0.2 * units[1], -np.inf)
    scores = learned.copy()
    add_standardised(0, 4, scores, cosine, 0.2, known, described)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)

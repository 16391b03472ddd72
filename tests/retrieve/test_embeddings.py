"""Embeddings: dense vectors of items in similarity, histories, the map to factors, and diversity."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.config.rerank import RerankSettings
from shortlist.data.attributes import Attribute, EmbeddingAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.entities import EntityChange
from shortlist.errors import DataError, RequestError
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Content
from shortlist.retrieve.embeddings import EmbeddingVectorizer, unit_or_zero
from support.interactions import make_requests

WORDS = ["red fox", "red hen", "blue hen", "blue fox", "", "green owl"]
MEANINGS: list[list[float] | None] = [[3, 1, 0], [1, 1, 2], [0, 2, 1], None, [0, 0, 5], [-1, 4, 1]]


def described(texts: list[str], vectors: list[Any], events: list[tuple[str, str]]) -> Dataset:
    attributes = {"about": "text", "meaning": "embedding"}
    items = [
        {"item_id": f"i{at}", "about": text, "meaning": vector}
        for at, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    rows = [
        {"user_id": user, "item_id": item, "timestamp": 1.6e9 + at} for at, (user, item) in enumerate(events)
    ]
    project = parse_project(
        {
            "data": {"columns": {"timestamp": "timestamp"}},
            "items": {"id": "item_id", "attributes": attributes},
        }
    )
    return Dataset.from_frames(rows, items, project=project)


def few() -> Dataset:
    return described(WORDS, MEANINGS, [("u", "i0"), ("u", "i2"), ("v", "i1")])


def expected_vectors(share: float) -> NDArray[np.float64]:
    """The vectors of `few`, computed one by one: words counted by hand, then weighted, scaled and joined."""
    vocabulary = sorted({word for text in WORDS for word in text.split()})
    counts = np.array([[text.split().count(word) for word in vocabulary] for text in WORDS], float)
    words = counts * (np.log((1 + len(WORDS)) / (1 + (counts > 0).sum(0))) + 1)
    units = [None if m is None else np.array(m) / np.linalg.norm(m) for m in MEANINGS]
    mean = np.mean([u for u in units if u is not None], axis=0)
    found = []
    for row, unit in zip(words, units, strict=True):
        length = np.linalg.norm(row)
        sparse = row / length if length else row
        dense = np.zeros(3) if unit is None else (unit - mean) / np.linalg.norm(unit - mean)
        if length and unit is not None:
            sparse, dense = np.sqrt(1 - share) * sparse, np.sqrt(share) * dense
        found.append(np.concatenate([sparse, dense]))
    return np.array(found)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_similarity_is_that_of_words_and_embeddings(share: float) -> None:
    model = Content(learned=False, embedding_share=share).fit(few())
    vectors = expected_vectors(share)
    for item in range(len(WORDS)):
        found = model.similar(item)
        assert found is not None
        np.testing.assert_allclose(found, vectors @ vectors[item], atol=1e-6)


def test_a_history_is_the_mean_of_its_items() -> None:
    model = Content(learned=False, embedding_share=0.3).fit(few())
    vectors = expected_vectors(0.3)
    profile = vectors[[0, 2]].mean(0)
    cosine = vectors @ (profile / np.linalg.norm(profile))
    requests = make_requests([0, 2])
    np.testing.assert_allclose(
        model.score(requests)[0], np.where(cosine > 0, cosine, -np.inf), atol=1e-6, rtol=1e-5
    )
    shares = model.explain(requests, 0, np.array([1, 4]))
    assert shares is not None
    np.testing.assert_allclose(np.asarray(shares), np.asarray(vectors[[1, 4]] @ vectors[[0, 2]].T), atol=1e-6)


def test_without_a_share_embeddings_are_not_read() -> None:
    words_only = Content(attributes=["about"], learned=False).fit(few())
    model = Content(embedding_share=0, learned=False).fit(few())
    assert model.embeddings_.shape == (6, 0)
    for item in range(6):
        np.testing.assert_array_equal(model.similar(item), words_only.similar(item))
    assert not model.vectors_[4].nnz, "an item without words has no word from its vector"


def clustered(seed: int = 0) -> tuple[Dataset, NDArray[np.int64], NDArray[np.float64]]:
    """80 items of four kinds that only their vectors tell apart, and users who take items of one kind."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 12))
    kind = np.arange(80) % 4
    vectors = centres[kind] + 0.3 * rng.normal(size=(80, 12)) + 5  # 5: the part that all share
    events = [
        (f"u{user}", f"i{item}")
        for user in range(60)
        for item in rng.choice(np.flatnonzero(kind == user % 4), 8, replace=False)
    ]
    return described([""] * 80, vectors.tolist(), events), kind, centres


def test_embeddings_are_mapped_to_factors_and_new_items_too() -> None:
    dataset, kind, centres = clustered()
    model = Content().fit(dataset)
    assert model.factor_map_.shape[0] == 12 + 1, "no words: the embedding and a constant"
    changes = [EntityChange(f"new{k}", attributes={"meaning": (centres[k] + 5).tolist()}) for k in range(4)]
    changes.append(EntityChange("unknown"))
    grown = model.with_items(dataset.items.with_changes(changes))
    for k in range(4):
        liked = np.flatnonzero(kind == k)[:3].tolist()
        scores = grown.score(make_requests(liked))[0]
        assert scores.shape == (85,)
        assert int(scores[80:84].argmax()) == k
        assert scores[80 + k] > np.median(scores[:80][kind != k]) + 1, "in units of the spread of all scores"
        assert scores[84] == -np.inf, "nothing is known of it"


def test_appended_items_are_as_those_of_the_training() -> None:
    """Items that are appended one by one have the vectors of items that training saw, in copies as well."""
    dataset, _, _ = clustered()
    model = Content().fit(dataset)
    values = dataset.items.attribute("meaning", EmbeddingAttribute).values
    grown, items = model, dataset.items
    for at in range(5):
        items = items.with_changes([EntityChange(f"twin{at}", attributes={"meaning": values[at].tolist()})])
        grown = grown.with_items(items)
    assert isinstance(grown, Content)
    requests = make_requests([0, 4, 81], [1, 84])
    for twin in (grown, copy.deepcopy(grown), pickle.loads(pickle.dumps(grown))):
        scores = twin.score(requests)
        np.testing.assert_allclose(scores[:, 80:], scores[:, :5], rtol=1e-5)
        similar = twin.similar(82)
        assert similar is not None
        assert similar[2] == pytest.approx(1, abs=1e-5)


def test_a_saved_model_answers_alike(tmp_path: Path) -> None:
    dataset, _, _ = clustered()
    model = Content().fit(dataset)
    model.save(tmp_path)
    loaded = Content.load(tmp_path)
    requests = make_requests([0, 4, 8], [1, 2])
    np.testing.assert_array_equal(loaded.score(requests), model.score(requests))
    grown = dataset.items.with_changes([EntityChange("new", attributes={"meaning": [1.0] * 12})])
    np.testing.assert_array_equal(
        loaded.with_items(grown).score(requests), model.with_items(grown).score(requests)
    )


@given(
    hnp.arrays(np.float32, (7, 4), elements=st.floats(-100, 100, width=32)),
    st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_vectors_have_length_one_or_zero(values: NDArray[np.float32], unknown: list[bool]) -> None:
    values[unknown] = np.nan
    attributes = {"v": EmbeddingAttribute("v", values), "w": EmbeddingAttribute("w", values[:, :2])}
    vectorizer = EmbeddingVectorizer.of(attributes, None)
    assert vectorizer.means.shape == (6,)
    found = vectorizer.vectors(attributes, np.arange(7))
    lengths = np.linalg.norm(found, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    assert not found[unknown].any()
    longer = {"v": EmbeddingAttribute("v", values * 8), "w": attributes["w"]}
    np.testing.assert_allclose(vectorizer.vectors(longer, np.arange(7)), found, atol=1e-5)


def test_the_length_of_a_vector_does_not_matter() -> None:
    """However short: a direction is known as soon as a number is not 0."""
    values = np.array([[3, 4], [3e-30, 4e-30], [0, 0], [np.nan, np.nan]], np.float32)
    expected = np.array([[0.6, 0.8], [0.6, 0.8], [0, 0], [0, 0]])
    np.testing.assert_allclose(unit_or_zero(values), expected, rtol=1e-6)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"meaning: the vector of 'i1' \(row 2\) has 2 numbers, and most have 3"
    ):
        described(["a", "b", "c"], [[1, 2, 3], [1, 2], [0, 1, 2]], [("u", "i0")])
    dataset = few()
    with pytest.raises(RequestError, match="expected 3 numbers, got 2") as caught:
        dataset.items.with_changes([EntityChange("i9", attributes={"meaning": [1.0, 2.0]})])
    assert caught.value.field == "attributes.meaning"
    shorter: dict[str, Attribute] = {"meaning": EmbeddingAttribute("meaning", np.ones((7, 2), np.float32))}
    with pytest.raises(DataError, match=r"trained on vectors of 3 numbers, and items have: meaning \(2\)"):
        Content(learned=False).fit(dataset).with_items(
            replace(dataset.items.with_changes([EntityChange("i9")]), attributes=shorter)
        )


def test_an_empty_list_says_that_there_is_no_vector() -> None:
    dataset = described(["a", "b", "c", "d"], [[1, 2, 3], [], None, [1, float("nan"), 2]], [("u", "i0")])
    warnings = [problem for problem in dataset.check.problems if "embedding" in problem.what]
    assert [problem.examples for problem in warnings] == [["row 4: [1, None, 2]"]]
    changed = dataset.items.with_changes([EntityChange("i0", attributes={"meaning": []})])
    assert [items.attributes["meaning"].show(0) for items in (dataset.items, changed)] == [
        [1.0, 2.0, 3.0],
        None,
    ]


def test_diversity_by_an_embedding() -> None:
    """The first two candidates point the same way, whatever their length; an unknown vector is similar to none."""
    vectors = [[2, 0], [5, 0], [0, 1], None]
    items = described(["a", "b", "c", "d"], vectors, [("u", "i0")]).items
    settings = RerankSettings(diversity=0.5, diversity_by="meaning")
    strengths = RerankStrengths(0.5, 0, 0)
    candidates, utility = np.arange(4, dtype=np.int32), np.array([1.0, 0.9, 0.8, 0.7])
    for way in ("mmr", "dpp"):
        pipeline = RerankPipeline(
            settings.model_copy(update={"diversity_way": way}), items, np.zeros(4, np.int64)
        )
        assert pipeline.rerank(candidates, utility, 4, 0, strengths).tolist() == [0, 2, 3, 1]
    np.testing.assert_array_equal(pipeline.vectors(candidates), [[2, 0], [5, 0], [0, 1], [0, 0]])


def test_unit_vectors_of_many_rows() -> None:
    values = np.random.default_rng(0).normal(size=(5_000, 3)).astype(np.float32)
    values[4_500] = np.nan
    found = unit_or_zero(values)
    assert not found[4_500].any()
    np.testing.assert_allclose(np.delete(np.linalg.norm(found, axis=1), 4_500), 1, atol=1e-6)

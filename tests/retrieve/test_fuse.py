"""Fusion of several sources."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.dataset import Dataset
from shortlist.errors import BundleError
from shortlist.metrics.ranking import hit_matrix
from shortlist.retrieve import (
    ALS,
    RETRIEVERS,
    SLIM,
    Fuse,
    Neighbours,
    Popular,
    Requests,
    Retriever,
    Transformer,
    load_retriever,
)
from shortlist.retrieve.fusion.blend import blend, blend_given
from shortlist.retrieve.fusion.trees import learn_trees
from support.interactions import make_requests
from support.retrievers import ordered_models


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


def test_given_items_have_the_ranks_and_scores_of_candidates(dataset: Dataset) -> None:
    models: dict[str, Retriever] = {
        "popular": Popular().fit(dataset),
        "als": ALS(factors=8).fit(dataset),
        "neighbours": Neighbours().fit(dataset),
    }
    requests = make_requests([1, 2, 5], [], [7, 7, 3])
    given = [np.array([3, 9, 4, 100]), np.array([], np.int32), np.arange(60)]
    found = blend_given(models, requests, given, 50)
    whole = blend(models, requests, 60, given, 50)
    assert found.item.shape == (3, 60)
    for row, items in enumerate(given):
        assert found.item[row].tolist() == [*items.tolist(), *[-1] * (60 - len(items))]
        place = [whole.item[row].tolist().index(item) for item in items.tolist()]
        np.testing.assert_array_equal(found.ranks[row, : len(items)], whole.ranks[row, place])
        np.testing.assert_array_equal(found.scores[row, : len(items)], whole.scores[row, place])
    assert (~np.isnan(found.ranks)).any(axis=(0, 1)).all()


class Oracle(Retriever):
    """Knows the answers of some requests, by the first item of the history."""

    name = "oracle"

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__()
        self.scores = scores

    def _fit(self, dataset: Dataset) -> None:
        """Know everything already."""

    def score(self, requests: Requests) -> np.ndarray:
        return self.scores[requests.histories.item[requests.histories.indptr[:-1]]]


def test_fuse_finds_the_source_that_is_right() -> None:
    rng = np.random.default_rng(0)
    n = 60
    truth = [rng.permutation(n)[:4] for _ in range(n)]
    good = rng.random((n, n)).astype(np.float32)
    for row, t in enumerate(truth):
        good[row, t] += 0.4
    noise = rng.random((n, n)).astype(np.float32)
    fused = Fuse({"noise": Oracle(noise), "good": Oracle(good)}).of_fitted(np.ones(n, np.float32))
    requests = make_requests(*[[i] for i in range(n)])
    judged = fused.learn(requests, truth, 10)
    weights = dict(zip(fused.sources, fused.weights_, strict=True))
    assert weights["good"] > 3 * weights["noise"]
    assert judged.ndcg[judged.rule] >= max(judged.ndcg.values()) * 0.99
    hits = hit_matrix(fused.retrieve(requests, 10).item, truth).sum()
    assert hits >= hit_matrix(Oracle(good).retrieve(requests, 10).item, truth).sum() * 0.98


def test_popular_items_are_proposed_beside_those_of_similar_items() -> None:
    sources: dict[str, Retriever] = {
        "als": ALS(),
        "popular": Popular(),
        "slim": SLIM(),
        "neighbours": Neighbours(),
    }
    assert Fuse(sources).proposers == ["popular", "slim", "neighbours"]
    sources["transformer"] = Transformer()
    assert Fuse(sources).proposers == ["popular", "transformer", "slim", "neighbours"]
    del sources["slim"]
    assert Fuse(sources).proposers == ["als", "popular", "neighbours", "transformer"]


def test_fuse_by_ranks_with_equal_weights_is_reciprocal_rank_fusion(dataset: Dataset) -> None:
    sources: dict[str, Retriever] = {
        "a": RETRIEVERS["popular"]().fit(dataset),
        "b": Neighbours().fit(dataset),
    }
    fused = Fuse(dict(sources), rule="ranks", each=30).of_fitted(np.ones(len(dataset.items), np.float32))
    requests = make_requests([1, 2, 3], [7])
    expected = blend(sources, requests, 60, each=30)
    found = fused.retrieve(requests, 20)
    by_hand = np.nansum(1 / (60 + expected.ranks), axis=2)
    np.testing.assert_allclose(found.score / 60, -np.sort(-by_hand, axis=1)[:, :20], rtol=1e-5)


def test_a_sum_of_scores_is_learned_by_the_logit() -> None:
    """What is taken follows from the softmax of two scores, so that no source alone says it."""
    rng = np.random.default_rng(0)
    n, people = 40, 400
    a, b = rng.normal(size=(2, people, n)).astype(np.float32)
    taken = np.argmax(2 * a + 2 * b + rng.gumbel(size=a.shape), 1)
    sources = {"a": Oracle(a), "b": Oracle(b)}
    fused = Fuse(sources).of_fitted(np.ones(people, np.float32))
    requests = make_requests(*[[i] for i in range(people)])
    report = fused.learn(requests, [np.array([t]) for t in taken], 10)
    assert report.ndcg["logit"] > max(report.ndcg["ranks"], 0.97 * report.ndcg["scores"])
    assert fused.rule_ in {"scores", "logit"}


@pytest.fixture(scope="module")
def learned(dataset: Dataset) -> tuple[Fuse, Requests]:
    """A fusion that has learned from the last two events of 300 people, and their requests."""
    fused = Fuse({"slim": SLIM(), "als": ALS(factors=8), "neighbours": Neighbours()}).fit(dataset)
    h = dataset.histories
    people = np.flatnonzero(np.diff(h.indptr) > 3)[:300]
    requests = make_requests(*[h.item[h.indptr[u] : h.indptr[u + 1] - 2].tolist() for u in people])
    truth = [np.unique(h.item[h.indptr[u + 1] - 2 : h.indptr[u + 1]]) for u in people]
    report = fused.learn(requests, truth, 10)
    assert set(report.ndcg) == {"ranks", "scores", "logit", "trees"}
    return fused, requests


@pytest.mark.parametrize("rule", ["scores", "logit", "trees"])
def test_a_blend_is_saved_and_loaded(learned: tuple[Fuse, Requests], tmp_path: Path, rule: str) -> None:
    fused, requests = copy.copy(learned[0]), learned[1]
    fused.rule_, fused.booster_, fused.coefficients_ = rule, None, None
    if rule == "logit":
        fused.coefficients_ = np.linspace(-1, 1, 10).tolist()
    elif rule == "trees":
        best = fused.shortlisted(requests, fused.candidates(requests, 10), fused.weights_)[1]
        fused.booster_ = learn_trees(best.for_trees(), best.item % 7 == 0, fused.config)
    fused.save(tmp_path / "blend")
    again = Fuse.load(tmp_path / "blend")
    a, b = fused.retrieve(requests, 10), again.retrieve(requests, 10)
    np.testing.assert_array_equal(a.item, b.item)
    np.testing.assert_array_equal(a.score, b.score)
    assert isinstance(load_retriever(tmp_path / "blend" / "sources" / "als"), ALS)
    beyond = fused.retrieve(requests, 250)  # more than are ordered by a model
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() > 100 for row in beyond.item)
    assert (np.diff(np.where(np.isfinite(beyond.score), beyond.score, -1e9)) <= 0).all()


@pytest.mark.parametrize("damage", [[1.0], "text", [None] * 10, None])
def test_damaged_coefficients_are_named(
    learned: tuple[Fuse, Requests], tmp_path: Path, damage: object
) -> None:
    fused = copy.copy(learned[0])
    fused.rule_, fused.booster_, fused.coefficients_ = "logit", None, [0.5] * 10
    fused.save(tmp_path)
    file = tmp_path / "model.json"
    meta = json.loads(file.read_text())
    meta["learned"]["coefficients_"] = damage
    file.write_text(json.dumps(meta))
    with pytest.raises(BundleError, match="coefficients of the logit"):
        Fuse.load(tmp_path)


@given(st.integers(0, 2**31), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_a_blend_permutes_and_never_invents(seed: int, k: int) -> None:
    models = {name: ordered_models()[name] for name in ("popular", "neighbours", "als")}
    history = np.random.default_rng(seed).integers(0, 25, 4).tolist()
    banned = np.array(history)
    requests = make_requests(history, excluded_indptr=np.array([0, len(banned)]), excluded=banned)
    fused = Fuse(dict(models)).of_fitted(np.ones(25, np.float32))
    fused.weights_ = np.array([0.5, 1.0, 1.0])
    item = fused.retrieve(requests, k).item[0]
    item = item[item >= 0]
    assert len(set(item.tolist())) == len(item)
    assert not set(item.tolist()) & set(history)

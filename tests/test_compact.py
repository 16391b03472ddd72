"""What is kept or done in a shorter way says what the long way says: sorts, texts, ids, factors in bytes, tables, trees, requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_fusion import ask
from test_retrievers import taken
from test_serve import call

from conftest import Server
from shortlist.data.attributes import CategoryAttribute, ListAttribute
from shortlist.data.histories import Histories
from shortlist.errors import BundleError
from shortlist.features.similarity import live_likeness
from shortlist.features.slots import Slots
from shortlist.rank.gbdt.infer import Forest
from shortlist.rerank.mmr import mmr
from shortlist.retrieve import ALS, Neighbours
from shortlist.retrieve import neighbours as neighbours_room
from shortlist.retrieve.kernels.quantized import Coded, some_dots
from shortlist.retrieve.kernels.select import best_of

SCORES = st.one_of(
    st.floats(-(2.0**99), 2.0**99, width=32),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.25, float("inf"), 1e-40, -1e-40]),
)


@settings(deadline=None)
@given(st.lists(SCORES, max_size=300), st.integers(1, 40), st.randoms(use_true_random=False))
def test_best_of_is_a_sort(given_scores: list[float], k: int, chance: object) -> None:
    n = len(given_scores)
    scores = np.array(given_scores, np.float32)
    items = np.random.default_rng(chance.randrange(2**32)).permutation(10 * n)[:n].astype(np.int32)  # type: ignore[attr-defined]
    best, chosen = np.full(k, -np.inf, np.float32), np.full(k, -1, np.int32)
    best_of(scores, items, n, best, chosen)
    order = np.lexsort((items, -scores))[:k]
    np.testing.assert_array_equal(chosen[: len(order)], items[order])
    np.testing.assert_array_equal(best[: len(order)], scores[order])
    assert (chosen[len(order) :] == -1).all()


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
    st.integers(1, 70),
)
def test_diversity_of_kinds_is_diversity_of_their_columns(
    utility: np.ndarray, seed: int, strength: float, n: int
) -> None:
    kinds = np.random.default_rng(seed).integers(-1, 5, len(utility))
    columns = (kinds[:, None] == np.arange(5)).astype(np.float32)
    np.testing.assert_array_equal(mmr(utility, kinds, strength, n), mmr(utility, columns, strength, n))


def test_coded_factors_are_off_by_half_a_step() -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(500, 24)).astype(np.float32) * rng.gamma(1, 1, (500, 1)).astype(np.float32)
    items[7] = 0
    coded = Coded.of(items)
    step = np.abs(items).max(1) / 127
    assert (np.abs(coded.rows(np.arange(500)) - items) <= 0.5001 * step[:, None] + 1e-12).all()
    x = rng.normal(size=(3, 24)).astype(np.float32)
    plain = coded.rows(np.arange(500))
    np.testing.assert_allclose(coded.dots(x), x @ plain.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(coded.lengths(), np.maximum(np.linalg.norm(plain, axis=1), 1e-12), rtol=1e-5)
    wanted = np.array([[3, -1, 9], [4, 5, 6], [1, 2, 3]], np.int32)
    counts = np.ones(500, np.float32)
    counts[9] = 0
    scores = np.full((3, 3), -np.inf, np.float32)
    some_dots(x, coded.codes, coded.steps, counts, np.array([0, 2, 2, 5]), wanted, scores)
    assert np.isneginf(scores[0, 1:]).all()
    assert np.isneginf(scores[1]).all()
    np.testing.assert_allclose(scores[2], x[2] @ plain[1:4].T, rtol=1e-4)
    longer = coded.grown(2)
    assert (longer.dots(x)[:, 500:] == 0).all()
    with pytest.raises(BundleError, match="coded factors"):
        Coded(coded.codes, coded.steps[:-1])


def test_an_index_answers_from_codes_alone(tmp_path: Path) -> None:
    """Whatever a request needs of the items' factors it reads from the codes: with the factors gone, answers stay."""
    pytest.importorskip("faiss")
    X = taken(3, 400, 900, 0.05)
    model = ALS(factors=16, exact_items=100, recall=0.8).fit_matrix(X)
    exact = ALS(factors=16).fit_matrix(X)
    requests = [ask(*[X[u].indices.tolist() for u in range(30)]) for _ in range(3)]
    before, likeness = model.retrieve(requests[0], 20), model.similar(5)
    owner, items = np.repeat(np.arange(30), 20), before.item.ravel()
    spoke = model.strongest(requests[0], owner, items)
    np.testing.assert_allclose(likeness, exact.similar(5), atol=0.02)
    assert (spoke == exact.strongest(requests[1], owner, items)).mean() > 0.95
    model.items = np.full_like(model.items, np.nan)
    np.testing.assert_array_equal(model.retrieve(requests[2], 20).item, before.item)
    np.testing.assert_array_equal(model.strongest(requests[2], owner, items), spoke)
    np.testing.assert_array_equal(model.similar(5), likeness)


@pytest.mark.parametrize("events", [5, 40])  # fewer than there are factors, and more
def test_the_strongest_event_is_that_of_the_explanation(events: int) -> None:
    X = taken(5, 300, 120, 0.3)
    model = ALS(factors=16).fit_matrix(X)
    histories = [X[u].indices.tolist()[:events] for u in range(12)] + [[]]
    requests = ask(*histories)
    owner = np.repeat(np.arange(13), 4)
    items = np.random.default_rng(0).integers(0, 120, len(owner)).astype(np.int32)
    found = model.strongest(requests, owner, items)
    for row, item, event in zip(owner.tolist(), items.tolist(), found.tolist(), strict=True):
        shares = model.explain(requests, row, np.array([item]))
        assert shares is not None
        if not shares.size or shares[0].max() <= 0:
            assert event == -1
        else:
            own = event - requests.histories.indptr[row]
            assert shares[0, own] == pytest.approx(shares[0].max())
    # the shares against the dense system of the paper
    weights = requests.weights[requests.histories.indptr[3] : requests.histories.indptr[4]].astype(float)
    Y, y = model.items[histories[3]].astype(float), model.items[items[:4]].astype(float)
    diagonal = model._diagonals(requests)[3]
    A = np.diag(diagonal) + (Y.T * weights) @ Y
    shares = model.explain(requests, 3, items[:4])
    np.testing.assert_allclose(
        shares, y @ np.linalg.solve(A, (Y * weights[:, None]).T), rtol=1e-8, atol=1e-12
    )


def test_of_a_large_catalogue_fewer_neighbours_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    X = taken(3, 400, 300, 0.2)
    monkeypatch.setattr(neighbours_room, "MOST", 300 * 30)
    assert np.diff(Neighbours().fit_matrix(X).weights.indptr).max() == 30
    monkeypatch.setattr(neighbours_room, "MOST", 300)
    assert np.diff(Neighbours().fit_matrix(X).weights.indptr).max() == 20
    assert np.diff(Neighbours(k=70).fit_matrix(X).weights.indptr).max() == 70


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**62), max_size=400), st.lists(st.integers(0, 2**62), max_size=50))
def test_tables_of_keys_are_dictionaries(keys: list[int], others: list[int]) -> None:
    table, truth = Slots(), dict[int, int]()
    for key in keys:
        truth.setdefault(key, len(truth))
    for start in range(0, len(keys), 37):
        table.put(np.array(keys[start : start + 37], np.int64))
    for made in (table, table.compact()):
        asked = np.array([*keys, *others, -1], np.int64)
        assert made.of(asked).tolist() == [truth.get(key, -1) for key in asked.tolist()]
    assert len(table.compact().keys) <= max(1024, 4 * len(truth))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_trees_that_lead_astray_are_refused(seed: int) -> None:
    """A model's JSON with any number in it changed is read as a forest that stays within itself, or is refused."""
    import xgboost as xgb

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    booster = xgb.train({"max_depth": 3}, xgb.DMatrix(x, label=x[:, 0] + x[:, 1] ** 2), 3)
    model = json.loads(bytes(booster.save_raw("json")))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][int(rng.integers(3))]
    name = ("left_children", "right_children", "split_indices")[int(rng.integers(3))]
    tree[name][int(rng.integers(len(tree[name])))] = int(rng.choice([-5, 0, 1, 3, 14, 200, 2**31 - 1]))
    try:
        forest = Forest.read(json.dumps(model).encode())
    except (KeyError, ValueError, IndexError, TypeError, OverflowError):
        return
    assert (forest.column < 2 * forest.features).all()
    assert (forest.left < len(forest.column)).all()
    inner = forest.left != np.arange(len(forest.left))
    assert (forest.left[inner] + 1 < len(forest.column)).all()
    assert (forest.leaf < len(forest.values)).all()
    assert np.isfinite(forest.margins(x)).all()


def test_the_short_way_answers_as_the_long_way(server: Server) -> None:
    """A query sends a request the long way; without one it takes the short way."""
    url = f"{server.url}/v1/recommend"

    def same(body: object = None, raw: bytes | None = None) -> tuple[int, dict[str, object]]:
        short, long = call(url, body, raw), call(f"{url}?x=1", body, raw)
        assert short[0] == long[0]
        for one in (short[1], long[1]):
            one.pop("slate_id", None)
        assert short[1] == long[1]
        return short

    assert same({"user": "u00001", "n": 7})[0] == 200
    assert same({"history": ["m00003", "gone"], "n": 3, "seed": 4, "explore": 0.5})[0] == 200
    assert same({"user": None})[0] == 200
    assert same({"user": "u00001", "n": 0})[0] == 422
    assert same({"user": "u00001", "weights": {"nothing": 1}})[0] == 422
    assert same({"who": 3})[0] == 422
    assert same(raw=b"{")[0] == 400
    assert same(raw=b'{"user": "\\ud800", "n": 2}')[0] == 200
    counted = call(f"{server.url}/metrics")[1]
    assert 'shortlist_answers_total{path="/v1/recommend",status="200"}' in counted
    assert 'shortlist_answers_total{path="/v1/recommend",status="422"}' in counted


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_category_is_as_like_as_a_list_of_one(seed: int, cosine: bool) -> None:
    rng = np.random.default_rng(seed)
    words = list("abcde")
    one = CategoryAttribute("x", rng.integers(-1, 5, 30).astype(np.int32), words)
    indptr, codes = one.ragged()
    many = ListAttribute("x", indptr, codes, words)
    sizes = rng.integers(0, 6, 4)
    begin = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    taken_ = rng.integers(0, 30, begin[-1]).astype(np.int32)
    nothing = np.zeros(len(taken_))
    h = Histories(
        begin, taken_, nothing.astype(np.int64), nothing.astype(np.int16), nothing.astype(np.float32)
    )
    request, item = np.repeat(np.arange(4), 7), rng.integers(0, 30, 28).astype(np.int32)
    columns = np.empty((2, 28), np.float32)
    for attribute, column in zip((one, many), columns, strict=True):
        live_likeness(attribute, h, request, item, cosine, column)
    np.testing.assert_array_equal(*columns)

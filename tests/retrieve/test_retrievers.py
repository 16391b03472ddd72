"""Learned retrievers against independent dense references, and what must hold for any data whatever its shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.errors import ProjectError
from shortlist.retrieve import (
    ALS,
    MODELS,
    SLIM,
    Content,
    Fuse,
    Neighbours,
    Requests,
    Sequence,
    Spectral,
    load_retriever,
)
from shortlist.retrieve.base import Retriever, best
from shortlist.retrieve.fusion.blend import blend
from shortlist.retrieve.fusion.fuse import member
from shortlist.retrieve.kernels import factorise as factorise_room
from shortlist.retrieve.kernels.cooccurrence import nearest
from shortlist.retrieve.kernels.factorise import leading
from shortlist.retrieve.neighbours import bm25
from shortlist.retrieve.slim import affordable, scaled
from support.interactions import make_requests, random_interactions
from support.projects import movielens_project

# ------------------------------------------------------------------ against dense references


def test_als_is_alternating_least_squares() -> None:
    """The same start and the same equations, solved densely in float64, give the same scores."""
    X, config = (
        random_interactions(0),
        {"factors": 6, "iterations": 3, "unobserved": 0.2, "regularisation": 0.7, "scaling": 0.5},
    )
    model = ALS(**config, steps=60).fit_matrix(X)
    dense, d = X.toarray().astype(np.float64), 6
    Y = (
        np.random.default_rng(0)
        .normal(0, 0.1 / np.sqrt(d), (X.shape[1], d))
        .astype(np.float32)
        .astype(np.float64)
    )
    Y[dense.sum(0) == 0] = 0

    def side(C: np.ndarray, other: np.ndarray) -> np.ndarray:
        held = C.sum(1) + 0.2 * C.shape[1]
        ridge = 0.7 * (held / held.mean()) ** 0.5
        out = np.zeros((len(C), d))
        for row, c in enumerate(C):
            if c.any():
                A = 0.2 * other.T @ other + (other.T * c) @ other + ridge[row] * np.eye(d)
                out[row] = np.linalg.solve(A, other.T @ c)
        return out

    for _ in range(3):
        U = side(dense, Y)
        Y = side(dense.T, U)
    everybody = make_requests(*[row.nonzero()[0].tolist() for row in dense])
    np.testing.assert_allclose(model.fold_in(everybody) @ model.items.T, side(dense, Y) @ Y.T, atol=1e-5)
    np.testing.assert_allclose(model.items.T @ model.items, np.diag(model.gram), atol=1e-4)


def test_als_explanation_sums_to_the_score(dataset: Dataset) -> None:
    model = ALS(factors=16, iterations=3).fit(dataset)
    requests, items = make_requests([1, 5, 9]), np.arange(20)
    shares = model.explain(requests, 0, items)
    assert shares is not None
    expected = (model.fold_in(requests) @ model.items.T)[0, :20]
    np.testing.assert_allclose(shares.sum(1), expected, rtol=1e-3, atol=1e-4)
    every = np.tile(np.arange(20), (1, 1))
    known = model.counts[:20] > 0
    np.testing.assert_allclose(
        model.score_items(requests, every)[0][known], expected[known], rtol=1e-4, atol=1e-6
    )


def test_als_starts_from_an_earlier_model() -> None:
    """One iteration from a converged model stays near it; one from scratch does not."""
    X = random_interactions(1, 200, 60)
    settled = ALS(factors=8, iterations=30).fit_matrix(X)
    requests = make_requests(*[X[u].indices.tolist() for u in range(20)])
    truth = settled.score(requests)
    where = np.arange(60)
    where[-5:] = -1  # five items the earlier model did not know
    warm = ALS(iterations=1).warm_start(settled, where).fit_matrix(X)
    cold = ALS(factors=8, iterations=1).fit_matrix(X)
    away = [np.abs(m.score(requests)[:, :55] - truth[:, :55]).mean() for m in (warm, cold)]
    assert away[0] < 0.5 * away[1]


@pytest.mark.parametrize("power", [0.0, 0.3])
def test_slim_is_the_ridge_regression_of_each_item(power: float) -> None:
    """Both ways agree with one dense regression an item, computed in float64."""
    X = random_interactions(2)
    given_ = {"regularisation": 1.5, "spread": 0.2, "power": power, "lift": 0.25, "support": 64}
    R, counts = scaled(X, 0.2, power)
    dense, n = R.toarray().astype(np.float64), X.shape[1]
    W = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        A = dense[:, others]
        W[others, j] = np.linalg.solve(A.T @ A + 1.5 * np.eye(n - 1), A.T @ dense[:, j])
    W = counts[:, None] ** -power * W * counts**0.25
    exact = SLIM(**given_).fit_matrix(X).weights.toarray()
    np.testing.assert_allclose(exact, W, atol=1e-5)


def test_slim_local_is_the_regression_over_its_support() -> None:
    X = random_interactions(2)
    R, counts = scaled(X, 0.15, 0.3)
    dense, n = R.toarray().astype(np.float64), X.shape[1]
    support, _ = nearest(R, np.ones(n), counts**0.45, 0.0, 5)
    W = np.zeros((n, n))
    for j in range(n):
        chosen = support[j][support[j] >= 0]
        A = dense[:, chosen]
        W[chosen, j] = np.linalg.solve(A.T @ A + 1.5 * np.eye(len(chosen)), A.T @ dense[:, j])
    W = counts[:, None] ** -0.3 * W * counts**0.3
    local = SLIM(regularisation=1.5, spread=0.15, power=0.3, lift=0.3, support=5, exact_items=0).fit_matrix(X)
    np.testing.assert_allclose(local.weights.toarray(), W, atol=1e-5)


def test_slim_local_equals_exact_where_everything_is_shared() -> None:
    X = sp.csr_matrix(np.vstack([random_interactions(3).toarray(), np.ones((1, 25), np.float32)]))
    exact = SLIM().fit_matrix(X).weights.toarray()
    local = SLIM(exact_items=0).fit_matrix(X).weights.toarray()
    np.testing.assert_allclose(local, exact, atol=1e-5)


def test_slim_narrows_its_supports_on_dense_data() -> None:
    sparse_, dense = np.full(500, 30), np.full(500, 20_000)
    support = np.tile(np.arange(256, dtype=np.int32), (500, 1))
    assert affordable(support, sparse_, 30_000) == 256
    assert affordable(support, dense, 30_000) == 32
    assert 32 < affordable(support, np.full(500, 2_000), 30_000) < 256


def test_slim_keeps_the_strongest() -> None:
    X = random_interactions(4)
    full, cut = SLIM().fit_matrix(X).weights.toarray(), SLIM(k=3).fit_matrix(X).weights.toarray()
    for j in range(X.shape[1]):
        kept = np.flatnonzero(cut[:, j])
        assert len(kept) <= 3
        assert np.abs(full[kept, j]).min() >= np.sort(np.abs(full[:, j]))[::-1][3] - 1e-7


def test_spectral_is_the_filter_it_claims_to_be() -> None:
    """With room for everything, W is the low-pass plus one step on the graph, from a dense decomposition in float64."""
    X = random_interactions(5)
    given_ = {
        "components": 6,
        "flatten": 0.7,
        "direct": 0.9,
        "spread": 0.3,
        "power": 0.4,
        "lift": 0.2,
        "k": 64,
    }
    model = Spectral(**given_, broad=4).fit_matrix(X)
    ours = model.weights.toarray() + model.broad @ model.broad_out.T
    dense, counts, sizes = X.toarray().astype(np.float64), X.toarray().sum(0), X.toarray().sum(1)
    counts, sizes = np.maximum(counts, 1), np.maximum(sizes, 1)
    R = sizes[:, None] ** -0.3 * dense * counts**-0.4
    _, s, Vt = np.linalg.svd(R)
    V = Vt[:6].T
    low_pass = counts[:, None] ** -0.4 * ((V * s[:6] ** 0.7) @ V.T) * counts**0.2
    step = counts[:, None] ** -0.75 * (dense.T @ (dense * sizes[:, None] ** -0.75)) * counts**-0.25
    unit = 0.9 * np.sqrt(np.mean((dense @ low_pass) ** 2)) / np.sqrt(np.mean((dense @ step) ** 2))
    reference = low_pass + unit * step
    shared = (dense.T @ dense > 0) & ~np.eye(25, dtype=bool)
    # within the weights' reach: pairs that share a person and are positive beyond the broad part
    rest = reference - model.broad @ model.broad_out.T
    there = shared & (rest > 1e-6)
    np.testing.assert_allclose(ours[there], reference[there], rtol=1e-3, atol=1e-5)
    assert not model.weights.diagonal().any()


@pytest.mark.parametrize("exact", [0, 2_000])
def test_leading_vectors_are_those_of_a_dense_decomposition(
    exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorise_room, "EXACT", exact)
    rng = np.random.default_rng(6)
    R = sp.csr_matrix(
        (rng.normal(size=(90, 5)) * [9, 7, 5, 3, 1]) @ rng.normal(size=(5, 70)), dtype=np.float32
    )
    s, V = leading(R, 5, passes=6)
    _, dense, Vt = np.linalg.svd(R.toarray().astype(np.float64))
    np.testing.assert_allclose(s, dense[:5], rtol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(V * Vt[:5].T, axis=0)), 1, atol=1e-4)  # up to a sign
    s_all, _ = leading(R, 60, passes=3)
    assert len(s_all) <= 60
    assert np.isfinite(s_all).all()


def test_bm25_by_hand() -> None:
    X = sp.csr_matrix(np.array([[1, 1, 0], [1, 0, 0]], np.float32))
    weighed = bm25(X, k1=1.0, b=1.0).toarray()
    idf = np.log1p((2 - np.array([2, 1]) + 0.5) / (np.array([2, 1]) + 0.5))
    np.testing.assert_allclose(
        weighed[0, :2], 2 / (1 + 2 / 1.5) * idf, rtol=1e-6
    )  # twice as long as the shorter one
    assert Neighbours(similarity="bm25").fit_matrix(X).weights[0, 1] > 0


def test_sequence_by_hand() -> None:
    """u: a, b (a minute later), then c two days later. Forward votes fade with steps and gaps; backward only within."""
    day = 86_400_000
    h = Histories(
        np.array([0, 3]),
        np.array([0, 1, 2], np.int32),
        np.array([0, 60_000, 60_000 + 2 * day]),
        np.zeros(3, np.int16),
        np.zeros(3, np.float32),
    )
    model = Sequence(window=2, fading=0.5, backward=0.25, session="1h", half_life="2d", power=0.0)
    W = model.fit_histories(h, np.ones(3, np.float32), 3).weights.toarray()
    gap = 0.5 ** ((60_000 + 2 * day) / (2 * day))
    np.testing.assert_allclose(W, [[0, 1, 0.5 * gap], [0.25, 0, 0.5], [0, 0, 0]], rtol=1e-6)
    late = model.score(make_requests([0, 1]))[0]  # b, the latest, counts whole; a counts recency
    np.testing.assert_allclose(late, [0.25, 0.8, 0.5 + 0.8 * 0.5 * gap], rtol=1e-6)


# ------------------------------------------------------------------ any shape of data


SHAPES = {
    "one user": [("u", "a"), ("u", "b")],
    "one item": [("u", "a"), ("v", "a")],
    "one event": [("u", "a")],
    "a history of every item": [("u", i) for i in "abcd"] + [("v", "a"), ("w", "b")],
    "duplicates": [("u", "a")] * 5 + [("v", "a"), ("v", "b"), ("u", "b")],
    "nothing shared": [("u", "a"), ("v", "b"), ("w", "c")],
}


def frame(pairs: list[tuple[str, str]], items: list[str] | None = None) -> Dataset:
    events = pa.table(
        {
            "user_id": [p[0] for p in pairs],
            "item_id": [p[1] for p in pairs],
            "timestamp": [1.6e9 + 60.0 * at for at in range(len(pairs))],
        }
    )
    settings_ = {"data": {"columns": {"timestamp": "timestamp"}}}
    if items is None:
        return Dataset.from_frames(events, project=parse_project(settings_))
    table = pa.table({"item_id": items, "kind": [f"k{len(i)}" for i in items]})
    settings_["items"] = {"id": "item_id", "attributes": {"kind": "category"}}  # type: ignore[dict-item]
    return Dataset.from_frames(events, table, project=parse_project(settings_))


def check_lists(model: Retriever, requests: Requests, n_items: int) -> None:
    for k in (1, 3, n_items + 5):
        found = model.retrieve(requests, k)
        assert found.item.shape[0] == len(requests)
        for row in range(len(requests)):
            there = found.item[row] >= 0
            items, scores = found.item[row][there], found.score[row][there]
            assert len(set(items.tolist())) == len(items)
            assert (items < n_items).all()
            assert np.isfinite(scores).all()
            assert (np.diff(scores) <= 0).all()
            assert np.isneginf(found.score[row][~there]).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", list(MODELS))
def test_odd_shapes(name: str, shape: str) -> None:
    dataset = frame(SHAPES[shape], ["a", "b", "c", "d", "never"])
    model = MODELS[name]().fit(dataset)
    check_lists(model, make_requests([], [0], [0, 0, 1], list(range(5))), 5)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_pieces_agree(name: str, dataset: Dataset) -> None:
    """retrieve, score and score_items are three views of the same numbers."""
    model = MODELS[name]().fit(dataset)
    requests = make_requests([0, 1, 2], [5, 9], [])
    dense = model.score(requests)
    found, cut = model.retrieve(requests, 15), best(dense, requests, 15)
    np.testing.assert_allclose(found.score, cut.score, rtol=1e-4, atol=1e-6)
    some = np.array([[3, 4, -1], [7, 0, 9], [1, 2, 3]])
    picked = np.where(some >= 0, np.take_along_axis(dense, np.maximum(some, 0), 1), -np.inf)
    np.testing.assert_allclose(model.score_items(requests, some), picked, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in MODELS if n != "sequence"])
@given(st.permutations([0, 3, 5, 7, 11]))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter(name: str, order: list[int]) -> None:
    model = ordered_models()[name]
    np.testing.assert_allclose(
        model.score(make_requests(order)), model.score(make_requests([0, 3, 5, 7, 11])), rtol=1e-4, atol=1e-5
    )


_ORDERED: dict[str, Retriever] = {}


def ordered_models() -> dict[str, Retriever]:
    if not _ORDERED:
        rows, columns = random_interactions(7).nonzero()
        dataset = frame([(f"u{u}", f"i{i:02d}") for u, i in zip(rows, columns, strict=True)])
        _ORDERED.update({name: MODELS[name]().fit(dataset) for name in MODELS})
    return _ORDERED


@given(st.integers(0, 2**31), st.lists(st.integers(0, 24), min_size=1, max_size=6), st.integers(0, 24))
@settings(max_examples=25, deadline=None)
def test_neighbours_are_monotone(seed: int, history: list[int], more: int) -> None:
    """One more event never lowers any score: every weight is positive."""
    model = Neighbours().fit_matrix(random_interactions(seed % 5))
    before, after = model.score(make_requests(history))[0], model.score(make_requests([*history, more]))[0]
    known = ~np.isneginf(before)
    assert (after[known] >= before[known] - 1e-6).all()


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"retrieve\.weights: event has weight -1"):
        parse_project({"retrieve": {"weights": {"event": -1}}})
    with pytest.raises(ProjectError, match=r"retrieve\.values: event"):
        parse_project({"retrieve": {"values": {"event": 3.0}}})


def test_values_weigh_events() -> None:
    """A kind named in `retrieve.values` counts by its value against the usual value; a value of 0 is no event."""
    events = pa.table(
        {
            "user_id": ["u", "u", "v", "v"],
            "item_id": ["a", "b", "a", "c"],
            "timestamp": [1.6e9, 1.6e9 + 1, 1.6e9 + 2, 1.6e9 + 3],
            "seconds": [10.0, 30.0, 20.0, 0.0],
        }
    )
    columns = {"timestamp": "timestamp", "value": "seconds"}
    project = parse_project({"data": {"columns": columns}, "retrieve": {"values": {"event": 1.0}}})
    from shortlist.retrieve.base import interactions

    X = interactions(Dataset.from_frames(events, project=project)).toarray()
    np.testing.assert_allclose(X, np.array([[10, 30, 0], [20, 0, 0]]) / 15)


# ------------------------------------------------------------------ new items


def test_a_described_new_item_is_found_without_refitting(world, dataset: Dataset) -> None:  # type: ignore[no-untyped-def]
    model = Content().fit(dataset)
    assert model.map.size, "the world has enough described items to learn a map"
    # a twin of item 0 that nobody has taken: the same description, so next to the same score
    n = len(dataset.items)
    twin = dataset.items.attributes
    from dataclasses import replace

    rows = np.append(np.arange(n), 0)
    from shortlist.data.ids import IdMap

    grown = replace(
        dataset,
        items=replace(
            dataset.items,
            ids=IdMap(pa.array([*dataset.items.ids.values.to_pylist(), "twin"])),
            titles=dataset.items.titles.extended(["twin"]),
            attributes={name: a.take(rows) for name, a in twin.items()},
        ),
    )
    model.add_items(grown)
    scores = model.score(make_requests([5, 6, 7]))
    assert scores.shape[1] == n + 1
    assert scores[0, n] == pytest.approx(scores[0, 0], rel=1e-4, abs=1e-4)


def test_cold_items_are_found_on_movielens(movielens: Path) -> None:
    """A tenth of the films hidden from training: recall@50 of the hidden ones at least five times chance."""
    from shortlist.evaluate.cold_start import cold_start

    found = cold_start(Dataset.from_project(movielens_project(movielens)), k=50)
    assert found.hidden_items == pytest.approx(168, abs=2)
    assert found.recall.value >= 5 * found.random, (found.recall.value, found.random)


# ------------------------------------------------------------------ the blend


class Oracle(Retriever):
    """Knows the answers of some requests, by the first item of the history."""

    name = "oracle"

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__()
        self.scores = scores

    def fit(self, dataset: Dataset) -> Oracle:
        return self

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
    fused = Fuse({"noise": Oracle(noise), "good": Oracle(good)})
    fused.counts = np.ones(n, np.float32)
    requests = make_requests(*[[i] for i in range(n)])
    judged = fused.learn(requests, truth, 10)
    weights = dict(zip(fused.sources, fused.weights, strict=True))
    assert weights["good"] > 3 * weights["noise"]
    assert judged.ndcg[judged.rule] >= max(judged.ndcg.values()) * 0.99
    hits = member(fused.retrieve(requests, 10).item, truth).sum()
    assert hits >= member(Oracle(good).retrieve(requests, 10).item, truth).sum() * 0.98


def test_fuse_by_ranks_with_equal_weights_is_reciprocal_rank_fusion(dataset: Dataset) -> None:
    sources: dict[str, Retriever] = {"a": MODELS["popular"]().fit(dataset), "b": Neighbours().fit(dataset)}
    fused = Fuse(dict(sources), rule="ranks", each=30)
    fused.counts = np.ones(len(dataset.items), np.float32)
    requests = make_requests([1, 2, 3], [7])
    expected = blend(sources, requests, 60, each=30)
    found = fused.retrieve(requests, 20)
    by_hand = np.nansum(1 / (60 + expected.ranks), axis=2)
    np.testing.assert_allclose(found.score / 60, -np.sort(-by_hand, axis=1)[:, :20], rtol=1e-5)


def test_a_blend_is_saved_and_loaded(dataset: Dataset, tmp_path: Path) -> None:
    fused = Fuse({"slim": SLIM(), "als": ALS(factors=8), "neighbours": Neighbours()}).fit(dataset)
    h = dataset.histories
    people = np.flatnonzero(np.diff(h.indptr) > 3)[:300]
    requests = make_requests(*[h.item[h.indptr[u] : h.indptr[u + 1] - 2].tolist() for u in people])
    truth = [np.unique(h.item[h.indptr[u + 1] - 2 : h.indptr[u + 1]]) for u in people]
    fused.learn(requests, truth, 10)
    fused.config = fused.config.model_copy(update={"rule": "trees"})
    assert fused.booster is not None or len(truth) < 200
    fused.save(tmp_path / "blend")
    again = Fuse.load(tmp_path / "blend")
    a, b = fused.retrieve(requests, 10), again.retrieve(requests, 10)
    np.testing.assert_array_equal(a.item, b.item)
    np.testing.assert_array_equal(a.score, b.score)
    assert isinstance(load_retriever(tmp_path / "blend" / "sources" / "als"), ALS)


@given(st.integers(0, 2**31), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_a_blend_permutes_and_never_invents(seed: int, k: int) -> None:
    models = {name: ordered_models()[name] for name in ("popular", "neighbours", "als")}
    history = np.random.default_rng(seed).integers(0, 25, 4).tolist()
    banned = np.array(history)
    requests = make_requests(history, excluded_indptr=np.array([0, len(banned)]), excluded=banned)
    fused = Fuse(dict(models))
    fused.counts = np.ones(25, np.float32)
    fused.weights = np.array([0.5, 1.0, 1.0])
    item = fused.retrieve(requests, k).item[0]
    item = item[item >= 0]
    assert len(set(item.tolist())) == len(item)
    assert not set(item.tolist()) & set(history)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_second_fit_leaves_nothing_of_the_first(name: str, dataset: Dataset) -> None:
    requests = make_requests([0, 1, 2], [5])
    twice = MODELS[name]().fit(dataset.before(int(dataset.log.time[len(dataset.log) // 2])))
    twice.score(requests)
    np.testing.assert_array_equal(
        twice.fit(dataset).score(requests), MODELS[name]().fit(dataset).score(requests)
    )

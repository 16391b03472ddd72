"""The index: exact where it is exact, measured where it is not, refused where it loses too much."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from shortlist.errors import BundleError, IndexRecallError, MissingExtraError
from shortlist.retrieve.kernels import index as room
from shortlist.retrieve.kernels.index import Index, IndexConfig
from support.interactions import make_requests, random_interactions


def factors(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, d))
    return (centres[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, d))).astype(np.float32)


def brute(items: np.ndarray, requests: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(requests @ items.T), axis=1, kind="stable")[:, :k]


def test_exact_is_brute_force() -> None:
    items, requests = factors(500), factors(7, seed=1)
    index = Index().build(items)
    assert index.exact
    found, scores = index.search(requests, 10)
    np.testing.assert_array_equal(found, brute(items, requests, 10))
    np.testing.assert_allclose(scores, np.take_along_axis(requests @ items.T, found, 1), rtol=1e-5)


def test_approximate_reaches_the_recall_it_reports() -> None:
    pytest.importorskip("faiss")
    items = factors(20_000)
    index = Index(IndexConfig(exact_items=1_000, recall=0.95)).build(items, factors(300, seed=2))
    assert not index.exact
    assert index.recall >= 0.95
    fresh = factors(200, seed=3)
    found = index.search(fresh, 100)[0]
    truth = brute(items, fresh, 100)
    reached = np.mean([len(np.intersect1d(a, b)) / 100 for a, b in zip(truth, found, strict=True)])
    assert reached >= 0.92


@pytest.mark.parametrize("exact_items", [100, 100_000])
def test_saved_and_copied_indexes_answer_alike(exact_items: int, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    index = Index(IndexConfig(exact_items=exact_items, recall=0.9)).build(factors(5_000))
    index.save(tmp_path / "index")
    requests = factors(20, seed=6)
    for again in (Index.load(tmp_path / "index"), copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
        for a, b in zip(index.search(requests, 10), again.search(requests, 10), strict=True):
            np.testing.assert_array_equal(a, b)
        assert (again.recall, again.probes, len(again)) == (index.recall, index.probes, 5_000)


def test_an_index_that_loses_too_much_is_refused() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(IndexRecallError, match=r"finds 9\d\.\d% of the exact top 100"):
        Index(IndexConfig(exact_items=100, recall=1.0)).build(factors(20_000))


def test_a_missing_extra_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> object:
        raise MissingExtraError(
            f"this needs {module}, which is not installed; run: pip install 'shortlist[{extra}]'"
        )

    monkeypatch.setattr(room, "import_extra", missing)
    with pytest.raises(MissingExtraError, match=r"shortlist\[index\]"):
        Index(IndexConfig(exact_items=10)).build(factors(100))


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Index.load(tmp_path)
    Index().build(factors(50)).save(tmp_path)
    (tmp_path / "exact.npy").write_bytes(b"no array")
    with pytest.raises(BundleError, match="cannot be read"):
        Index.load(tmp_path)


def test_als_uses_its_index_and_filters_still_hold(tmp_path: Path) -> None:
    pytest.importorskip("faiss")

    from shortlist.retrieve import ALS, Requests

    X = random_interactions(3, 400, 900, 0.05)
    exact = ALS(factors=16).fit_matrix(X)
    model = ALS(factors=16, exact_items=100, recall=0.8).fit_matrix(X)
    assert model.index_ is not None
    assert model.index_.recall >= 0.8
    histories = [X[u].indices.tolist() for u in range(40)]
    allowed = np.ones(900, bool)
    allowed[::2] = False
    seen = np.concatenate(histories)
    bounds = np.concatenate([[0], np.cumsum([len(h) for h in histories])])

    def requests(**filters: object) -> Requests:
        return make_requests(*histories, **filters)  # type: ignore[arg-type]

    filters = {"allowed": allowed, "excluded_indptr": bounds, "excluded": seen}
    found, truth = model.retrieve(requests(**filters), 20), exact.retrieve(requests(**filters), 20)
    assert (found.item >= 0).all()
    assert allowed[found.item].all()
    for row, history in enumerate(histories):
        assert not set(found.item[row].tolist()) & set(history)
    same = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found.item, truth.item, strict=True)])
    assert same > 0.8
    narrow = np.zeros(900, bool)
    narrow[5:30] = True  # so strict that the index alone could not fill the list
    tight = model.retrieve(requests(allowed=narrow), 20)
    # with an index factors are quantised to a byte, so items of nearly equal scores may change places
    exactly = exact.retrieve(requests(allowed=narrow), 20)
    assert (tight.item >= 0).all()
    assert narrow[tight.item].all()
    for own, true in zip(tight.item, exactly.item, strict=True):
        assert len(np.intersect1d(own, true)) >= 19
    np.testing.assert_allclose(tight.score, exactly.score, rtol=0.03, atol=1e-3)
    model.save(tmp_path / "als")
    again = ALS.load(tmp_path / "als").retrieve(requests(**filters), 20)
    np.testing.assert_array_equal(again.item, found.item)


def test_a_recall_that_the_index_does_not_reach_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("faiss")

    from shortlist.retrieve import ALS

    with pytest.raises(IndexRecallError, match=r"100\.0% is required"):
        ALS(factors=16, exact_items=100, recall=1.0).fit_matrix(random_interactions(3, 400, 900, 0.05))

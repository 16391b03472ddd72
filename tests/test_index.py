"""The index: exact where it is exact, measured where it is not, refused where it loses too much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.errors import BundleError, IndexRecallError, MissingExtraError
from shortlist.retrieve import index as room
from shortlist.retrieve.index import Index, IndexConfig


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
def test_items_are_added_without_a_rebuild(exact_items: int, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    index = Index(IndexConfig(exact_items=exact_items, recall=0.9)).build(factors(5_000))
    new = 10 * factors(1, seed=5)
    index.add(new)
    assert len(index) == 5_001
    assert index.search(new, 1)[0][0, 0] == 5_000
    index.save(tmp_path / "index")
    again = Index.load(tmp_path / "index")
    for a, b in zip(
        index.search(factors(20, seed=6), 10), again.search(factors(20, seed=6), 10), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert (again.recall, again.probes) == (index.recall, index.probes)


def test_an_index_that_loses_too_much_is_refused() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(IndexRecallError, match=r"finds 9\d\.\d% of the exact top 100"):
        Index(IndexConfig(exact_items=100, recall=1.0)).build(factors(20_000))


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> object:
        raise MissingExtraError(
            f"this needs {module}, which is not installed; run: pip install 'shortlist[{extra}]'"
        )

    monkeypatch.setattr(room, "need", missing)
    with pytest.raises(MissingExtraError, match=r"shortlist\[index\]"):
        Index(IndexConfig(exact_items=10)).build(factors(100))


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Index.load(tmp_path)
    Index().build(factors(50)).save(tmp_path)
    (tmp_path / "exact.npy").write_bytes(b"no array")
    with pytest.raises(BundleError, match="cannot be read"):
        Index.load(tmp_path)

"""Vectors in bytes: by hand, close to floats, appended, saved, and with every way to ask a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.data.entities import EntityChange
from shortlist.errors import BundleError
from shortlist.retrieve import Transformer, load_retriever
from shortlist.retrieve.deep.stored_vectors import StoredVectors, stored
from support.deep import TINY, coloured, damage
from support.interactions import make_requests


def test_by_hand() -> None:
    """The step of (2.54, −1) is 0.02: 127 and −50 steps. (0, 0) has no step. (1, 0) is appended."""
    codes, steps = stored(np.array([[2.54, -1.0], [0.0, 0.0]], np.float32), in_bytes=True)
    assert codes.tolist() == [[127, -50], [0, 0]]
    assert steps.tolist() == pytest.approx([0.02, 0.0], rel=1e-6)
    old = StoredVectors.of(codes, steps)
    new = old.extended(np.array([[1.0, 0.0]], np.float32))
    assert (len(old), len(new), new.width) == (2, 3, 2)
    expected = np.array([[1, 0], [2.54, -1]])
    np.testing.assert_allclose(new.rows(np.array([2, 0])), expected, rtol=1e-6)
    states = np.array([[1.0, 2.0]], np.float32)
    for few in (states, np.repeat(states, 20, 0)):  # byte by byte, and as a product of matrices
        np.testing.assert_allclose(new.dot(few), np.repeat([[0.54, 0.0, 1.0]], len(few), 0), atol=1e-5)
    np.testing.assert_allclose(new.cosines_to(2), [2.54 / np.hypot(2.54, 1), 0, 1], rtol=1e-5)


def test_floats_are_kept_as_they_are() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    codes, steps = stored(vectors, in_bytes=False)
    assert codes is vectors
    whole = StoredVectors.of(codes, steps).extended(vectors[:2])
    assert whole.quantized is None
    np.testing.assert_array_equal(whole.rows(np.array([6])), vectors[1:2])
    np.testing.assert_array_equal(whole.dot(vectors[:1])[0, :5], vectors[0] @ vectors.T)


def test_a_model_in_bytes_is_close_to_one_in_floats(tmp_path: Path) -> None:
    """The same training: lists, given items, similar items, new items and bundles; a quarter of the file of the vectors."""
    floats = Transformer(**TINY).fit(coloured())
    small = Transformer(**TINY, vectors="int8").fit(coloured())
    requests = make_requests([0, 1, 2], [5], [])
    exact, close = floats.score(requests), small.score(requests)
    np.testing.assert_array_equal(np.isneginf(close), np.isneginf(exact))
    known = np.isfinite(exact)
    assert 0 < np.abs(close[known] - exact[known]).max() < 0.05 * np.abs(exact[known]).max()
    given = np.array([[1, 4, 39], [0, -1, 2], [1, 2, 3]])
    np.testing.assert_allclose(
        small.score_items(requests, given)[0], close[0, given[0]], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(floats.in_bytes().score(requests), close)
    similar = small.similar(3)
    assert similar is not None
    assert similar[3] == pytest.approx(1, rel=1e-5)
    items = coloured().items.with_changes([EntityChange(40, attributes={"colour": "red"})])
    grown = small.with_items(items)
    np.testing.assert_allclose(grown.score(requests)[0, 40], close[0, 38], rtol=0.02)
    for name, model in {"float32": floats, "int8": small}.items():
        model.save(tmp_path / name)
    np.testing.assert_array_equal(load_retriever(tmp_path / "int8").score(requests), close)
    sizes = [np.load(tmp_path / name / "arrays" / "items.npy").nbytes for name in ("int8", "float32")]
    assert 4 * sizes[0] == sizes[1]
    assert small.item_factors is not None
    np.testing.assert_allclose(small.item_factors, floats.item_vectors_, atol=0.01)


DAMAGES: dict[str, Any] = {
    "no steps": ("steps", lambda a: a[:0]),
    "steps that are no numbers": ("steps", lambda a: np.full_like(a, np.nan)),
    "words of two bytes": ("items", lambda a: a.astype(np.int16)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_bytes_are_refused(tmp_path: Path, name: str) -> None:
    Transformer(**{**TINY, "epochs": 1}, vectors="int8").fit(coloured()).save(tmp_path / "model")
    damage(tmp_path / "model", *DAMAGES[name])
    with pytest.raises(BundleError):
        load_retriever(tmp_path / "model")

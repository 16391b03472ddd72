"""Similarity of a candidate and a history, computed while serving."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.attributes import CategoryAttribute, ListAttribute
from shortlist.data.histories import Histories
from shortlist.features.similarity import make_vectors


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_category_similarity_equals_that_of_a_list_of_one(seed: int, cosine: bool) -> None:
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
        make_vectors(attribute, 0).fill_similarity(column, h, request, item, cosine)
    np.testing.assert_array_equal(*columns)

"""Texts behave as a list of strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.texts import Texts


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=5), max_size=8),
    st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.text(max_size=5)), max_size=12),
    st.slices(12),
)
def test_texts_are_a_list(words: list[str], changes: list[tuple[bool, int, str]], part: slice) -> None:
    truth = [w for w in words if w.isprintable()]
    texts = Texts(list(truth))
    for longer, at, word in changes:
        if longer and word.isprintable():
            truth.append(word)
            texts = texts.extended([word])
        elif at < len(truth) and word.isprintable():
            truth[at] = word
            texts = texts.with_rows({at: word})
    assert (len(texts), list(texts), texts[part]) == (len(truth), truth, truth[part])
    assert [texts[at] for at in range(-len(truth), len(truth))] == truth + truth
    assert texts.to_arrow().to_pylist() == truth
    assert texts.some(np.arange(len(truth))) == truth
    for outside in (len(truth), -len(truth) - 1):
        with pytest.raises(IndexError):
            texts[outside]


def test_earlier_texts_stay_as_they_were() -> None:
    old = Texts(["a", "b"])
    new = old.extended(["c"]).with_rows({0: "x", 2: "z"})
    assert (list(old), list(new)) == (["a", "b"], ["x", "b", "z"])
    assert repr(new) == "Texts(3 texts)"
    with pytest.raises(IndexError):
        old.with_rows({2: "c"})

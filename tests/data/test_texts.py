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


@pytest.mark.parametrize("odd", ["", "two\nlines"])
def test_many_texts_at_once(odd: str) -> None:
    truth = [f"Élan {k}" * (k % 3) for k in range(200)] + [odd]
    texts, places = Texts(truth), np.random.default_rng(0).integers(0, 201, 300)
    assert texts.some(places) == [truth[at] for at in places]
    assert Texts(texts.to_arrow().slice(5)).some(places[places < 196]) == [
        truth[5 + at] for at in places if at < 196
    ]
    longer, truth = texts.extended(["new"]).with_rows({3: "other", 7: ""}), [*truth, "new"]
    truth[3], truth[7] = "other", ""
    places = np.concatenate([places, [201, 3, 7]])
    assert longer.some(places) == [truth[at] for at in places]
    assert Texts([""] * 70).some(np.arange(70)) == [""] * 70

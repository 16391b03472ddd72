"""Attributes from columns."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.attributes import CategoryAttribute, encode


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c"])), min_size=1))
def test_categories_round_trip_and_vocabulary_only_grows(words: list[str | None]) -> None:
    column = pa.array(words, pa.string())
    attribute = encode("x", "category", column, ["c"])
    assert isinstance(attribute, CategoryAttribute)
    assert attribute.vocabulary[0] == "c"
    assert [attribute.show(i) for i in range(len(words))] == words
    assert attribute.to_arrow().to_pylist() == words

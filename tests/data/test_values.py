"""Values of requests as texts: the same as those of a column."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.attributes import CategoryAttribute, ListAttribute
from shortlist.data.attributes.encode import encode
from shortlist.data.values import text_of
from shortlist.errors import DataError

COLUMNS = st.one_of(
    st.lists(st.booleans(), min_size=1, max_size=5),
    st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=5),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5),
)


@given(COLUMNS)
def test_a_value_has_the_code_that_its_column_gave_it(values: list[Any]) -> None:
    """A value that a request sends is the word that training read from a column of the same type."""
    trained = encode("c", "category", pa.array(values))
    assert isinstance(trained, CategoryAttribute)
    changed = trained.with_rows(pa.array(range(len(values))).to_numpy(), values)
    assert isinstance(changed, CategoryAttribute)
    assert changed.codes.tolist() == trained.codes.tolist()
    listed = encode("c", "list", pa.array([[value] for value in values]))
    assert isinstance(listed, ListAttribute)
    assert [listed.parse([value]) for value in values] == [listed.show(row) for row in range(len(values))]


def test_texts_of_plain_values() -> None:
    assert [text_of(v) for v in (True, False, 1999.0, 2.5, 7, "Drama")] == [
        "true",
        "false",
        "1999",
        "2.5",
        "7",
        "Drama",
    ]


@pytest.mark.parametrize("value", [["a"], ("a",), {"a": 1}, {"a"}])
def test_lists_and_mappings_are_no_text(value: Any) -> None:
    with pytest.raises(DataError, match="expected one text, got a"):
        text_of(value)

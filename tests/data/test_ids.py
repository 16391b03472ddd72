"""Ids and codes: types, look-ups and longer maps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.data.id_columns import id_array
from shortlist.data.ids import IdMap
from shortlist.errors import DataError


def test_ids_keep_their_type_and_text_finds_integers() -> None:
    ids = IdMap.of(id_array([10, 20], "x"))
    assert (ids.code("20"), ids.code(20), ids.code(np.int64(10)), ids.code("x"), ids.code(None)) == (
        1,
        1,
        0,
        -1,
        -1,
    )
    words = IdMap.of(id_array(["10", "x"], "x"))
    assert (words.code(10), words.code("x"), words.own(7), ids.own("7"), ids.own("x")) == (0, 1, "7", 7, "x")
    with pytest.raises(DataError, match="a fraction"):
        id_array([1.5], "events: user")


@settings(deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=30),
    st.lists(st.integers(-(2**70), 2**70)),
)
def test_whole_numbers_as_ids(own: list[int], others: list[int]) -> None:
    ids = IdMap(pa.array(own, pa.int64()))
    assert [ids.code(value) for value in own] == list(range(len(own)))
    assert ids.ids(np.arange(len(own))) == own
    assert all(type(value) is int for value in ids.ids(np.arange(len(own))))
    for value in others:
        assert ids.code(value) == (own.index(value) if value in own else -1)
    mixed = (own + others) * 9
    assert ids.codes(mixed).tolist() == [ids.code(value) for value in mixed]
    assert ids.code(str(own[0])) == 0  # text finds integers
    assert ids.code(True) == ids.code(None) == ids.code("x") == -1
    new = next(v for v in range(100) if v not in own)
    longer = ids.extended([own[0], new, str(new)])
    assert (ids.code(new), len(ids)) == (-1, len(own))
    assert (longer.code(new), longer.id(len(own)), longer.ids(np.array([len(own), 0]))) == (
        len(own),
        new,
        [new, own[0]],
    )
    assert longer.values.to_pylist() == [*own, new]
    assert longer.codes(longer.values).tolist() == list(range(len(own) + 1))
    assert longer.extended([new]) is longer
    with pytest.raises(DataError, match="cannot be an id"):
        ids.extended(["x"])


def test_ids_from_one_number_to_another() -> None:
    ids = IdMap(pa.array(range(7, 50), pa.int64()))
    assert [ids.code(value) for value in (6, 7, 20, 49, 50, -1, 2**64)] == [-1, 0, 13, 42, -1, -1, -1]
    assert ids.codes(list(range(60))).tolist() == [v - 7 if 7 <= v < 50 else -1 for v in range(60)]
    assert IdMap(pa.array([], pa.int64())).codes(list(range(20))).tolist() == [-1] * 20


def test_many_new_ids_make_the_map_anew() -> None:
    ids = IdMap(pa.array(["a"]))
    longer = ids.extended(f"n{k}" for k in range(3000)).extended(["last"])
    assert (longer.code("n2999"), longer.code("last"), len(longer)) == (3000, 3001, 3002)
    assert ids.code("n1") == -1

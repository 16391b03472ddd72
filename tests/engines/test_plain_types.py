"""Types that store the same values in different ways become one type."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from shortlist.engines.plain_types import plain_table
from shortlist.errors import DataError

WORDS = ["a", None, "b", "a"]
VECTORS = [[1.0, 2.0], None, [3.0, 4.0]]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS).dictionary_encode(),
        pa.array(WORDS, pa.large_string()).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.uint32()), pa.array(["a", "b"], pa.string_view())),
        pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3, 4], pa.int32()), pa.array(WORDS)),
        pa.array(["x", *WORDS], pa.string_view()).slice(1),
    ],
    ids=lambda array: str(array.type)[:40],
)  # fmt: skip
def test_texts(array: pa.Array) -> None:
    column = plain_table(pa.table({"x": array}), "t").column("x")
    assert (column.type, column.to_pylist()) == (pa.string(), WORDS)


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_list(pa.float64()),
        pa.list_(pa.float64(), 2),
        pa.list_view(pa.float64()),
        pa.large_list_view(pa.float64()),
    ],
    ids=str,
)
def test_lists(kind: pa.DataType) -> None:
    column = plain_table(pa.table({"x": pa.array(VECTORS, kind)}), "t").column("x")
    assert (column.type.value_type, column.to_pylist()) == (pa.float64(), VECTORS)
    assert pa.types.is_list(column.type)


def test_lists_of_categories() -> None:
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), words).slice(1)
    column = plain_table(pa.table({"x": lists}), "t").column("x")
    assert column.to_pylist() == [["a"]]
    assert column.type.value_type == pa.string()


def test_uuids_become_texts() -> None:
    column = pa.array([UUID(int=5).bytes, None], pa.uuid())
    assert plain_table(pa.table({"x": column}), "t").column("x").to_pylist() == [str(UUID(int=5)), None]


def test_a_column_twice_is_refused() -> None:
    with pytest.raises(DataError, match="t: there are 2 columns 'x'; rename or remove all but one"):
        plain_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]), "t")


def test_decimals_of_a_negative_scale() -> None:
    array = pa.array([Decimal(500), None], pa.decimal128(5, -2))
    column = plain_table(pa.table({"x": array}), "t").column("x")
    assert (column.type.scale, column.to_pylist()) == (0, [Decimal(500), None])

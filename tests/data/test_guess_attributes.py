"""Which columns of an items table are attributes, and why others are left out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.guess.attributes import guess_attributes

N = 40
VECTORS = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
FLAT = pa.array(VECTORS.ravel())
CODES = np.rint(VECTORS * 20).astype(np.int8)
RELATED = [[(k + step) % N for step in range(1, 21)] for k in range(N)]


def guessed(column: Any) -> tuple[str | None, str]:
    """The kind of a column, and the reason why it is left out."""
    attributes, lines = guess_attributes(pa.table({"item_id": range(N), "x": column}), frozenset({"item_id"}))
    return attributes.get("x"), lines[0].removeprefix("Not used: x (").removesuffix(").") if lines else ""


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array(VECTORS.tolist()), "embedding"),
        (pa.FixedSizeListArray.from_arrays(FLAT, 8), "embedding"),
        (pa.array(VECTORS.tolist(), pa.large_list(pa.float32())), "embedding"),
        (pa.array([None, [], *VECTORS[2:].tolist()]), "embedding"),
        (pa.array([[k % 100] * 16 for k in range(N)], pa.list_(pa.int8())), "embedding"),
        (pa.array(CODES.tolist(), pa.list_(pa.int8())), "embedding"),
        (pa.array(np.abs(CODES).tolist()), "embedding"),
        (pa.array([list(range(k, k + 16)) for k in range(3)] + [None] * (N - 3)), "embedding"),
        (pa.array([[1, k % 4] for k in range(N)]), "list"),
        (pa.array(RELATED), "list"),  # twenty ids of other items, all different
        (pa.array([row[:10] for row in RELATED]), "list"),
        (pa.array([row[: 7 + k % 2] for k, row in enumerate(CODES.tolist())]), "list"),
        (pa.array([["a", "b"]] * N), "list"),
        (pa.array([["a", "b"]] * N, pa.large_list(pa.string_view())), "list"),
        (pa.array(["Action|Comedy"] * N), "list"),
        (pa.array(["a", "b"] * (N // 2)).dictionary_encode(), "category"),
        (pa.array(["a", "b"] * (N // 2), pa.string_view()), "category"),
        (pa.array([f"0{k}.5" for k in range(N)]), "category"),
        (pa.array([f"{k}.5" for k in range(N)]), "number"),
        (pa.array([f"{k},5" for k in range(N)]), "number"),
        (pa.array([Decimal("1.5")] * N), "number"),
        (pa.array([True, False] * (N // 2)), "number"),
        (pa.array(range(N), pa.timestamp("s", "UTC")), "time"),
    ],
    ids=lambda value: str(getattr(value, "type", value))[:30],
)
def test_kinds(column: pa.Array, kind: str) -> None:
    assert guessed(column) == (kind, "")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([v[: 1 + k % 5].tolist() for k, v in enumerate(VECTORS)]), "differ in length"),
        (pa.array(["|".join(map(str, v)) for v in VECTORS]), "numbers in a text"),
        (pa.array([str(v.tolist()) for v in VECTORS]), "numbers in a text"),
        (pa.array([{"a": 1}] * N), "of type struct"),
        (pa.array([[{"a": 1}]] * N), "of type list<item: struct"),
        (pa.array([[[1.0]]] * N), "of type list<item: list"),
        (pa.array([b"x"] * N), "of type binary"),
        (pa.array([timedelta(1)] * N), "of type duration"),
        (pa.nulls(N), "without any value"),
        (pa.nulls(N, pa.string()), "without any value"),
    ],
    ids=lambda value: str(getattr(value, "type", value))[:30],
)
def test_what_is_left_out_has_a_reason(column: pa.Array, reason: str) -> None:
    kind, said = guessed(column)
    assert kind is None
    assert reason in said


def test_a_column_without_a_name_is_left_out() -> None:
    table = pa.table({"": range(N)})
    assert guess_attributes(table, frozenset()) == ({}, ["Not used:  (without a name)."])


def test_texts_that_nearly_all_differ_are_left_out() -> None:
    table = pa.table({"x": [f"text {k}" for k in range(500)]})
    assert guess_attributes(table, frozenset()) == ({}, ["Not used: x (texts that nearly all differ)."])

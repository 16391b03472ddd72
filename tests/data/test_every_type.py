"""Whatever type a column has, in whatever role: it is used, or named, or refused in an error that names it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

N = 60
EVENTS = {
    "user_id": pa.array([f"u{k % 5}" for k in range(N)]),
    "item_id": pa.array([f"i{k % 7}" for k in range(N)]),
    "timestamp": pa.array([1_750_000_000 + 60 * k for k in range(N)]),
}
ITEMS = {"item_id": pa.array([f"i{k}" for k in range(N)])}
MOMENT = datetime(2025, 4, 1, 12)
TYPES: dict[str, pa.Array] = {
    "uint64": pa.array([2**64 - 1 - k for k in range(N)], pa.uint64()),
    "float": pa.array(np.arange(N) / 3),
    "float16": pa.array(np.arange(N, dtype=np.float16)),
    "infinite": pa.array([float("inf")] * N),
    "bool": pa.array([True, False] * (N // 2)),
    "null": pa.nulls(N),
    "texts": pa.array(["a", "5"] * (N // 2)),
    "long": pa.array(["x" * 600] * N),
    "string_view": pa.array(["a"] * N, pa.string_view()),
    "dictionary": pa.array(["a", "b"] * (N // 2)).dictionary_encode(),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([N], pa.int32()), pa.array(["a"])),
    "binary": pa.array([b"\xff"] * N),
    "fixed binary": pa.array([b"ab"] * N, pa.binary(2)),
    "uuid": pa.array([bytes([k] * 16) for k in range(N)], pa.uuid()),
    "decimal": pa.array([Decimal(k) / 4 for k in range(N)], pa.decimal128(38, 2)),
    "large decimal": pa.array([Decimal(10) ** 60] * N, pa.decimal256(70, 0)),
    "date": pa.array([date(2025, 4, 1)] * N),
    "moment": pa.array([MOMENT] * N, pa.timestamp("ns", "Asia/Tokyo")),
    "infinite moment": pa.array([2**63 - 1] * N).cast(pa.timestamp("us")),
    "duration": pa.array([timedelta(k) for k in range(N)]),
    "time of day": pa.array([time(10, 15)] * N),
    "list": pa.array([["a"]] * N),
    "vectors": pa.array([[1.0, 2.0]] * N, pa.list_(pa.float32(), 2)),
    "list view": pa.array([None, [1.0, 2.0]] * (N // 2), pa.list_view(pa.float64())),
    "struct": pa.array([{"a": 1}] * N),
    "map": pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64())),
}
ROLES = (
    "user_id",
    "timestamp",
    "kind",
    "rating",
    "slate_id",
    "propensity",
    "device",
    "clicked",
    "watch_time",
)
ATTRIBUTES = ("item_id", "title", "price", "released", "genres")


def read(column: str, events: dict[str, Any], items: dict[str, Any]) -> None:
    refused = ""
    try:
        dataset = Dataset.from_frames(pa.table(events), pa.table(items))
    except DataError as error:
        refused = error.message
    if refused:
        assert column in refused
        assert "Arrow" not in refused
    else:
        check = dataset.check
        assert check.read == check.kept + sum(check.set_aside.values()) == N


@pytest.mark.parametrize("name", TYPES)
def test_it_is_read_or_refused_with_its_name(name: str) -> None:
    for role in ROLES:
        read(role, {**EVENTS, role: TYPES[name]}, ITEMS)
    for attribute in ATTRIBUTES:
        read(attribute, EVENTS, {**ITEMS, attribute: TYPES[name]})

"""A catalogue that changes: earlier snapshots stay valid and are freed; faults name their field."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.data import AttributeKind
from shortlist.data.attributes import (
    CategoryAttribute,
    EmbeddingAttribute,
    ListAttribute,
    NumberAttribute,
    TextAttribute,
    TimeAttribute,
    encode,
)
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.ids import IdMap
from shortlist.data.texts import Texts
from shortlist.errors import DataError, RequestError
from support.sizes import size

KINDS: dict[str, AttributeKind] = {
    "price": "number",
    "brand": "category",
    "genres": "list",
    "about": "text",
    "added": "time",
    "vector": "embedding",
    "photo": "link",
}
ROW = {
    "price": 1.5,
    "brand": "Acme",
    "genres": ["b", "a"],
    "about": "x y",
    "added": "2026-01-10",
    "vector": [1, 0.5],
    "photo": "https://a.example/1.png",
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "price": st.one_of(st.none(), st.integers(-5, 5)),
        "brand": st.one_of(st.none(), st.sampled_from(["Acme", "Zenith", "new", "newer"])),
        "genres": st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3)),
        "about": st.one_of(st.none(), st.sampled_from(["x y", "z"])),
        "added": st.one_of(st.none(), st.sampled_from(["2026-01-10", "1999-12-31"])),
        "vector": st.one_of(st.none(), st.just([0.0, 2.0])),
        "photo": st.one_of(st.none(), st.just("/2.png")),
    },
)


def catalogue(n: int = 2) -> Entities:
    vectors = pa.array([[1.0, 0.5]] * n, pa.list_(pa.float64()))
    columns = {name: pa.array([value] * n) for name, value in ROW.items() if name != "vector"} | {
        "vector": vectors
    }
    return Entities(
        IdMap(pa.array([f"i{k}" for k in range(n)])),
        Texts([f"Title {k}" for k in range(n)]),
        {name: encode(name, kind, columns[name]) for name, kind in KINDS.items()},
    )


def shown(items: Entities) -> list[dict[str, Any]]:
    return [
        {"id": items.ids.id(code), "title": items.titles[code]}
        | {name: a.show(code) for name, a in items.attributes.items()}
        for code in range(len(items))
    ]


@settings(deadline=None, max_examples=size(40, 100))
@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.just("New")), VALUES), max_size=4),
        ),
        max_size=5,
    ),
)
def test_snapshots_equal_a_plain_list(
    room: bool, batches: list[tuple[int, list[tuple[int, str | None, dict[str, Any]]]]]
) -> None:
    """Whatever snapshot is changed, it equals a list of dictionaries that is changed one by one."""
    first = catalogue().with_room(3) if room else catalogue()
    snapshots, truth = [first], [shown(first)]
    for chosen, batch in batches:
        which = chosen % len(snapshots)
        rows = [dict(row) for row in truth[which]]
        for number, title, values in batch:
            row = next((r for r in rows if r["id"] == f"i{number}"), None)
            if row is None:
                empty: dict[str, Any] = {name: [] if kind == "list" else None for name, kind in KINDS.items()}
                row = {"id": f"i{number}", "title": f"i{number}", **empty}
                rows.append(row)
            if title:
                row["title"] = title
            for name, value in values.items():
                given_list = sorted(set(value or [])) if name == "genres" else value
                row[name] = given_list
        changes = [EntityChange(f"i{number}", title, values) for number, title, values in batch]
        snapshots.append(snapshots[which].with_changes(changes))
        truth.append(rows)
    for snapshot, rows in zip(snapshots, truth, strict=True):
        found = shown(snapshot)
        for row in found:
            row["genres"] = sorted(row["genres"])
        for row in rows:
            row["genres"] = sorted(row["genres"])
        assert found == rows


def test_columns_and_values_are_read_alike() -> None:
    """A value that comes while serving is stored as the same value of a table."""
    items = catalogue(1)
    more = items.with_changes([EntityChange("new", None, ROW)])
    for name, attribute in more.attributes.items():
        assert attribute.show(1) == attribute.show(0), name
        twice = attribute.take(np.array([1, -1, 0]))
        assert twice.show(0) == attribute.show(0)
        assert twice.show(1) in (None, [])
        assert len(attribute.with_values([ROW[name], None])) == 2
        assert attribute.to_arrow().to_pylist()[0] == attribute.to_arrow().to_pylist()[1]
    assert more.attribute("genres", ListAttribute).codes.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("attributes", "field", "words"),
    [
        ({"price": "12"}, "price", "expected a number"),
        ({"price": True}, "price", "expected a number"),
        ({"genres": "a"}, "genres", "expected a list"),
        ({"genres": ["a", ["b"]]}, "genres", "expected one text, got a list"),
        ({"brand": ["a"]}, "brand", "expected one text, got a list"),
        ({"brand": {"name": "a"}}, "brand", "expected one text, got a mapping"),
        ({"added": "yesterday"}, "added", "expected a time"),
        ({"vector": [1.0]}, "vector", "expected 2 numbers, got 1"),
        ({"vector": ["a", "b"]}, "vector", "expected numbers"),
        ({"vector": 3}, "vector", "expected a list of 2 numbers"),
        ({"colour": "red"}, "colour", "items have no 'colour'"),
        ({"genre": ["a"]}, "genre", "did you mean 'genres'"),
    ],
)
def test_a_wrong_value_names_its_field(attributes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as error:
        catalogue().check_change(EntityChange("i1", None, attributes), "items.3.")
    assert error.value.field == f"items.3.attributes.{field}"
    if field in KINDS:
        with pytest.raises(RequestError, match=words):
            catalogue().with_changes([EntityChange("i0"), EntityChange("i1", None, attributes)])


def test_an_id_of_another_type_is_refused() -> None:
    numbers = Entities(IdMap(pa.array([1, 2])), Texts(["a", "b"]))
    for wrong in ("x", True, None, 2**63, "--5"):
        with pytest.raises(RequestError) as error:
            numbers.check_change(EntityChange(wrong), "items.0.")
        assert error.value.field == "items.0.item"
        with pytest.raises(RequestError):
            numbers.with_changes([EntityChange(wrong)])
    assert len(numbers.with_changes([EntityChange("7"), EntityChange(7), EntityChange(2)])) == 3


def test_an_attribute_of_another_kind_is_refused() -> None:
    items = catalogue()
    assert items.attribute("price", NumberAttribute).values.tolist() == [1.5, 1.5]
    with pytest.raises(DataError, match="is of kind number, not CategoryAttribute"):
        items.attribute("price", CategoryAttribute)
    with pytest.raises(DataError, match="there is no attribute 'x'"):
        items.attribute("x", TextAttribute)


def test_old_snapshots_are_freed() -> None:
    items = catalogue(1000).with_room(100)
    old = items.with_changes([EntityChange("i1", None, ROW), EntityChange("one")])
    price = old.attribute("price", NumberAttribute)
    freed: list[weakref.ref[Any]] = [weakref.ref(old), weakref.ref(price), weakref.ref(price.values.base)]
    new = old.with_changes([EntityChange(f"i{k}", None, {"price": 9}) for k in range(10)])
    del old, price, items
    gc.collect()
    assert [one() for one in freed] == [None] * 3
    assert new.attribute("price", NumberAttribute).values[:10].tolist() == [9] * 10


def test_adding_copies_no_column() -> None:
    """With room, an added item is written behind the others; columns that did not change are the same objects."""
    items = catalogue(100).with_room(10)
    more = items.with_changes([EntityChange(f"n{k}", None, ROW) for k in range(10)])
    for name, column in (("price", "values"), ("vector", "values"), ("added", "times"), ("brand", "codes")):
        old, new = (getattr(e.attributes[name], column) for e in (items, more))
        assert np.shares_memory(old, new), name
    for column in ("indptr", "codes"):
        old, new = (getattr(e.attributes["genres"], column) for e in (items, more))
        assert np.shares_memory(old, new), column
    changed = more.with_changes([EntityChange("i1", "New", {"price": 2})])
    assert changed.attributes["vector"] is more.attributes["vector"]
    assert changed.ids is more.ids


def test_rows_and_kinds_are_shown() -> None:
    items = catalogue()
    assert repr(items) == (
        "Entities(2 rows; price: number, brand: category, genres: list, about: text, added: time, vector: embedding, photo: link)"
    )
    assert repr(items.attributes["vector"]) == "EmbeddingAttribute('vector', 2 rows)"
    assert repr(items.ids) == "IdMap(2 string ids)"
    assert isinstance(items.attributes["vector"], EmbeddingAttribute)
    assert isinstance(items.attributes["added"], TimeAttribute)


def test_appended_rows_must_be_the_next_ones() -> None:
    with pytest.raises(ValueError, match="must be 2 to 3"):
        catalogue().attributes["price"].with_rows(np.array([3, 2]), [1, 2])

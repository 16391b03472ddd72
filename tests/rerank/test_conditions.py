"""Masks of expressions against an evaluation of the syntax tree, item by item, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.config.data import AttributeKind
from shortlist.data.attributes import encode
from shortlist.data.entities import Entities, EntityChange
from shortlist.data.ids import IdMap
from shortlist.data.texts import Texts
from shortlist.errors import RequestError
from shortlist.expressions import parse
from shortlist.expressions.tree import Name, Node, Number, OperatorNode, Text, Values
from shortlist.rerank.conditions import Conditions
from shortlist.rerank.request_values import RequestValues

DAY = 86_400_000
NOW = 1_800_000_000_000
rng = np.random.default_rng(7)


def _maybe(values: list[Any], unknown: Any = None) -> list[Any]:
    """Make every sixth value unknown."""
    return [
        unknown if draw < 1 / 6 else value
        for value, draw in zip(values, rng.random(len(values)), strict=True)
    ]


N = 80
COLUMNS: dict[str, tuple[AttributeKind, list[Any]]] = {
    "price": ("number", _maybe([float(v) for v in rng.integers(0, 40, N) / 2])),
    "stock": ("number", _maybe([float(v) for v in rng.integers(-1, 3, N)])),
    "lat": ("number", _maybe([float(v) for v in rng.uniform(-89, 89, N).round(1)])),
    "lon": ("number", _maybe([float(v) for v in rng.uniform(-179, 179, N).round(1)])),
    "released": ("time", _maybe([NOW - int(d) * DAY for d in rng.integers(0, 20, N)])),
    "brand": ("category", _maybe([f"B{v}" for v in rng.integers(0, 5, N)])),
    "maker": ("category", _maybe([f"B{v}" for v in rng.integers(2, 7, N)])),
    "genres": ("list", [[f"B{v}" for v in range(1, 6) if rng.random() < 0.3] for _ in range(N)]),
    "plot": ("text", _maybe([f"Star of the {v}" for v in rng.integers(0, 4, N)], "")),
}  # fmt: skip
ARROW = {
    "number": pa.float64(),
    "time": pa.int64(),
    "category": pa.string(),
    "list": pa.list_(pa.string()),
    "text": pa.string(),
}
IDS = [f"i{n}" for n in range(N)]
TITLES = [f"Title {n} {'STAR' if n % 3 else 'moon'}" for n in range(N)]
ITEMS = Entities(
    IdMap(pa.array(IDS)),
    Texts(TITLES),
    {name: encode(name, kind, pa.array(values, ARROW[kind])) for name, (kind, values) in COLUMNS.items()},
)
USERS = {"age": "number", "brands": "list", "home": "category", "joined": "time"}
CONDITIONS = Conditions(ITEMS, USERS, {"device": "category"})
REQUESTS: list[RequestValues] = [
    {
        ("now", ""): float(NOW), ("user", "age"): 9.5, ("user", "brands"): ("B1", "B9"), ("user", "home"): ("B3",),
        ("user", "joined"): float(NOW - 9 * DAY), ("context", "device"): ("tv",), ("history", "genres"): ("B2", "B4"),
        ("history", "id"): ("i3", "i8"), ("viewed", "price"): 7.5, ("viewed", "brand"): ("B2",),
        ("viewed", "genres"): ("B1", "B5"), ("viewed", "id"): ("i4",), ("viewed", "released"): float(NOW - 5 * DAY),
    },
    {
        ("now", ""): float(NOW), ("user", "age"): None, ("user", "brands"): (), ("user", "home"): (),
        ("user", "joined"): None, ("context", "device"): (), ("history", "genres"): (), ("history", "id"): (),
        ("viewed", "price"): None, ("viewed", "brand"): (), ("viewed", "genres"): (), ("viewed", "id"): ("i4",),
        ("viewed", "released"): None,
    },
]  # fmt: skip
UNITS = {"": 1, "d": DAY, "h": 3_600_000, "km": 1, "mi": 1.609344}


class Row:
    """One item and one request, against which a tree is evaluated."""

    def __init__(self, row: int, request: RequestValues) -> None:
        self.row, self.request = row, request

    def value(self, node: Node) -> Any:
        """A number, a text, or a set of texts; None where unknown."""
        match node:
            case Number(written=number, unit=unit):
                return float(number) * UNITS[unit]
            case Text(value=text):
                return text
            case Name():
                return self._named(node)
            case OperatorNode(operator="negative", parts=(part,)):
                value = self.value(part)
                return None if value is None else -value
            case OperatorNode(operator="distance", parts=parts):
                return _haversine(*map(self.value, parts))
            case OperatorNode(operator=operator, parts=(left, right)):
                one, other = self.value(left), self.value(right)
                if one is None or other is None or (operator == "/" and other == 0):
                    return None
                return {
                    "+": lambda: one + other,
                    "-": lambda: one - other,
                    "*": lambda: one * other,
                    "/": lambda: one / other,
                }[operator]()
        raise AssertionError(node)

    def _named(self, node: Name) -> Any:
        if node.scope:
            value = self.request.get((node.scope, node.name))
            return set(value) if isinstance(value, tuple) else value
        if node.name == "now":
            return float(NOW)
        if node.name in {"id", "title"}:
            return {(IDS if node.name == "id" else TITLES)[self.row]}
        kind, values = COLUMNS[node.name]
        value = values[self.row]
        if kind == "number":  # attributes hold numbers in single precision
            return None if value is None else np.float32(value)
        if kind == "time":
            return None if value is None else float(value)
        return set(value) if kind == "list" else set() if value in (None, "") else {value}

    def words(self, node: Node) -> set[str]:
        """The texts that a node stands for."""
        if isinstance(node, Values):
            return {one.value if isinstance(one, Text) else one.written for one in node.values}
        value = self.value(node)
        return value if isinstance(value, set) else {value}

    def true(self, node: Node) -> bool:
        """Whether the item meets a condition."""
        assert isinstance(node, OperatorNode)
        parts = node.parts
        match node.operator:
            case "and":
                return all(map(self.true, parts))
            case "or":
                return any(map(self.true, parts))
            case "not":
                return not self.true(parts[0])
            case "exists":
                return self.value(parts[0]) not in (None, set())
            case "contains":
                words = self.value(parts[0])
                if isinstance(parts[0], Name) and parts[0].name == "genres":
                    return bool(words & self.words(parts[1]))
                return any(self.value(parts[1]).lower() in word.lower() for word in words)
            case "in" if (
                isinstance(parts[1], Values) and parts[1].values and isinstance(parts[1].values[0], Number)
            ):
                return self.value(parts[0]) in [np.float32(self.value(one)) for one in parts[1].values]
            case "in":
                return bool(self.words(parts[0]) & self.words(parts[1]))
            case "!=":
                return not self._compared("=", *parts)
            case operator:
                return self._compared(operator, *parts)

    def _compared(self, operator: str, left: Node, right: Node) -> bool:
        one, other = self.value(left), self.value(right)
        if isinstance(one, set) or isinstance(other, set):
            return bool(self.words(left) & self.words(right))
        if one is None or other is None:
            return False
        if isinstance(other, str):
            other = datetime.fromisoformat(other).replace(tzinfo=UTC).timestamp() * 1000
        found: dict[str, Callable[[], bool]] = {
            "<": lambda: one < other, "<=": lambda: one <= other, ">": lambda: one > other,
            ">=": lambda: one >= other, "=": lambda: one == other,
        }  # fmt: skip
        return bool(found[operator]())


def _haversine(*degrees: Any) -> float | None:
    if None in degrees:
        return None
    lat, lon, other_lat, other_lon = (math.radians(d) for d in degrees)
    h = (
        math.sin((other_lat - lat) / 2) ** 2
        + math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    )
    return 2 * 6371.0088 * math.asin(math.sqrt(min(h, 1.0)))


COMPARED = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
NUMBERS = st.recursive(
    st.sampled_from(
        [
            "price",
            "stock",
            "viewed.price",
            "user.age",
            "0",
            "2",
            "7.5",
            "-1",
            "price",
            "((now - released) / 1d)",
        ]
    ),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=4,
)
TIMES = st.sampled_from(
    ["released", "now", "now - 3d", "released + 36h", "viewed.released", "user.joined", "'2027-01-10'", "now - 2 * 1d",
     "viewed.released - (now - user.joined)"]
)  # fmt: skip
WORDS = st.lists(st.sampled_from(["'B1'", "'B2'", "'B4'", "'B77'"]), max_size=3).map(
    lambda w: f"[{', '.join(w)}]"
)
PLACES = st.sampled_from(
    ["lat, lon, 52.5, 13.4", "48.1, 11.6, lat, lon", "52.5, 13.4, 48.1, 11.6", "lat, lon, price, stock"]
)
TESTS = st.one_of(
    st.builds("{} {} {}".format, NUMBERS, COMPARED, NUMBERS),
    st.builds("{} {} {}".format, TIMES.filter(lambda t: "'" not in t), COMPARED, TIMES),
    st.builds("{} in {}".format, st.sampled_from(["brand", "genres", "viewed.genres", "user.home", "'B2'"]), WORDS),
    st.builds("{} in {}".format, st.sampled_from(["price", "stock", "viewed.price"]), st.sampled_from(["[1, 2, 7.5]", "[-1]", "[0.5]"])),
    st.builds("distance({}) {} {}".format, PLACES, st.sampled_from(["<", ">="]), st.sampled_from(["5000km", "900mi", "30000km", "100km * 7.3"])),
    st.sampled_from(
        ["brand = 'B1'", "brand != 'B2'", "brand = viewed.brand", "brand != viewed.brand", "brand = maker", "brand in genres",
         "maker in genres", "genres contains 'B3'", "genres contains user.home", "genres in history.genres", "'B4' in genres",
         "brand in user.brands", "user.home in genres", "context.device = 'tv'", "id = viewed.id", "id in history.id",
         "id in ['i1', 'i70', 'x']", "title contains 'star'", "plot contains 'THE 2'", "brand contains 'b1'",
         "plot = 'Star of the 1'", "plot in ['Star of the 1', 'Star of the 3']", "exists(price)", "exists(genres)",
         "exists(plot)", "exists(released)", "exists(brand)", "exists(user.age)", "exists(viewed.genres)", "exists(title)",
         "user.brands contains 'B1'", "title = 'Title 4 STAR'"]
    ),
)  # fmt: skip
EXPRESSIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " and ".join(f"({p})" for p in parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " or ".join(f"({p})" for p in parts)),
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(EXPRESSIONS, st.sampled_from(REQUESTS))
def test_a_mask_is_what_each_item_gives(text: str, request: RequestValues) -> None:
    tree = parse(text, "filters")
    with np.errstate(all="ignore"):
        expected = [Row(row, request).true(tree) for row in range(N)]
    for _ in range(2):  # computed, and from the cache
        mask = CONDITIONS.mask(text, values=request)
        assert (np.ones(N, bool) if mask is None else mask).tolist() == expected, text


def test_masks_by_hand() -> None:
    def found(text: str) -> list[str]:
        mask = SMALL.mask(text, values={("now", ""): float(NOW)})
        return ["a", "b", "c", "d"] if mask is None else [i for i, m in zip("abcd", mask, strict=True) if m]

    assert found("price < 20") == ["a"]
    assert found("not price < 20") == ["b", "c", "d"]  # a comparison with an unknown price is false
    assert found("exists(price) and not price < 20") == ["b", "c"]
    assert found("price = 0.1 or price = 20") == [
        "a",
        "b",
    ]  # 0.1 in single precision is the 0.1 that is written
    assert found("released > now - 30d") == ["b"]
    assert found("distance(lat, lon, 52.52, 13.405) < 30km") == ["a"]  # Potsdam is 26 km from Berlin
    assert found("distance(lat, lon, 52.52, 13.405) > 500km") == [
        "b"
    ]  # Munich is 504 km away, 95° no latitude
    assert found("price / 0 > 1 or price * 0 = 0") == ["a", "b", "c"]
    assert found("price < 1 or price >= 1 or not exists(price)") == ["a", "b", "c", "d"]


SMALL = Conditions(
    Entities(
        IdMap(pa.array(list("abcd"))),
        Texts(list("abcd")),
        {
            "price": encode("price", "number", pa.array([0.1, 20.0, 30.0, None])),
            "released": encode("released", "time", pa.array([NOW - 30 * DAY, NOW - 30 * DAY + 1, None, 0])),
            "lat": encode("lat", "number", pa.array([52.39, 48.137, 95.0, None])),
            "lon": encode("lon", "number", pa.array([13.065, 11.575, 13.0, 13.0])),
        },
    )
)


def test_a_number_of_each_item() -> None:
    found = SMALL.number("(20 - price) / 10", "amount")
    np.testing.assert_allclose(found, [1.99, 0.0, -1.0, np.nan], rtol=1e-6)
    assert SMALL.number("2 / 0", "amount").tolist() == pytest.approx([math.nan] * 4, nan_ok=True)


def test_constant_parts_are_computed_once_and_the_others_each_time() -> None:
    conditions = Conditions(ITEMS, USERS)
    text = "price < 9 and brand = viewed.brand"
    one = conditions.mask(text, values={("viewed", "brand"): ("B1",)})
    other = conditions.mask(text, values={("viewed", "brand"): ("B2",)})
    assert one is not None
    assert other is not None
    assert one.any()
    assert other.any()
    assert not (one & other).any()
    cached = conditions._constant.cache_info()
    assert (cached.hits, cached.misses) == (1, 1)
    assert conditions.mask("price < 9") is conditions.mask("price < 9")


def test_a_changed_catalogue_has_its_own_masks() -> None:
    text = "price < 1 or genres contains 'New' or title contains 'changed' or distance(lat, lon, 0, 0) < 1km"
    before = Conditions(ITEMS).mask(text)
    changes = [
        EntityChange("i0", None, {"price": 0.25}),
        EntityChange("i1", "CHANGED"),
        EntityChange("i2", None, {"genres": ["New"]}),
        EntityChange("new", None, {"lat": 0.0, "lon": 0.0}),
        EntityChange("empty"),
    ]
    after = Conditions(ITEMS.with_changes(changes)).mask(text)
    assert before is not None
    assert after is not None
    assert after[[0, 1, 2, N, N + 1]].tolist() == [True, True, True, True, False]
    assert (after[3:N] == before[3:]).all()


def test_both_forms_of_a_filter_agree() -> None:
    for mapping, text in (
        ({"price": {"min": 3, "max": 9}}, "price >= 3 and price <= 9"),
        ({"brand": {"any": ["B1", "B2"], "none": ["B2"]}}, "brand in ['B1', 'B2'] and brand != 'B2'"),
        ({"genres": {"none": ["B1"]}}, "not genres contains 'B1'"),
        ({"items": {"any": ["i3", "i5"]}}, "id in ['i3', 'i5']"),
    ):
        one, other = CONDITIONS.mask(mapping), CONDITIONS.mask(text)
        assert one is not None
        assert other is not None
        assert (one == other).all()


def test_parts_of_a_filter_are_named_for_people() -> None:
    parts = CONDITIONS.parts("price < 9 and (brand = 'B1' or exists(plot))")
    assert [words for words, _ in parts] == ["price < 9", "brand = 'B1' or exists(plot)"]
    assert [words for words, _ in CONDITIONS.parts({"price": {"max": 9}})] == ["on price"]
    with pytest.raises(RequestError, match="filters, column 1"):
        CONDITIONS.mask("prize < 9")

"""Names and types of expressions."""

from __future__ import annotations

import pytest

from shortlist.errors import RequestError
from shortlist.expressions import Schema, check_condition, check_number, parse
from shortlist.expressions.tree import ExpressionText
from shortlist.expressions.typed import Amount, Compared, Condition, Field, Negated, SharesWord, Words

SCHEMA = Schema(
    {
        "price": "number", "lat": "number", "lon": "number", "released": "time", "brand": "category",
        "maker": "category", "genres": "list", "tags": "list", "plot": "text", "vector": "embedding",
    },
    {"age": "number", "brands": "list", "joined": "time"},
    {"device": "category"},
)  # fmt: skip


def check(text: str) -> Condition:
    return check_condition(parse(text, "filters"), ExpressionText("filters", text), SCHEMA)


def test_types_by_hand() -> None:
    assert check("price >= 1.5") == Compared(">=", Field("", "price", "number"), Amount(1.5, "number"))
    assert check("released < '1970-01-02'") == Compared(
        "<", Field("", "released", "time"), Amount(86_400_000.0, "time")
    )
    assert check("released < '1970-01-01T02:00+02:00'") == Compared(
        "<", Field("", "released", "time"), Amount(0.0, "time")
    )
    assert check("brand != 7") == Negated(SharesWord(Field("", "brand", "category"), Words(("7",))))
    assert check("distance(lat, lon, 1, 2) < 2mi").right == Amount(3.218688, "distance")  # type: ignore[union-attr]
    assert check("genres in ['a', 'b', 'a']") == SharesWord(Field("", "genres", "list"), Words(("a", "b")))


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("price < 20 and id = 'i7'", set()),
        ("released > now - 30d", {("now", "")}),
        ("brand = viewed.brand and price < viewed.price * 1.2", {("viewed", "brand"), ("viewed", "price")}),
        ("not (brand in user.brands) or context.device = 'tv'", {("user", "brands"), ("context", "device")}),
        ("genres in history.genres and exists(user.age)", {("history", "genres"), ("user", "age")}),
        ("(now - user.joined) / 1d > 7", {("now", ""), ("user", "joined")}),
    ],
)  # fmt: skip
def test_what_is_read_of_a_request(text: str, uses: set[tuple[str, str]]) -> None:
    assert check(text).uses == uses


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("pricee < 3", 1, "items have no attribute 'pricee'; did you mean 'price'?"),
        ("price < 3 and user.agee > 3", 15, "users have no attribute 'agee'; did you mean 'age'?"),
        ("context.devise = 'tv'", 1, "the context has no attribute 'devise'; did you mean 'device'?"),
        ("usr.age > 3", 1, "names before a dot are user, viewed, context and history"),
        ("history.price = 3", 1, "no category, list or id 'price'"),
        ("vector = 3", 1, "kind embedding"),
        ("brand < 'x'", 1, "have no order"),
        ("genres = 'War'", 1, "write genres contains 'War'"),
        ("brand = ['A']", 9, "write brand in ['A']"),
        ("brand in 'x'", 10, "after in stands a list"),
        ("price < 10km", 9, "a number is compared with a number, for example 20, and 10km is a distance"),
        ("released < 3", 12, "a time is compared with a time"),
        ("released > 30d", 12, "30d is a duration"),
        ("released = 'soon'", 12, "is no time"),
        ("distance(lat, lon, 1, 2) < 500m", 28, "a distance is compared with a distance"),
        ("distance(lat, released, 1, 2) < 1km", 15, "degrees"),
        ("released + released > now", 1, "cannot be combined by +"),
        ("price * released > now", 1, "cannot be combined by *"),
        ("price", 1, "price is a value; a condition compares it"),
        ("not price", 5, "a condition compares it"),
        ("price < 'x'", 9, "'x' is a text, and a number is needed"),
        ("price = brand", 1, "price is a number, and a text or category is needed"),
        ("price contains 'a'", 1, "contains follows a text, category or list"),
        ("plot contains brand", 15, "a text in quotes"),
        ("genres in tags", 1, "cannot be compared"),
        ("id = brand", 1, "an id is compared with ids"),
        ("exists(3)", 8, "the name of an attribute"),
        ("price < (brand = 'x')", 10, "is a condition, and a value is needed"),
        ("[1] = 3", 1, "a list stands after in only"),
    ],
)
def test_an_error_names_the_column_and_the_way_out(text: str, column: int, words: str) -> None:
    with pytest.raises(RequestError) as error:
        check(text)
    assert error.value.message.startswith(f"filters, column {column}: "), error.value.message
    assert words in error.value.message


def test_a_number() -> None:
    text = "(20 - price) / 20"
    assert check_number(parse(text, "amount"), ExpressionText("amount", text), SCHEMA).uses == frozenset()
    with pytest.raises(RequestError, match="amount, column 1: this is a duration, and a number is needed"):
        check_number(parse("now - released", "amount"), ExpressionText("amount", "now - released"), SCHEMA)

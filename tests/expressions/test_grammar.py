"""The text of an expression: its structure, its errors, and the bounds on what it may cost."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import RequestError
from shortlist.expressions import MAX_DEPTH, MAX_LENGTH, MAX_TESTS, parse
from shortlist.expressions.tree import Name, Node, Number, OperatorNode, Text, Values


def written(node: Node) -> str:
    """Write a tree with all its brackets."""
    match node:
        case Number(written=number, unit=unit):
            return number + unit
        case Text(value=value):
            return repr(value)
        case Name(scope=scope, name=name):
            return f"{scope}.{name}" if scope else name
        case Values(values=values):
            return f"[{', '.join(map(written, values))}]"
        case OperatorNode(operator=operator, parts=(only,)):
            return f"({operator} {written(only)})"
        case OperatorNode(operator=operator, parts=parts):
            return f"({f' {operator} '.join(map(written, parts))})"
        case _:
            raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a = 1 or b = 2 and c = 3", "((a = 1) or ((b = 2) and (c = 3)))"),
        ("not a = 1 and b = 2", "((not (a = 1)) and (b = 2))"),
        ("not (a = 1 and b = 2)", "(not ((a = 1) and (b = 2)))"),
        ("a = 1 and b = 2 and c = 3", "((a = 1) and (b = 2) and (c = 3))"),
        ("a not in ['x', -2]", "(not (a in ['x', -2]))"),
        ("a + b * 2 - 3 < c / -d", "(((a + (b * 2)) - 3) < (c / (negative d)))"),
        ("released > now - 1.5d", "(released > (now - 1.5d))"),
        ("distance(lat, lon, 52.5, -13.4) <= 10KM", "((lat distance lon distance 52.5 distance (negative 13.4)) <= 10km)"),
        ("`unit price` == 1e3", "(unit price = 1e3)"),
        ("android = user.`home town` OR orange != 'it\\'s'", '((android = user.home town) or (orange != "it\'s"))'),
        ('title contains "star" \n and exists(price)', "((title contains 'star') and (exists price))"),
        ("größe = 1", "(größe = 1)"),
    ],
)  # fmt: skip
def test_the_structure_of_a_text(text: str, tree: str) -> None:
    assert written(parse(text, "filters")) == tree


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("a <", 4, "the expression ends; expected a name"),
        ("(a < 3", 7, "the expression ends; expected ')'"),
        ("a < 3)", 6, "unexpected ')'"),
        ('a = "x', 5, "has no end"),
        ("a = 30x", 5, "s, m, h, d, w"),
        ("a = 5 b = 6", 7, "unexpected 'b'; expected and, or"),
        ("price between 1", 7, "a comparison"),
        ("a & b", 3, "unexpected '&'"),
        ("near(a) < 3", 1, "exists(name), distance(lat, lon, lat, lon)"),
        ("distance(a, b) < 3km", 1, "takes 4 values"),
        ("a in [1 2]", 9, "expected ']', ','"),
    ],
)
def test_an_error_names_field_and_column(text: str, column: int, words: str) -> None:
    with pytest.raises(RequestError) as error:
        parse(text, "rerank.rules.0.when")
    assert error.value.field == "rerank.rules.0.when"
    assert error.value.message.startswith(f"rerank.rules.0.when, column {column}: ")
    assert words in error.value.message


def test_an_error_in_a_later_line_names_the_line() -> None:
    with pytest.raises(RequestError, match=r"^filters, line 2, column 8: unexpected '\)'"):
        parse("a = 1\n  and b)", "filters")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a" * (MAX_LENGTH + 1), "4,000 characters"),
        ("not " * MAX_DEPTH + "a = 1", f"{MAX_DEPTH} levels"),
        (" or ".join(["a = 1"] * (MAX_TESTS + 1)), f"{MAX_TESTS} comparisons"),
        (" or ".join(["a contains 'x'"] * (MAX_TESTS // 8 + 1)), f"{MAX_TESTS} comparisons"),
        ("1+" * 1900 + "1 < 2", f"{MAX_DEPTH} levels"),
        ("-" * 1900 + "1 < 2", f"{MAX_DEPTH} levels"),
    ],
)
def test_bounds(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse(text, "filters")


def test_what_the_bounds_allow() -> None:
    parse("not " * (MAX_DEPTH - 2) + "a = 1", "filters")
    parse(" or ".join(["a = 1"] * MAX_TESTS), "filters")
    parse(" or ".join(["a contains 'x'"] * (MAX_TESTS // 8)), "filters")


@pytest.mark.parametrize(
    "text",
    ["(" * 3999, "(" * 1990 + "a = 1" + ")" * 1990, "not " * 990 + "a = 1", '"' * 3999, "[" * 3999, "\\" * 3999,
     "a in [" + "1," * 1990 + "1]", "a." * 1900, "1e" * 1900, "'" + "\\\\" * 1998 + "'"],
)  # fmt: skip
def test_a_hostile_text_takes_little_time(text: str) -> None:
    """At most 4,000 characters take milliseconds; the bound is of CPU time and generous, for machines that are shared."""
    parse("a = 1", "filters")  # loads the parser
    started = time.thread_time()
    with suppress(RequestError):
        parse(text, "filters")
    assert time.thread_time() - started < 1.0


@given(st.text(st.sampled_from("ab1.5\"'[]()<=!+-*/, `\\\n") | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(RequestError):
        assert parse(text, "filters").depth <= MAX_DEPTH

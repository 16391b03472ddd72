"""An answer says what of its request was not found, with the nearest known value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shortlist.cascade.answer_warnings import known_spelling
from shortlist.data.ids import IdMap
from shortlist.recommender import Recommender
from support.http import call
from support.servers import Server


@pytest.mark.parametrize(
    ("filters", "warnings"),
    [
        ({"genres": {"any": ["Horror"]}}, []),
        (
            {"genres": {"any": ["Horor", "Comedy"]}},
            ["filters.genres.any: no item has the value 'Horor'; did you mean 'Horror'?"],
        ),
        (
            {"genres": {"none": ["Opera 7"]}},
            ["filters.genres.none: no item has the value 'Opera 7'"],
        ),
        (
            {"items": {"any": ["M00001", "m00002"]}},
            ["filters.items.any: the catalogue has no item 'M00001'; did you mean 'm00001'?"],
        ),
        (
            {"genres": {"any": ["Zzz"]}},
            [
                "filters.genres.any: no item has the value 'Zzz'",
                "filters: none of the 300 items is allowed",
            ],
        ),
        (
            "minutes > 0 and not (genres in ['Horor', 'Comedy'])",
            ["filters, genres: no item has the value 'Horor'; did you mean 'Horror'?"],
        ),
        (
            "id = 'M00001' or genres contains 'Zzz'",
            [
                "filters, id: the catalogue has no item 'M00001'; did you mean 'm00001'?",
                "filters, genres: no item has the value 'Zzz'",
                "filters: none of the 300 items is allowed",
            ],
        ),
        (
            {"items": {"none": [f"x{k}" for k in range(9)]}},
            ["filters.items.none: the catalogue has no item 'x0', 'x1', 'x2' (and 6 more)"],
        ),
    ],
)
def test_filters(recommender: Recommender, filters: Any, warnings: list[str]) -> None:
    slate = recommender.recommend(user="u00001", n=3, filters=filters)
    assert slate.warnings == warnings
    assert recommender.recommend(users=["u00001", "u00002"], n=3, filters=filters)[1].warnings == warnings


def test_history_and_user(recommender: Recommender) -> None:
    slate = recommender.recommend(history=["m00001", "m1"], n=3)
    assert slate.warnings == ["history: ignored, because the catalogue has no item 'm1'"]
    assert recommender.recommend(user="u00001", n=3).warnings == []
    assert recommender.recommend(user="somebody new", n=3).warnings == []
    [warning] = recommender.recommend(user="U00001", n=3).warnings
    assert warning == "user: 'U00001' is not known, and answered as a new user; did you mean 'u00001'?"


@pytest.mark.parametrize(
    ("ids", "asked", "found"),
    [
        (["0042", "7"], "42", "0042"),
        (["0042", "7"], 42, "0042"),
        (["0042", "7"], "007", "7"),
        (["0042", "7"], " 7 ", "7"),
        (["0042", "7"], "7.0", "7"),
        (["0042", "7"], "8", None),
        ([42, 7], "042", 42),
        ([42, 7], "x", None),
        (["Ann"], "ann", None),  # the case of an id cannot be guessed, only all of it changed
        (["ANN"], "ann", "ANN"),
    ],
)
def test_other_spellings_of_an_id(ids: list[int | str], asked: int | str, found: int | str | None) -> None:
    assert known_spelling(IdMap(pa.array(ids)), asked) == found


def test_over_http(server: Server) -> None:
    body = {"user": "U00001", "n": 2, "filters": {"genres": {"any": ["Horor"]}}}
    status, answer = call(f"{server.url}/v1/recommend", body)
    assert status == 200
    assert [warning.split(":")[0] for warning in answer["warnings"]] == [
        "filters.genres.any",
        "filters",
        "user",
    ]
    page = call(f"{server.url}/v1/page", {**body, "rows": 2})[1]
    assert page["warnings"] == answer["warnings"]

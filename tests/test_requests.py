"""A request is checked once, when it is made, and is immutable."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from shortlist.errors import RequestError
from shortlist.requests import RecommendRequest, requests_for


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"n": 0}, "n", "from 1 to 200"),
        ({"n": 201}, "n", "from 1 to 200"),
        ({"n": True}, "n", "whole number"),
        ({"n": "5"}, "n", "whole number"),
        ({"history": "i3"}, "history", "list of item ids"),
        ({"history": 3}, "history", "list of item ids"),
        ({"history": {"i3": 1}}, "history", "list of item ids"),
        ({"context": ["phone"]}, "context", "mapping"),
        ({"weights": 2.0}, "weights", "mapping"),
        ({"filters": ["Horror"]}, "filters", "an expression"),
        ({"filters": "a" * 4001}, "filters", "at most 4,000"),
        ({"boosts": {"when": "a = 1"}}, "boosts", "list of at most 16"),
        ({"boosts": [{"when": "a = 1"}]}, "boosts.0", "when and amount"),
        ({"boosts": [{"when": "a = 1", "amount": 0}]}, "boosts.0.amount", "from -100 to 100"),
        ({"boosts": [{"when": {}, "amount": 1}]}, "boosts.0.when", "condition"),
        ({"at_least": 0.5}, "at_least", "mapping"),
        ({"diversity": 1.5}, "diversity", "from 0 to 1"),
        ({"diversity": float("nan")}, "diversity", "from 0 to 1"),
        ({"freshness": -1}, "freshness", "from 0 to 10"),
        ({"calibration": "much"}, "calibration", "from 0 to 1"),
        ({"explore": True}, "explore", "from 0 to 5"),
        ({"seed": -1}, "seed", "whole number"),
        ({"seed": 1.5}, "seed", "whole number"),
        ({"now": "yesterday"}, "now", "whole number"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as error:
        RecommendRequest(**fields)
    assert error.value.field == field


@pytest.mark.parametrize(
    "field",
    [
        "n",
        "user",
        "history",
        "after",
        "seed",
        "now",
        "diversity",
        "filters",
        "weights",
        "context",
        "placement",
        "cursor",
    ],
)
def test_numbers_of_any_length_and_long_values_are_named(field: str) -> None:
    """Python cannot write a number of more than 4,300 digits; an error does not repeat a long value."""
    huge = 10**5000
    values: tuple[Any, ...] = (huge, [huge] * 3, {"a": huge}, [[1] * 10_000])
    for value in values:
        with pytest.raises(RequestError) as error:
            RecommendRequest(**{field: value})
        assert (error.value.field or "").split(".")[0] == field
        assert len(error.value.message) < 400


def test_an_unknown_field_gets_a_suggestion() -> None:
    with pytest.raises(RequestError, match="did you mean 'diversity'") as error:
        RecommendRequest.of({"divrsity": 0.5})
    assert error.value.field == "divrsity"


def test_any_sequence_of_items_is_a_history() -> None:
    several: list[Any] = [["a", "b"], ("a", "b"), np.array(["a", "b"]), iter(["a", "b"])]
    for given in several:
        assert RecommendRequest(history=given).history == ("a", "b")


def test_it_is_immutable_and_can_be_copied() -> None:
    request = RecommendRequest("u1", 5, weights={"seconds": 2.0})
    with pytest.raises(FrozenInstanceError):
        request.n = 6  # type: ignore[misc]
    assert copy.deepcopy(request) == request
    assert pickle.loads(pickle.dumps(request)) == request
    assert repr(request) == "RecommendRequest(user='u1', n=5, weights={'seconds': 2.0})"
    many = [f"m{number:05d}" for number in range(1_000)]
    long = repr(RecommendRequest(history=many, filters={"items": {"none": many}}))
    assert long.startswith("RecommendRequest(history=('m00000', 'm00001', 'm00002', ...)")
    assert len(long) <= 200


def test_defaults_fill_missing_fields_only() -> None:
    request = RecommendRequest("u1", weights={"play": 1.0}, diversity=0.0)
    merged = request.merged(
        {
            "weights": {"play": 5.0, "seconds": 2.0},
            "diversity": 0.5,
            "explore": 1.0,
            "combine": None,
            "at_least": {},
        }
    )
    assert merged.weights == {"play": 1.0, "seconds": 2.0}
    assert (merged.diversity, merged.explore, merged.combine, merged.at_least) == (0.0, 1.0, None, None)


def test_a_batch_is_one_request_a_user() -> None:
    batch = requests_for(["u1", "u2"], 3, [{"device": "tv"}, None], {"seed": 7})
    assert [(r.user, r.n, r.context, r.seed) for r in batch] == [
        ("u1", 3, {"device": "tv"}, 7),
        ("u2", 3, None, 8),
    ]
    for users, contexts, options, field in (
        ("u1", None, {}, "users"),
        (["u1"], None, {"history": ["i1"]}, "users"),
        (["u1", "u2"], [{}], {}, "context"),
    ):
        with pytest.raises(RequestError) as error:
            requests_for(users, 3, contexts, options)  # type: ignore[arg-type]
        assert error.value.field == field


def test_a_moment_can_lie_before_1970() -> None:
    """A log of 1950 is evaluated as of its own time."""
    assert RecommendRequest(now=-631_152_000_000).now == -631_152_000_000
    with pytest.raises(RequestError, match="now must be a whole number from -2"):
        RecommendRequest(now=-(2**63))
    with pytest.raises(RequestError, match="seed must be a whole number from 0"):
        RecommendRequest(seed=-1)

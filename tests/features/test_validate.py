"""Validation of feature declarations."""

from __future__ import annotations

from typing import Any

import pytest

from shortlist.errors import ProjectError
from shortlist.features.validate import FeatureSchema, parse_features
from support.feature_cases import FEATURES, case_project, make

SCHEMA = FeatureSchema(
    {"tags": "list", "shop": "category", "price": "number", "made": "time"},
    {"land": "category"},
    {"device": "category"},
    ["play", "show"],
)


@pytest.mark.parametrize(
    ("feature", "field", "words"),
    [
        (
            {"kind": "count", "by": "item", "event": "buy"},
            "event",
            "no event is of kind 'buy'; the log has: play",
        ),
        (
            {"kind": "count", "by": "item", "event": "plya"},
            "event",
            "no event is of kind 'plya'; did you mean 'play'?",
        ),
        ({"kind": "count", "by": "item.colour", "event": "play"}, "by", "by = 'item.colour'"),
        ({"kind": "count", "by": "itme", "event": "play"}, "by", "did you mean 'item'?"),
        ({"kind": "attribute", "of": "item.colour"}, "of", "item has: tags (list), shop (category)"),
        ({"kind": "attribute", "of": "item.pice"}, "of", "did you mean 'item.price'?"),
        ({"kind": "count", "by": "item", "event": "play", "window": "0d"}, "window", "is not a duration"),
        ({"kind": "count", "by": "item", "event": "play", "windw": "1d"}, "windw", "did you mean 'window'?"),
        ({"kind": "cuont", "by": "item", "event": "play"}, "kind", "did you mean 'count'?"),
        ({"kind": "moment", "of": "hours"}, "of", "did you mean 'hour'?"),
        ({"kind": "cross", "of": ["houry", "item.shop"]}, "of", "'houry' is no feature of kind moment"),
        ({"kind": "custom", "function": "haf", "inputs": ["n"]}, "function", "did you mean 'half'?"),
        ({"kind": "custom", "function": "half", "inputs": ["m"]}, "inputs", "there is no feature 'm'"),
        ({"name": "n", "kind": "moment", "of": "hour"}, "name", "two features are called 'n'"),
    ],
)
def test_errors_name_the_feature_and_the_setting(feature: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_features([FEATURES[0], {"name": "x", **feature}], SCHEMA, lambda name: f"file.toml, {name}: ")
    assert words in str(error.value)
    assert error.value.field == f"features.1.{field}"
    assert str(error.value).startswith(f"file.toml, features.1.{field}: ")


def test_derived_features_follow_their_inputs() -> None:
    derived = {"name": "a", "kind": "custom", "function": "half", "inputs": ["b", "item.price"]}
    other = {"name": "b", "kind": "custom", "function": "half", "inputs": ["n", "n"]}
    assert [f.name for f in parse_features([derived, other, FEATURES[0]], SCHEMA)] == ["n", "b", "a"]


def test_circular_dependency() -> None:
    features = [
        {"name": name, "kind": "custom", "function": "half", "inputs": [other, "item.price"]}
        for name, other in (("a", "b"), ("b", "a"))
    ]
    with pytest.raises(ProjectError, match=r"circular dependency: (a → b → a|b → a → b)") as error:
        parse_features(features, SCHEMA)
    assert str(error.value.field).endswith(".inputs")


def test_schema_of_a_data_set_and_of_its_project() -> None:
    dataset = make([("u", "a", 1.0, "play", 1.0), ("u", "a", 2.0, "show", 1.0)])
    assert FeatureSchema.of_dataset(dataset) == FeatureSchema.of_project(case_project(), dataset.log.kinds)

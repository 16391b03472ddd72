"""Numbers compared within given lists: by hand, against a plain reference, and which declarations are refused."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.ids import IdMap
from shortlist.errors import ProjectError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.spec_lists import WithinListFeature
from shortlist.features.within_list import compare_within_lists, latest_on_list, named_on_list
from support.given_lists import ITEMS, list_log, list_project

NAN = float("nan")
PRICES = np.array([30, 10, NAN, 20, 20, 5, 8, 0], np.float32)
LISTED = np.array([1, 1, 1, 1, 1, 0, 1, 1], bool)  # the sixth row was added to the first request
BOUNDS = np.array([0, 6, 8, 8])


def feature(how: str, to: str = "median") -> WithinListFeature:
    return WithinListFeature.model_validate(
        {"name": "x", "kind": "within_list", "of": "price", "how": how, "to": to}
    )


@pytest.mark.parametrize(
    ("how", "to", "expected"),
    [
        ("rank", "median", [3, 0, NAN, 1, 1, NAN, 1, 0]),
        ("difference", "median", [10, -10, NAN, 0, 0, NAN, 4, -4]),
        ("ratio", "median", [1.5, 0.5, NAN, 1, 1, NAN, 2, 0]),
        ("difference", "min", [20, 0, NAN, 10, 10, NAN, 8, 0]),
        ("ratio", "min", [3, 1, NAN, 2, 2, NAN, NAN, NAN]),  # the second list has the minimum 0
        ("ratio", "max", [1, 1 / 3, NAN, 2 / 3, 2 / 3, NAN, 1, 0]),
        (
            "difference",
            "latest",
            [20, 0, NAN, 10, 10, NAN, NAN, NAN],
        ),  # the second row; none of the second list
        ("ratio", "context.seen", [3, 1, NAN, 2, 2, NAN, NAN, NAN]),
        ("difference", "mean", [10, -10, NAN, 0, 0, NAN, 4, -4]),
        ("share", "median", [3 / 8, 1 / 8, NAN, 2 / 8, 2 / 8, NAN, 1, 0]),
        ("z_score", "median", [2**0.5, -(2**0.5), NAN, 0, 0, NAN, 1, -1]),
        ("reference", "max", [30, 30, NAN, 30, 30, NAN, 8, 8]),
        ("reference", "latest", [10, 10, NAN, 10, 10, NAN, NAN, NAN]),
    ],
)
def test_by_hand(how: str, to: str, expected: list[float]) -> None:
    chosen = np.array([1, -1, -1])
    found = compare_within_lists(feature(how, to), PRICES, LISTED, BOUNDS, chosen)
    np.testing.assert_allclose(found, np.array(expected, np.float32), rtol=1e-6)


def test_lists_of_equal_numbers_and_of_zeros() -> None:
    values, listed = np.array([4, 4, 0, 0, 7], np.float32), np.ones(5, bool)
    nothing = np.full(3, -1)
    found = [
        compare_within_lists(feature(how), values, listed, np.array([0, 2, 4, 5]), nothing).tolist()
        for how in ("z_score", "share")
    ]
    assert found[0] == [0, 0, 0, 0, 0]
    np.testing.assert_array_equal(found[1], [0.5, 0.5, NAN, NAN, 1])


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=12), st.randoms())
def test_means_shares_and_z_scores_against_numpy(values: list[float], random: random.Random) -> None:
    known = np.array(values, np.float64)
    one, listed, bounds = known.astype(np.float32), np.ones(len(known), bool), np.array([0, len(known)])

    def found(how: str, of: np.ndarray = one) -> np.ndarray:
        return compare_within_lists(feature(how, "mean"), of, listed, bounds, np.array([-1]))

    np.testing.assert_allclose(found("difference"), known - known.mean(), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found("reference"), np.full(len(known), known.mean()), rtol=1e-5, atol=1e-3)
    if known.std() > 1e-3:
        np.testing.assert_allclose(
            found("z_score"), (known - known.mean()) / known.std(), rtol=1e-4, atol=1e-4
        )
    if abs(known.sum()) > 1:
        np.testing.assert_allclose(found("share"), known / known.sum(), rtol=1e-4, atol=1e-5)
    order = list(range(len(values)))
    random.shuffle(order)
    for how in ("share", "z_score"):
        np.testing.assert_array_equal(found(how, one[order]), found(how)[order])


numbers = st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32))


@given(
    st.lists(st.lists(st.tuples(numbers, st.booleans()), max_size=8), min_size=1, max_size=4),
    st.sampled_from(["rank", "difference", "ratio"]),
    st.sampled_from(["median", "min", "max"]),
)
def test_against_a_plain_reference(lists: list[list[tuple[float, bool]]], how: str, to: str) -> None:
    rows = [row for one in lists for row in one]
    values = np.array([value for value, _ in rows], np.float32)
    listed = np.array([there for _, there in rows], bool)
    bounds = np.concatenate([[0], np.cumsum([len(one) for one in lists])])
    found = compare_within_lists(feature(how, to), values, listed, bounds, np.full(len(lists), -1))
    expected: list[float] = []
    for one in lists:
        known = [float(np.float32(v)) for v, there in one if there and v == v]
        for v, there in one:
            number = float(np.float32(v))
            if not there or number != number:
                expected.append(NAN)
            elif how == "rank":
                expected.append(sum(other < number for other in known))
            else:
                ordered = sorted(known)
                middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
                other = {"median": middle, "min": ordered[0], "max": ordered[-1]}[to]
                ratio = NAN if other == 0 else number / other
                expected.append(number - other if how == "difference" else ratio)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found, np.array(expected, np.float64).astype(np.float32))


def test_the_latest_item_on_the_list() -> None:
    owner = np.array([0, 0, 0, 1])
    none = np.zeros(4)
    events = np.array([4, 7, 9, 4], np.int32)
    histories = Histories.of(owner, 3, events, np.arange(4), none.astype(np.int16), none.astype(np.float32))
    item = np.array([1, 7, 4, 9, -1, 4, 2], np.int32)
    listed = np.array([1, 1, 1, 0, 1, 1, 1], bool)  # item 9 is no part of the list
    assert latest_on_list(histories, item, listed, np.array([0, 5, 6, 7])).tolist() == [1, 5, -1]


def test_the_item_that_the_context_names() -> None:
    import pyarrow as pa

    ids = IdMap(pa.array([10, 11, 12]))
    column = CategoryAttribute("seen", np.array([1, -1, 0, 2], np.int32), ["12", "11", "no item"])
    item, listed = np.array([0, 1, 1, 2, 0], np.int32), np.ones(5, bool)
    assert named_on_list(column, ids, item, listed, np.array([0, 2, 3, 4, 5])).tolist() == [1, -1, 3, -1]
    assert named_on_list(None, ids, item, listed, np.array([0, 5])).tolist() == [-1]


@pytest.mark.parametrize(
    ("table", "setting", "message"),
    [
        ({"kind": "given", "of": "prise"}, "of", "did you mean 'price'"),
        ({"kind": "within_list", "of": "prices"}, "of", "did you mean 'price'"),
        ({"kind": "within_list", "of": "cat"}, "of", "one number for each candidate"),
        ({"kind": "within_list", "of": "tags"}, "of", "one number for each candidate"),
        ({"kind": "within_list", "of": "price_rank"}, "of", "one number for each candidate"),
        ({"kind": "within_list", "of": "price", "to": "least"}, "to", "to is one of median, mean, min, max"),
        ({"kind": "within_list", "of": "price_click"}, "of", "one number for each candidate"),
        ({"kind": "within_list", "of": "price", "event": "click"}, "event", 'needs to = "latest"'),
        (
            {"kind": "within_list", "of": "price", "to": "latest", "event": "clik"},
            "event",
            "did you mean 'click'",
        ),
        ({"kind": "within_list", "of": "price", "to": "context.sees"}, "to", "did you mean 'context.seen'"),
    ],
)
def test_wrong_declarations_are_refused(table: dict[str, Any], setting: str, message: str) -> None:
    project = list_project()
    dataset = Dataset.from_frames(list_log(20), ITEMS, None, project)
    wrong = project.model_copy(update={"features": [*project.features, {"name": "wrong", **table}]})
    with pytest.raises(ProjectError, match=message) as error:
        FeatureSet.from_project(wrong, dataset)
    assert error.value.field == f"features.{len(project.features)}.{setting}"


def test_features_of_lists_need_lists_as_examples() -> None:
    with pytest.raises(
        ProjectError, match=r"'price' is of kind given.*set examples = \"impressions\""
    ) as error:
        list_project(rank={"examples": "candidates"})
    assert error.value.field == "rank.examples"

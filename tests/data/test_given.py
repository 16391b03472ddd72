"""Given numbers of a log: read, checked, kept in bundles, and removed with their users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.erasure import without_users
from shortlist.data.given_lists import GivenLists
from shortlist.data.serialize import load_dataset, save_dataset
from shortlist.errors import BundleError, DataError, ProjectError
from support.given_lists import ITEMS, list_log, list_project


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset.from_frames(list_log(30), ITEMS, None, list_project())


def some_lists() -> GivenLists:
    """Slate 3 with the items 5 and 6, slate 8 with item 7."""
    numbers = np.array([1.5, np.nan, 3.0], np.float32)
    return GivenLists(
        np.array([3, 8], np.int32), np.array([0, 2, 3]), np.array([5, 6, 7], np.int32), {"price": numbers}
    )


def test_numbers_are_read_beside_their_events(dataset: Dataset) -> None:
    log = dataset.log
    table = list_log(30).sort_by([("timestamp", "ascending")]).to_pylist()
    expected = {(r["item_id"], r["timestamp"]): r["price"] for r in table if r["kind"] == "impression"}
    rows = np.flatnonzero(log.is_kind(["impression"]))
    found = dict(
        zip(
            zip(dataset.items.ids.ids(log.item[rows]), (log.time[rows] // 1000).tolist(), strict=True),
            log.given["price"][rows].tolist(),
            strict=True,
        )
    )
    assert set(found) == set(expected)
    for key, price in expected.items():
        assert found[key] == pytest.approx(price, nan_ok=True) if price is not None else np.isnan(found[key])
    assert np.isnan(log.given["price"][~log.is_kind(["impression"])]).all()


def test_texts_of_numbers_are_read_and_others_refused() -> None:
    table = list_log(5)
    at = table.column_names.index("price")
    texts = ["12.50" if price is not None else None for price in table.column("price").to_pylist()]
    read = Dataset.from_frames(table.set_column(at, "price", pa.array(texts)), ITEMS, None, list_project())
    assert set(np.unique(read.log.given["price"]).tolist()[:1]) == {12.5}
    texts[3] = "dear"
    with pytest.raises(DataError, match=r"the number is no number.*dear"):
        Dataset.from_frames(table.set_column(at, "price", pa.array(texts)), ITEMS, None, list_project())
    dates = pa.array([0] * len(table), pa.timestamp("ms"))
    with pytest.raises(DataError, match=r"another one in data\.given"):
        Dataset.from_frames(table.set_column(at, "price", dates), ITEMS, None, list_project())


def test_infinite_numbers_are_unknown() -> None:
    table = list_log(2)
    at = table.column_names.index("price")
    numbers = pa.array([float("inf"), 1e300, *[1.0] * (len(table) - 2)])
    read = Dataset.from_frames(table.set_column(at, "price", numbers), ITEMS, None, list_project())
    assert np.isnan(read.log.given["price"]).sum() == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [(["item"], "'item' is a field of its own"), (["price", "price"], "'price' is named twice")],
)
def test_names_that_cannot_be_given(given: list[str], message: str) -> None:
    with pytest.raises(ProjectError, match=message) as error:
        parse_project({"data": {"given": given}})
    assert error.value.field == "data.given"


def test_a_missing_column_is_named() -> None:
    project = list_project(data={"given": ["price", "scor"]})
    with pytest.raises(DataError, match="scor"):
        Dataset.from_frames(list_log(2), ITEMS, None, project)


def test_bundles_keep_numbers_and_lists(dataset: Dataset, tmp_path: Path) -> None:
    lists = some_lists()
    save_dataset(replace(dataset, log=replace(dataset.log, lists=lists)), tmp_path)
    log = load_dataset(tmp_path).log
    assert list(log.given) == ["price", "score"]
    for name, numbers in dataset.log.given.items():
        np.testing.assert_array_equal(log.given[name], numbers)
    assert log.lists is not None
    for name in ("slate", "indptr", "item"):
        np.testing.assert_array_equal(getattr(log.lists, name), getattr(lists, name))
    np.testing.assert_array_equal(log.lists.given["price"], lists.given["price"])
    assert [log.lists.of(slate) for slate in (3, 8, 5, 9)] == [slice(0, 2), slice(2, 3), None, None]
    np.save(tmp_path / "lists" / "item.npy", np.array([5, 6, 999], np.int32))
    with pytest.raises(BundleError, match="items that the bundle does not have"):
        load_dataset(tmp_path)


def test_erased_users_leave_no_lists(dataset: Dataset) -> None:
    log, slate = dataset.log, 0
    owner = int(log.user[np.flatnonzero(log.slate == slate)[0]])
    other = int(log.slate[np.flatnonzero((log.user != owner) & (log.slate >= 0))[0]])
    lists = replace(some_lists(), slate=np.sort(np.array([slate, other], np.int32)))
    left = without_users(
        replace(dataset, log=replace(log, lists=lists)), [dataset.users.ids.id(owner)]
    ).log.lists
    assert left is not None
    assert left.slate.tolist() == [other]
    assert left.item.tolist() == lists.item[lists.of(other)].tolist()


def test_lists_of_several_parts_are_joined() -> None:
    one, more = (
        some_lists(),
        replace(some_lists(), slate=np.array([11, 12], np.int32), given={"score": np.ones(3, np.float32)}),
    )
    both = GivenLists.joined([one, more])
    assert both is not None
    assert (both.slate.tolist(), both.indptr.tolist()) == ([3, 8, 11, 12], [0, 2, 3, 5, 6])
    assert np.isnan(both.given["price"][3:]).all()
    assert np.isnan(both.given["score"][:3]).all()
    assert GivenLists.joined([one.of_slates(np.empty(0, np.int64))]) is None

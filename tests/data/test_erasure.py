"""A data set without some users keeps nothing that only they had."""

from __future__ import annotations

import pyarrow as pa

from shortlist.data.dataset import Dataset
from shortlist.data.erasure import without_users

EVENTS = pa.table(
    {
        "user_id": ["ann", "bob", "ann"],
        "item_id": ["x", "x", "y"],
        "timestamp": [1_700_000_000, 1_700_000_050, 1_700_000_100],
        "page_town": ["Aland", "Bath", "Bath"],
    }
)
USERS = pa.table({"user_id": ["ann", "bob"], "town": ["Aland", "Bath"], "tags": [["rare", "both"], ["both"]]})


def test_words_that_only_the_erased_had_are_gone() -> None:
    dataset = Dataset.from_frames(EVENTS, users=USERS)
    town = dataset.users.attributes["town"]
    after = without_users(dataset, ["ann"])
    assert after.users.ids.values.to_pylist() == ["bob"]
    assert after.users.attributes["town"].show(0) == "Bath"
    assert after.users.attributes["tags"].show(0) == ["both"]
    assert "Aland" not in list(after.users.attributes["town"].vocabulary)  # type: ignore[attr-defined]
    assert "rare" not in list(after.users.attributes["tags"].vocabulary)  # type: ignore[attr-defined]
    assert "Aland" in list(town.vocabulary)  # type: ignore[attr-defined]  # the data set itself is not changed
    assert after.log.user.tolist() == [0]
    assert after.items.ids.ids(after.log.item) == ["x"]


def test_unknown_users_change_nothing() -> None:
    dataset = Dataset.from_frames(EVENTS, users=USERS)
    assert without_users(dataset, ["eve"]) is dataset

"""Read a training table and a test table, as published with data sets of collaborative filtering.

Ids carry no information here: rows are shuffled before ids become codes, so that no tie is decided by a numbering that
was derived from training and test together. With timestamps, order is time; without them, the order of rows has no
meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.data.ids import IdMap
from shortlist.errors import DataError
from shortlist.evaluate.external_columns import column_of, ids_of, read_file, times_of
from shortlist.retrieve.fusion.holdout import Kind, kind_of_split

ROLES = ("user", "item", "timestamp")
MIN_SHARE, MAX_SHARE = 0.05, 0.3
"""Limits of the share of training that is held out to choose settings."""
ENOUGH_USERS = 4_000
"""So many held-out events, one of each user, teach a fusion."""


@dataclass(frozen=True)
class TrainTestTables:
    """A training table as a data set, and the relevant items of the people of the test table.

    Attributes
    ----------
    train : Dataset
        The training data.
    users : ndarray of int32, shape (P,)
        The people of the test; −1 if training does not know them.
    truth : list of ndarray of int64
        The relevant items of each; codes beyond the catalogue are items that training does not know.
    kind : str
        How the tables were split: in time, at random, or the last events of each user.
    share : float
        The share of the events in the test, between 0.05 and 0.3.
    facts : dict
        Facts for the report.
    """

    train: Dataset
    users: NDArray[np.int32]
    truth: list[NDArray[np.int64]]
    kind: Kind
    share: float
    facts: dict[str, Any]

    def held_share(self, networks: bool) -> float:
        """Return the share of training that is held out to choose settings; 0: one event of each user.

        It is that of the test. Networks are judged too low where they learn from less than they will be fitted on, more so than other models.
        Where networks are tried and the test is one event of each of many users, no more is therefore held out of training either.
        """
        one_each = self.kind == "last" and all(len(items) == 1 for items in self.truth)
        return 0.0 if networks and one_each and len(self.truth) >= ENOUGH_USERS else self.share

    def __repr__(self) -> str:
        return f"TrainTestTables({self.train!r}, {len(self.users):,} people in the test)"


def read_train_test(train: str, test: str) -> TrainTestTables:
    """Read both tables from files.

    Raises
    ------
    DataError
        Names the file and the column that is wrong.
    """
    return train_test_tables(read_file(train), read_file(test), train, test)


def train_test_tables(
    train: pa.Table, test: pa.Table, train_name: str = "train", test_name: str = "test"
) -> TrainTestTables:
    """Make a data set and its test from two tables.

    Parameters
    ----------
    train, test
        Tables with user, item and, optionally, timestamp.
    train_name, test_name
        The names of the tables in error messages.

    Raises
    ------
    DataError
        Names the table and the column that is wrong.
    """
    columns = _columns(train, train_name)
    _columns(test, test_name)
    dataset = _dataset(train, columns, train_name)
    ids = {role: ids_of(test, role, test_name) for role in ("user", "item")}
    if not test.num_rows:
        raise DataError(f"{test_name} has no rows; a test needs at least one")
    people = pc.unique(ids["user"])
    row_person = pc.index_in(ids["user"], people).to_numpy().astype(np.int64)
    row_item, unknown_items = _test_items(ids["item"], dataset.items.ids)
    width = len(dataset.items) + unknown_items
    pairs = np.unique(row_person * width + row_item)
    bounds = np.searchsorted(pairs // width, np.arange(len(people) + 1))
    truth = [pairs[low:high] % width for low, high in pairwise(bounds)]
    users = dataset.users.ids.codes(people)
    timed, moments = columns["timestamp"] is not None, times_of(test, test_name)
    kind: Kind = "random"
    if timed and moments is not None:
        known = users[row_person] >= 0
        kind = kind_of_split(dataset.log.user, dataset.log.time, users[row_person][known], moments[known])
    facts = {
        "train_events": len(dataset.log),
        "train_set_aside": dict(dataset.check.set_aside),
        "train_users": len(dataset.users),
        "items": len(dataset.items),
        "test_pairs": len(pairs),
        "test_users": len(people),
        "test_users_unknown_to_train": int((users < 0).sum()),
        "test_items_unknown_to_train": unknown_items,
        "test_pairs_already_in_train": _repeated_pairs(dataset, users, pairs, width),
        "split": kind,
        "timestamps": timed,
    }
    share = len(pairs) / max(len(pairs) + len(dataset.log), 1)
    return TrainTestTables(dataset, users, truth, kind, float(np.clip(share, MIN_SHARE, MAX_SHARE)), facts)


def _columns(table: pa.Table, name: str) -> dict[str, str | None]:
    return {role: column_of(table, role, name, role != "timestamp") for role in ROLES}


def _dataset(train: pa.Table, columns: dict[str, str | None], name: str) -> Dataset:
    """The shuffled training table as a data set. Rows that it would set aside for their id or time are named before."""
    if not train.num_rows:
        raise DataError(f"{name} has no rows")
    for role in ("user", "item"):
        ids_of(train, role, name)
    times_of(train, name)
    train = train.take(pa.array(np.random.default_rng(0).permutation(train.num_rows)))
    given = {role: column for role, column in columns.items() if column}
    return Dataset.from_frames(train, project=parse_project({"name": name, "data": {"columns": given}}))


def _test_items(ids: pa.Array, catalogue: IdMap) -> tuple[NDArray[np.int64], int]:
    """The code of each row's item, and the number of unknown items; each of these has a code beyond the catalogue."""
    distinct = pc.unique(ids)
    codes = catalogue.codes(distinct).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    codes[unknown] = len(catalogue) + np.arange(len(unknown))
    return codes[pc.index_in(ids, distinct).to_numpy()], len(unknown)


def _repeated_pairs(dataset: Dataset, users: NDArray[np.int32], pairs: NDArray[np.int64], width: int) -> int:
    """The number of pairs of the test, person · width + item, that are in training."""
    histories = dataset.histories
    seen = np.unique(histories.owner * np.int64(width) + histories.item)
    user = users[pairs // width].astype(np.int64)
    return int(np.isin(np.where(user >= 0, user * width + pairs % width, -1), seen).sum())

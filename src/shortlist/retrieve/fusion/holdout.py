"""A validation part of a training table, held out in the way the test was split off.

A choice made on the wrong kind of hold-out is the wrong choice. There are three kinds:

- **time**: the whole test is later than the training; so is the validation part.
- **last**: the test of each user is later than the training of that user; the last events of each user are held out.
- **random**: the test is scattered over the events of each user, or times are unknown.

The kind follows from the times of both tables, never from the items of the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

Kind = Literal["time", "last", "random"]
NOTHING_TO_HOLD_OUT = (
    "the training table is too small to hold out a validation part: no user has two different items; "
    "name a retriever instead of auto"
)


@dataclass(frozen=True)
class Holdout:
    """A training part and the relevant items that were held out.

    Attributes
    ----------
    kind
        How the events were held out.
    train
        The training part.
    users
        int32 (P,): the users with held-out items.
    truth
        For each user, the held-out items that are not in the user's training part.
    moments
        int64 ms (P,): when each user's request is made: where all is held out after one moment, then; else just after the user's last
        event of the training part.
    """

    kind: Kind
    train: Dataset
    users: NDArray[np.int32]
    truth: list[NDArray[np.int64]]
    moments: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Holdout({self.kind}, {len(self.users)} users)"


def kind_of_split(
    train_user: NDArray[np.integer],
    train_time: NDArray[np.int64],
    test_user: NDArray[np.integer],
    test_time: NDArray[np.int64],
) -> Kind:
    """Return how a test was split off, from users (codes) and times (ms) alone."""
    if not len(test_time):
        return "random"
    if np.quantile(test_time, 0.01) >= np.quantile(train_time, 0.99):
        return "time"
    n = int(max(train_user.max(initial=-1), test_user.max(initial=-1))) + 1
    latest, earliest = np.full(n, np.iinfo(np.int64).min), np.full(n, np.iinfo(np.int64).max)
    np.maximum.at(latest, train_user, train_time)
    np.minimum.at(earliest, test_user, test_time)
    both = (latest > np.iinfo(np.int64).min) & (earliest < np.iinfo(np.int64).max)
    return "last" if both.any() and (earliest >= latest)[both].mean() >= 0.95 else "random"


def hold_out(dataset: Dataset, kind: Kind, share: float = 0.2, seed: int = 0) -> Holdout:
    """Hold out a share of the events.

    Parameters
    ----------
    dataset
        The training table.
    kind
        How the events are held out.
    share
        Fraction of the events (default: 0.2). With `last` or `random`, each user with two events or more loses at least one, and with 0
        exactly one.
    seed
        Seed of a random hold-out.

    Raises
    ------
    DataError
        Where no user is left with both a training part and held-out items.
    """
    log = dataset.log
    acted = np.flatnonzero(log.acted)
    user, item, time = log.user[acted], log.item[acted], log.time[acted]
    n_users, n_items = len(dataset.users), len(dataset.items)
    if not len(acted):
        raise DataError(NOTHING_TO_HOLD_OUT)
    held = _held(user, time, kind, share, seed, n_users)
    keep = np.ones(len(log), bool)
    keep[acted[held]] = False
    train = replace(dataset, log=log.rows(keep))
    pairs = np.unique(user[held].astype(np.int64) * n_items + item[held])
    pairs = np.setdiff1d(pairs, np.unique(user[~held].astype(np.int64) * n_items + item[~held]))
    has_history = np.bincount(user[~held], minlength=n_users) > 0
    pairs = pairs[has_history[pairs // n_items]]
    users, truth = by_user(pairs, n_items)
    if not len(users):
        raise DataError(NOTHING_TO_HOLD_OUT)
    if kind == "time":
        moments = np.full(len(users), time[held].min(), np.int64)
    else:
        moments = after_history(train, users)
    return Holdout(kind, train, users.astype(np.int32), truth, moments)


def after_history(dataset: Dataset, users: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the moment just after the last event of each user, ms; after the newest of all for users without events or of code −1."""
    indptr, time = dataset.histories.indptr, dataset.histories.time
    safe = np.where(users >= 0, users, 0)
    filled = (users >= 0) & (indptr[safe + 1] > indptr[safe])
    last = time[np.where(filled, indptr[safe + 1] - 1, 0)]
    return np.where(filled, last, dataset.log.time[-1]) + 1


def _held(
    user: NDArray[np.integer], time: NDArray[np.int64], kind: Kind, share: float, seed: int, n_users: int
) -> NDArray[np.bool_]:
    """Return which events are held out; events are in order of time."""
    if kind == "time":
        return np.asarray(time >= time[min(int(len(time) * (1 - share)), len(time) - 1)])
    key = np.arange(len(user)) if kind == "last" else np.random.default_rng(seed).random(len(user))
    order = np.lexsort([key, user])
    size = np.bincount(user, minlength=n_users)
    start = np.concatenate([[0], np.cumsum(size)])[:-1]
    back = size[user[order]] - 1 - (np.arange(len(order)) - start[user[order]])  # 0: the user's last event
    quota = np.where(size >= 2, np.maximum(1, np.round(size * share)), 0)
    held = np.zeros(len(user), bool)
    held[order[back < quota[user[order]]]] = True
    return held


def by_user(pairs: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return sorted pairs, user · width + item, as the users that occur and the items of each."""
    users, starts = np.unique(pairs // width, return_index=True)
    return users, np.split(pairs % width, starts[1:]) if len(users) else []

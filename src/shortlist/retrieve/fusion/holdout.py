"""A validation part of a training table, held out the way that the test was.

A choice made on the wrong kind of hold-out is the wrong choice. Three kinds:

- **time**: the test lies after the training as a whole; so does the validation.
- **last**: each person's test lies after that person's training; the last events of each person are held out.
- **random**: the test is scattered over each person's events, or nothing is known of time.

Which kind it is follows from the times of both tables, never from what was taken in the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

Kind = Literal["time", "last", "random"]


@dataclass(frozen=True)
class Holdout:
    """`train`: what may be learnt from. `users` int32 (P,): who is asked for. `truth`: for each, the items held out that
    are not in the training part. `moments` int64 ms (P,): when each is asked.
    """

    kind: Kind
    train: Dataset
    users: np.ndarray
    truth: list[np.ndarray]
    moments: np.ndarray


def kind_of_split(
    train_user: np.ndarray, train_time: np.ndarray, test_user: np.ndarray, test_time: np.ndarray
) -> Kind:
    """How a test was split off, from who and when alone (users int codes, times int64)."""
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
    """Hold out about `share` of the events; with `last` and a share below 1 / (events of a person), one each."""
    log = dataset.log
    acted = np.flatnonzero(log.acted)
    user, item, time = log.user[acted], log.item[acted], log.time[acted]
    rng = np.random.default_rng(seed)
    n_users, n_items = len(dataset.users), len(dataset.items)
    if kind == "time":
        cut = time[min(int(len(time) * (1 - share)), len(time) - 1)]
        held = time >= cut
    else:
        key = np.arange(len(user)) if kind == "last" else rng.random(len(user))
        order = np.lexsort([key, user])
        size = np.bincount(user, minlength=n_users)
        start = np.concatenate([[0], np.cumsum(size)])[:-1]
        back = (
            size[user[order]] - 1 - (np.arange(len(order)) - start[user[order]])
        )  # 0: the last of the person
        quota = np.where(size >= 2, np.maximum(1, np.round(size * share)), 0)
        held = np.zeros(len(user), bool)
        held[order[back < quota[user[order]]]] = True
    kept = np.ones(len(log), bool)
    kept[acted[held]] = False
    train = replace(dataset, log=log.rows(kept))
    pairs = np.unique(user[held].astype(np.int64) * n_items + item[held])
    pairs = np.setdiff1d(pairs, np.unique(user[~held].astype(np.int64) * n_items + item[~held]))
    has_history = np.bincount(user[~held], minlength=n_users) > 0
    pairs = pairs[has_history[pairs // n_items]]
    users, truth = by_user(pairs, n_items)
    if not len(users):
        raise DataError(
            "the training table is too small to hold out a validation part: nobody has two different items; "
            "name a retriever instead of auto"
        )
    end = int(time[held].min()) if kind == "time" else int(log.time[-1]) + 1
    return Holdout(kind, train, users.astype(np.int32), truth, np.full(len(users), end, np.int64))


def by_user(pairs: np.ndarray, width: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sorted pairs, user · width + item, as the users that have any and the items of each."""
    users, starts = np.unique(pairs // width, return_index=True)
    return users, np.split(pairs % width, starts[1:]) if len(users) else []

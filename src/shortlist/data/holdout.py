"""A validation part of a training table, held out the way that the test was.

A choice made on the wrong kind of hold-out is the wrong choice. Three kinds:

- **time**: the test lies after the training as a whole; so does the validation.
- **last**: each person's test lies after that person's training; the last events of each person are held out.
- **mixed**: nothing is known of time. Half of the people lose events at random. The other half lose a *run*: an event and
  those of their own most like it. Real histories come in runs (a trip, a series, a season), and where the unseen split was
  made in time, the hidden part is a run whose companions are hidden too. Random hold-outs leave the companions in
  and so flatter models that only look next door (the same reason why spatial data is validated in blocks: Roberts et al.
  2017, "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure").
- **random**: times are known and the test is scattered among them.

Which kind it is follows from the times of both tables, never from what was taken in the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp

from shortlist.data.dataset import Dataset
from shortlist.errors import DataError

Kind = Literal["time", "last", "mixed", "random"]


@dataclass(frozen=True)
class Holdout:
    """`train`: what may be learnt from. `users` int32 (P,): who is asked for. `truth`: for each, the items held out that
    are not in the training part. `moments` int64 ms (P,): when each is asked."""

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
        if kind == "mixed":
            runs = rng.random(n_users) < 0.5
            key = np.where(runs[user], _run_order(user, item, n_users, n_items, rng), key)
        order = np.lexsort([key, user])
        size = np.bincount(user, minlength=n_users)
        start = np.concatenate([[0], np.cumsum(size)])[:-1]
        back = size[user[order]] - 1 - (np.arange(len(order)) - start[user[order]])  # 0: the last of the person
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
    users = np.unique(pairs // n_items)
    if not len(users):
        raise DataError(
            "the training table is too small to hold out a validation part: nobody has two different items; "
            "name a retriever instead of auto"
        )
    bounds = np.searchsorted(pairs // n_items, users), np.searchsorted(pairs // n_items, users, side="right")
    truth = [(pairs[low:high] % n_items) for low, high in zip(*bounds, strict=True)]
    end = int(time[held].min()) if kind == "time" else int(log.time[-1]) + 1
    return Holdout(kind, train, users.astype(np.int32), truth, np.full(len(users), end, np.int64))


def _run_order(
    user: np.ndarray, item: np.ndarray, n_users: int, n_items: int, rng: np.random.Generator
) -> np.ndarray:
    """A key per event, highest for the run to hold out: likeness to one event of the same person, drawn at random.

    Likeness is the cosine of the items' co-occurrence without the person's own vote, which would make all alike.
    """
    X = sp.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=(n_users, n_items))
    X.data[:] = 1
    counts = np.maximum(np.asarray(X.sum(0)).ravel(), 1)
    drawn = np.full(n_users, -1)
    drawn[user[(order := rng.permutation(len(user)))]] = item[order]
    # row u of `seeds` picks u's drawn item; its co-occurrence with all that u took is read off one sparse product
    there = np.flatnonzero(drawn >= 0)
    columns = X.tocsc()
    key = np.empty(len(user))
    by_user = np.argsort(user, kind="stable")
    starts = np.searchsorted(user[by_user], np.arange(n_users + 1))
    for low in range(0, len(there), 2048):
        block = there[low : low + 2048]
        together = (columns[:, drawn[block]].T @ X).tocsr()
        for at, person in enumerate(block):
            rows = by_user[starts[person] : starts[person + 1]]
            line = slice(together.indptr[at], together.indptr[at + 1])
            lookup = dict(zip(together.indices[line].tolist(), together.data[line].tolist(), strict=True))
            taken = item[rows]
            shared = np.array([lookup.get(int(i), 0.0) for i in taken]) - 1
            key[rows] = shared / np.sqrt(counts[drawn[person]] * counts[taken])
            key[rows[taken == drawn[person]]] = 2.0
    return key + 1e-6 * rng.random(len(user))

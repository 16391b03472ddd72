"""The given lists of past slates: their items, the numbers that were given with them, and which slates were no lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.features.rows import ListNumbers


@dataclass(frozen=True, eq=False, repr=False)
class ListMembers:
    """The items of past slates that were given lists, ragged.

    Attributes
    ----------
    is_list : ndarray of shape (slates,), bool
        Whether the slate is a given list. Other slates have no items here.
    indptr : ndarray of shape (slates + 1,), int64
        Where the items of each slate begin.
    item : ndarray of shape (M,), int32
        Item codes, rising within a slate.
    given : Mapping[str, ndarray of shape (M,), float32]
        Column of `data.given` → number; NaN where there is none.
    """

    is_list: NDArray[np.bool_]
    indptr: NDArray[np.int64]
    item: NDArray[np.int32]
    given: Mapping[str, NDArray[np.float32]]

    def items(self, slate: int) -> NDArray[np.int32]:
        """Return the items of a slate, rising; empty where it is no given list."""
        if not self.is_list[slate]:
            return self.item[:0]
        return self.item[self.indptr[slate] : self.indptr[slate + 1]]

    def without_some(self, share: float, seed: int) -> ListMembers:
        """Return the lists of which a share, drawn at random, are taken for slates without a list.

        A ranker that always saw given numbers predicts arbitrarily where there are none, as for a slate that it chooses itself.
        """
        if not share or not self.is_list.any():
            return self
        lost = np.random.default_rng([seed, len(self.is_list), 1]).random(len(self.is_list)) < share
        return replace(self, is_list=self.is_list & ~lost)

    def of_rows(
        self, request: NDArray[np.int64], item: NDArray[np.int32], may_be_listed: NDArray[np.bool_]
    ) -> ListNumbers | None:
        """Return which rows are items of given lists, and their numbers; None where no slate is a list.

        Parameters
        ----------
        request
            int64 (rows,): the slate of each row.
        item
            int32 (rows,): its item.
        may_be_listed
            bool (rows,): False for rows that were added to a slate.
        """
        if not self.is_list.any():
            return None
        span = int(max(self.item.max(initial=0), item.max(initial=0))) + 1
        keys = np.repeat(np.arange(len(self.is_list)), np.diff(self.indptr)) * span + self.item
        wanted = request * span + item
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        listed = (keys[at] == wanted) & self.is_list[request] & may_be_listed
        given = {
            name: np.where(listed, numbers[at], np.float32(np.nan)) for name, numbers in self.given.items()
        }
        return ListNumbers(listed, given)

    @classmethod
    def none(cls, slates: int) -> Self:
        """Return the members of slates of which none was a given list."""
        return cls(np.zeros(slates, bool), np.zeros(slates + 1, np.int64), np.empty(0, np.int32), {})

    def __repr__(self) -> str:
        return f"ListMembers({int(self.is_list.sum()):,} of {len(self.is_list):,} slates, {len(self.item):,} items)"


def list_members(
    dataset: Dataset, shown: list[NDArray[np.int64]], compares_lists: bool = False
) -> ListMembers:
    """Return the items of slates that were given lists.

    A slate is a given list if the log has its whole list (`Log.lists`) or some given number of it. Without `data.given`, every
    slate is one if features compare the items of lists.

    Parameters
    ----------
    dataset
        The log.
    shown
        For each slate, the rows of the log that were shown.
    compares_lists
        Whether there are features of kind `within_list`.
    """
    log = dataset.log
    every = compares_lists and not log.given
    is_list = np.zeros(len(shown), bool)
    items: list[NDArray[np.int32]] = []
    numbers: dict[str, list[NDArray[np.float32]]] = {name: [] for name in log.given}
    for at, rows in enumerate(shown):
        slate = int(log.slate[rows[0]])
        place = None if log.lists is None or slate < 0 else log.lists.of(slate)
        if log.lists is not None and place is not None:
            found, first = np.unique(log.lists.item[place], return_index=True)
            known = {name: column[place][first] for name, column in log.lists.given.items()}
            is_list[at] = True
        else:
            found, first = np.unique(log.item[rows], return_index=True)
            known = {name: column[rows][first] for name, column in log.given.items()}
            is_list[at] = every or any(not np.isnan(column).all() for column in known.values())
        items.append(found if is_list[at] else found[:0])
        for name, columns in numbers.items():
            column = known.get(name, np.full(len(found), np.nan, np.float32))
            columns.append(column if is_list[at] else column[:0])
    sizes = [len(part) for part in items]
    return ListMembers(
        is_list,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.empty(0, np.int32), *items]),
        {name: np.concatenate([np.empty(0, np.float32), *columns]) for name, columns in numbers.items()},
    )

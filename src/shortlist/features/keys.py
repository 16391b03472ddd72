"""Keys: what an aggregate counts by, as whole numbers.

`by = "item"` counts by item code, `"item.genres"` by each genre of the item, `"context.device"` by the device of the
moment, `"user*item.genres"` by person and genre, `"all"` by nothing. Both sides of a count speak this language: an event
adds to its keys, a row reads its own. Several parts become one number, as digits of mixed base.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np

from shortlist.data.attributes import Attribute
from shortlist.data.log import Log

NOTHING = np.empty(0, np.int64)
ROOM = 16_384
"""So many items may be added while serving, before a training is needed."""


@dataclass(frozen=True)
class Asked:
    """Who acts or asks, and in what moment: `users` int32 (R,), −1: a visitor; attributes with R rows each.

    `told`: user attributes that came with the request, which go before those on file.
    """

    users: np.ndarray
    context: dict[str, Attribute] = field(default_factory=dict)
    told: dict[str, Attribute] = field(default_factory=dict)

    @classmethod
    def events(cls, log: Log, rows: np.ndarray) -> Asked:
        return cls(log.user[rows], {name: a.take(rows) for name, a in log.context.items()})


@dataclass(frozen=True)
class Keys:
    """The coded attributes of all items, users and moments, from which keys are read."""

    n_users: int
    n_items: int
    users: dict[str, Attribute] = field(default_factory=dict)
    items: dict[str, Attribute] = field(default_factory=dict)
    context: dict[str, list[str]] = field(default_factory=dict)
    """Vocabularies of the context columns."""
    _sizes: dict[str, int] = field(default_factory=dict, repr=False)
    """Sizes of the parts, as they were first asked for. Items and words that come while serving must not move the keys
    of what is counted: items have `ROOM` from the start, and a new word has no count until the next training."""

    def size(self, by: str) -> int:
        """How many keys there are."""
        total = 1
        for part in by.split("*"):
            total *= self._size(part)
        return total

    def _size(self, part: str) -> int:
        if part not in self._sizes:
            self._sizes[part] = self._measured(part)
        return self._sizes[part]

    def _measured(self, part: str) -> int:
        if part == "all":
            return 1
        if part in {"item", "user"}:
            return self.n_items + ROOM if part == "item" else max(self.n_users, 1)
        side, _, name = part.partition(".")
        if side == "context":
            return max(len(self.context[name]), 1)
        return max(len((self.items if side == "item" else self.users)[name].vocabulary), 1)

    def of(
        self, by: str, asked: Asked, request: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(row, key) pairs, rows ascending, for rows of a request and an item. A row may have several keys, or none
        (an unknown user, an item without a genre).
        """
        n = len(items)
        if by == "item":  # the commonest key, and nothing to look up
            return np.arange(n), items.astype(np.int64)
        rows, keys = np.arange(n), np.zeros(n, np.int64)
        for part in by.split("*"):
            if part == "all":
                continue
            size = self._size(part)
            if part == "item" or part.startswith("item."):
                indptr, values = self._item_part(part, items)
                rows, keys = _product(rows, keys, rows, indptr, values, size)
            else:
                indptr, values = self._request_part(part, asked)
                rows, keys = _product(rows, keys, request[rows], indptr, values, size)
        return rows, keys

    def is_single(self, by: str) -> bool:
        """Whether a row has one key at most: no part is a list."""
        for part in by.split("*"):
            side, _, name = part.partition(".")
            table = {"item": self.items, "user": self.users}.get(side, {}) if name else {}
            if name in table and table[name].kind == "list":
                return False
        return True

    def single(self, by: str, asked: Asked, request: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The one key of each row, int64, −1 for none, where there are no lists (`is_single`)."""
        if by == "item":
            return items.astype(np.int64)
        keys = np.zeros(len(items), np.int64)
        for part in by.split("*"):
            if part == "all":
                continue
            if part == "item" or part.startswith("item."):
                _joined(keys, self._item_part(part, items)[1], NOTHING, self._size(part))
            else:
                _joined(keys, self._request_part(part, asked)[1], request, self._size(part))
        return keys

    def is_of_request(self, by: str) -> bool:
        """Whether the key does not depend on the candidate."""
        return not any(part == "item" or part.startswith("item.") for part in by.split("*"))

    def _item_part(self, part: str, items: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Keys of each row: one a row where indptr is None, −1 for none."""
        if part == "item":
            return None, items
        attribute, size = self.items[part.partition(".")[2]], self._size(part)
        grown = len(attribute.vocabulary) > size
        if attribute.kind == "category":
            codes = attribute.codes[items]
            return None, np.where(codes < size, codes, -1) if grown else codes
        taken = attribute.take(items)
        return taken.indptr, np.where(taken.codes < size, taken.codes, -1) if grown else taken.codes

    def _request_part(self, part: str, asked: Asked) -> tuple[np.ndarray | None, np.ndarray]:
        if part == "user":
            return None, asked.users
        side, _, name = part.partition(".")
        if side == "context":
            given = asked.context.get(name)
        else:
            given = asked.told.get(name)
            if given is None:
                given = self.users[name].take(asked.users)
        if given is None:
            return None, np.full(len(asked.users), -1, np.int32)
        # a word that training has not seen has no count
        codes = np.where(given.codes < self._size(part), given.codes, -1)
        if given.kind == "category":
            return None, codes
        return given.indptr, codes


@numba.njit(cache=True, nogil=True)
def _joined(keys, values, at, size):  # type: ignore[no-untyped-def]
    """Each key so far with one more part, in place: the value of its own row, or where `at` says which, of that row."""
    for row in range(len(keys)):
        value = np.int64(values[at[row]] if len(at) else values[row])
        if keys[row] < 0 or value < 0 or value >= size:
            keys[row] = -1
        else:
            keys[row] = keys[row] * size + value


def _product(
    rows: np.ndarray,
    keys: np.ndarray,
    at: np.ndarray,
    indptr: np.ndarray | None,
    values: np.ndarray,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Each (row, key) so far joined with each value of its part: value `at[i]`, or the values of list `at[i]`."""
    if indptr is None:
        part = values[at].astype(np.int64)
        known = part >= 0
        if known.all():
            return rows, keys * size + part
        return rows[known], keys[known] * size + part[known]
    counts = (indptr[1:] - indptr[:-1])[at]
    begin = np.cumsum(counts) - counts
    inner = np.arange(int(counts.sum())) - np.repeat(begin - indptr[at], counts)
    part = values[inner].astype(np.int64)
    rows, keys = np.repeat(rows, counts), np.repeat(keys, counts) * size + part
    known = part >= 0
    return (rows, keys) if known.all() else (rows[known], keys[known])

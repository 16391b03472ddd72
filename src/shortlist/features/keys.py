"""Keys: the values that an aggregate counts by, encoded as integers.

`by = "item"` counts by item, `"item.genres"` by each genre of the item, `"context.device"` by the device of the
request, `"user*item.genres"` by user and genre, `"all"` over everything. An event adds to its keys, a row of the
feature matrix reads its keys. The parts of a key become the digits of one integer in a mixed base.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import Attribute, CodedAttribute, ListAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log

NO_INDEX = np.empty(0, np.int64)
SPARE_ITEMS = 16_384
"""Number of items that can be added between two trainings. Keys and item columns have room for them."""


@dataclass(frozen=True, repr=False)
class RequestKeys:
    """Users and contexts of R requests (or of R events): the side of a key that does not depend on the item.

    Parameters
    ----------
    users
        int32 (R,), −1 for a visitor.
    context
        Name → attribute with R rows.
    user_attributes
        Name → attribute with R rows: attributes sent with the request, which replace the stored ones.
    """

    users: NDArray[np.int32]
    context: Mapping[str, Attribute] = field(default_factory=dict)
    user_attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @classmethod
    def of_events(cls, log: Log, rows: NDArray[np.int64]) -> RequestKeys:
        """Return users and contexts of some events of a log."""
        return cls(log.user[rows], {name: a.take(rows) for name, a in log.context.items()})

    def __repr__(self) -> str:
        return f"RequestKeys({len(self.users):,} requests, context: {', '.join(self.context) or 'none'})"


@dataclass(frozen=True, repr=False)
class KeyRows:
    """Pairs of a request and an item, whose keys are to be encoded.

    Parameters
    ----------
    requests
        Users and contexts, R rows.
    request
        int64 (rows,), index into `requests`.
    item
        int32 (rows,), item codes; −1 for an item without counts.
    items
        Name → attribute of the catalogue's items.
    at
        int64 (rows,): the row of these attributes that belongs to each item (default: the code of the item).
    """

    requests: RequestKeys
    request: NDArray[np.int64]
    item: NDArray[np.int32]
    items: Mapping[str, Attribute]
    at: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"KeyRows({len(self):,} rows of {len(self.requests.users):,} requests)"

    @classmethod
    def one_each(
        cls, requests: RequestKeys, item: NDArray[np.int32], items: Mapping[str, Attribute]
    ) -> KeyRows:
        """Return one row a request (or event). item: int32 (R,)."""
        return cls(requests, np.arange(len(item)), item, items)

    @classmethod
    def of_events(cls, log: Log, rows: NDArray[np.int64], items: Mapping[str, Attribute]) -> KeyRows:
        """Return some events of a log: each is a request of its own."""
        return cls.one_each(RequestKeys.of_events(log, rows), log.item[rows], items)

    def take(self, rows: NDArray[np.int64]) -> KeyRows:
        """Return some of the rows, of the same requests."""
        at = None if self.at is None else self.at[rows]
        return KeyRows(self.requests, self.request[rows], self.item[rows], self.items, at)

    def per_request(self) -> KeyRows:
        """Return one row a request, for keys that do not depend on the item."""
        n = len(self.requests.users)
        return KeyRows.one_each(self.requests, np.zeros(n, np.int32), self.items)


class KeyEncoder:
    """Encodes keys. Immutable: the sizes of all parts are those of training.

    Items and vocabulary that are added while serving do not move the keys of what is counted: items have `SPARE_ITEMS`
    spare codes, and a new value of an attribute has no counts until the next training.

    Parameters
    ----------
    dataset
        The training data: users, items, and the context columns of the log.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.n_items = len(dataset.items)
        self.users = dict(dataset.users.attributes)
        sides = {
            "user": dataset.users.attributes,
            "item": dataset.items.attributes,
            "context": dataset.log.context,
        }
        self._sizes = {"all": 1, "user": max(len(dataset.users), 1), "item": self.n_items + SPARE_ITEMS}
        self._lists: set[str] = set()
        for side, attributes in sides.items():
            for name, attribute in attributes.items():
                if isinstance(attribute, CodedAttribute):
                    self._sizes[f"{side}.{name}"] = max(len(attribute.vocabulary), 1)
                if isinstance(attribute, ListAttribute):
                    self._lists.add(f"{side}.{name}")

    def __repr__(self) -> str:
        return f"KeyEncoder({self._sizes['user']:,} users, {self.n_items:,} items, {len(self._sizes) - 3} attributes)"

    def without_users(self) -> KeyEncoder:
        """Return the encoder of keys that no attribute of users is a part of; it is small enough to be sent around."""
        twin = copy(self)
        twin.users = {}
        return twin

    def size(self, by: str) -> int:
        """Return the number of possible keys."""
        total = 1
        for part in by.split("*"):
            total *= self._sizes[part]
        return total

    def is_single(self, by: str) -> bool:
        """Return whether a row has at most one key: no part is a list."""
        return not any(part in self._lists for part in by.split("*"))

    def is_of_request(self, by: str) -> bool:
        """Return whether the key does not depend on the item."""
        return not any(_is_of_item(part) for part in by.split("*"))

    def encode(self, by: str, rows: KeyRows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (row, key) pairs, rows ascending.

        A row may have several keys (an item of three genres), or none (an unknown user, an item without a genre).
        """
        if self.is_single(by):
            keys = self.encode_single(by, rows)
            known = keys >= 0
            if known.all():
                return np.arange(len(keys)), keys
            owner = np.flatnonzero(known)
            return owner, keys[owner]
        owner, keys = np.arange(len(rows)), np.zeros(len(rows), np.int64)
        for part in by.split("*"):
            if part != "all":
                codes = self._codes(part, rows)
                owner, keys = _product(owner, keys, codes, self._sizes[part])
        return owner, keys

    def encode_single(self, by: str, rows: KeyRows) -> NDArray[np.int64]:
        """Return the key of each row, −1 for none, where no part is a list (`is_single`)."""
        if by == "item":  # the most frequent key
            return rows.item.astype(np.int64)
        keys = np.zeros(len(rows), np.int64)
        for part in by.split("*"):
            if part != "all":
                codes = self._codes(part, rows)
                _append_digit(keys, codes.codes, codes.at, self._sizes[part])
        return keys

    def _codes(self, part: str, rows: KeyRows) -> _Codes:
        side, _, name = part.partition(".")
        if side == "item":
            index = rows.item.astype(np.int64)
            if not name:
                return _Codes(index, NO_INDEX)
            return _Codes.of(rows.items[name], index if rows.at is None else rows.at)
        if part == "user":
            return _Codes(rows.requests.users, rows.request)
        if side == "context":
            attribute = rows.requests.context.get(name)
        else:
            attribute = rows.requests.user_attributes.get(name)
            if attribute is None:
                attribute = self.users[name].take(rows.requests.users)
        if attribute is None:
            return _Codes(np.full(len(rows.requests.users), -1, np.int32), rows.request)
        return _Codes.of(attribute, rows.request)


class _Codes(NamedTuple):
    """The codes of a part of a key.

    A row has the code `codes[at[row]]`, or `codes[row]` if `at` is empty. With indptr, it has several:
    `codes[indptr[at[row]] : indptr[at[row] + 1]]`. A code outside 0 … size − 1 is unknown.
    """

    codes: NDArray[np.int32] | NDArray[np.int64]
    at: NDArray[np.int64]
    indptr: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, attribute: Attribute, index: NDArray[np.int64]) -> _Codes:
        assert isinstance(attribute, CodedAttribute)
        indptr = attribute.indptr if isinstance(attribute, ListAttribute) else None
        return cls(attribute.codes, index, indptr)


def _is_of_item(part: str) -> bool:
    return part == "item" or part.startswith("item.")


@numba.njit(cache=True, nogil=True)
def _append_digit(
    keys: NDArray[np.int64], codes: NDArray[np.integer], index: NDArray[np.int64], size: int
) -> None:
    """Append a digit to each key in place: the code of its row. A key with an unknown code becomes −1."""
    for row in range(len(keys)):
        code = np.int64(codes[index[row]] if len(index) else codes[row])
        if keys[row] < 0 or code < 0 or code >= size:
            keys[row] = -1
        else:
            keys[row] = keys[row] * size + code


def _product(
    owner: NDArray[np.int64], keys: NDArray[np.int64], part: _Codes, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join each (row, key) pair with each code that its row has in the next part."""
    at = part.at[owner] if len(part.at) else owner
    if part.indptr is not None:
        begin = part.indptr[at]
        counts = part.indptr[at + 1] - begin
        inner = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts - begin, counts)
        owner, keys, at = np.repeat(owner, counts), np.repeat(keys, counts), inner
    digit = part.codes[at].astype(np.int64)
    known = (digit >= 0) & (digit < size)
    keys = keys * size + digit
    return (owner, keys) if known.all() else (owner[known], keys[known])

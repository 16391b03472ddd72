"""The whole lists that slates were ranked from: their items and given numbers, beyond what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class GivenLists:
    """Lists of items with the numbers that were given with them, ragged.

    A client sends 300 hotels to be ranked and shows 25. The log has impressions of the 25, but a price is cheap or dear among
    the 300: features of kind `within_list` need the whole list. A slate that is not here was shown as a whole.

    Attributes
    ----------
    slate : ndarray of shape (L,), int32
        The slate of each list, rising.
    indptr : ndarray of shape (L + 1,), int64
        Where each list begins.
    item : ndarray of shape (M,), int32
        Item codes of all lists.
    given : Mapping[str, ndarray of shape (M,), float32]
        Column of `data.given` → number of each item; NaN where there is none.
    """

    slate: NDArray[np.int32]
    indptr: NDArray[np.int64]
    item: NDArray[np.int32]
    given: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.slate)

    def of(self, slate: int) -> slice | None:
        """Return where the items of a slate are; None for a slate without a list."""
        at = int(np.searchsorted(self.slate, slate))
        if at == len(self.slate) or self.slate[at] != slate:
            return None
        return slice(int(self.indptr[at]), int(self.indptr[at + 1]))

    def of_slates(self, slates: NDArray[np.integer]) -> GivenLists:
        """Return the lists of some slates."""
        keep = np.isin(self.slate, slates)
        sizes = np.diff(self.indptr)
        rows = np.flatnonzero(np.repeat(keep, sizes))
        indptr = np.concatenate([[0], np.cumsum(sizes[keep])]).astype(np.int64)
        given = {name: numbers[rows] for name, numbers in self.given.items()}
        return GivenLists(self.slate[keep], indptr, self.item[rows], given)

    @classmethod
    def joined(cls, parts: list[GivenLists]) -> GivenLists | None:
        """Return the lists of several parts, whose slates rise from part to part; None where there is no list."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return None
        sizes = np.concatenate([np.diff(part.indptr) for part in parts])
        names = dict.fromkeys(name for part in parts for name in part.given)
        unknown = [np.full(len(part.item), np.nan, np.float32) for part in parts]
        return cls(
            np.concatenate([part.slate for part in parts]),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate([part.item for part in parts]),
            {
                name: np.concatenate(
                    [part.given.get(name, nan) for part, nan in zip(parts, unknown, strict=True)]
                )
                for name in names
            },
        )

    def __repr__(self) -> str:
        return f"GivenLists({len(self):,} lists, {len(self.item):,} items, numbers: {', '.join(self.given) or 'none'})"

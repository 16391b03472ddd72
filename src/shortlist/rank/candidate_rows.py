"""Which candidates of past requests become examples: whole batches of requests as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.log import Log
from shortlist.rank.unshown import SlateEntries, same_pairs
from shortlist.retrieve.fusion.blend import Blended

NOT_SHOWN, ONLY_LISTED = -1, -2
"""Instead of a position: an item that was not shown, and one that belongs to the list of a request but is no example."""


@dataclass(frozen=True, eq=False, repr=False)
class CandidateRows:
    """Candidates of some requests; those of a request are adjacent.

    Parameters
    ----------
    request : ndarray of shape (rows,), int64
        The request of each candidate.
    item : ndarray of shape (rows,), int32
        Item codes.
    ranks, scores : ndarray of shape (rows, sources), float32
        As in `Blended`.
    weight : ndarray of shape (rows,), float32
        How many candidates a row stands for.
    position : ndarray of shape (rows,), int64
        Slot in which the item was shown, `NOT_SHOWN` or `ONLY_LISTED`; 0 for requests without impressions.
    """

    request: NDArray[np.int64]
    item: NDArray[np.int32]
    ranks: NDArray[np.float32]
    scores: NDArray[np.float32]
    weight: NDArray[np.float32]
    position: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.request)

    def __repr__(self) -> str:
        return f"CandidateRows({len(self):,} rows)"

    @classmethod
    def joined(cls, parts: list[CandidateRows]) -> CandidateRows:
        """Return the rows of several batches, one after the other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    @classmethod
    def _of(
        cls,
        blended: Blended,
        first: int,
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        weight: NDArray[np.floating],
        position: NDArray[np.integer],
    ) -> CandidateRows:
        """Return candidates by row and column of the batch, those of a request in the order in which they are given."""
        order = np.argsort(row, kind="stable")
        row, column = row[order], column[order]
        return cls(
            first + row,
            blended.item[row, column],
            blended.ranks[row, column],
            blended.scores[row, column],
            weight[order].astype(np.float32),
            position[order].astype(np.int64),
        )


def sampled_candidates(
    blended: Blended,
    positive: NDArray[np.bool_],
    negatives: int,
    first: int,
    rng: np.random.Generator,
) -> CandidateRows:
    """Return all positive candidates of each request and a weighted sample of the negative ones.

    Half of the sample are the best candidates, because slates are made from them. The others stand for all that were not
    drawn.

    Parameters
    ----------
    blended
        Candidates of B requests.
    positive : ndarray of shape (B, K), bool
        Which candidates fulfil some objective.
    negatives
        Size of the sample of each request.
    first
        Number of the first of the requests.
    rng
        Draws the sample.
    """
    others = ~positive & (blended.item >= 0)
    top = others & (np.cumsum(others, axis=1) <= negatives // 2)
    rest = others & ~top
    wanted = negatives - top.sum(1)
    row, column, sizes = _drawn(rest, wanted, rng)
    weight = rest.sum(1) / np.maximum(sizes, 1)
    parts = [np.nonzero(positive), np.nonzero(top), (row, column)]
    rows, columns = (np.concatenate(side) for side in zip(*parts, strict=True))
    certain = len(rows) - len(row)
    weights = np.concatenate([np.ones(certain), weight[row]])
    return CandidateRows._of(blended, first, rows, columns, weights, np.zeros(len(rows), np.int64))  # noqa: SLF001 - its own module


def shown_candidates(
    blended: Blended,
    log: Log,
    slates: SlateEntries,
    more: tuple[SlateEntries, SlateEntries],
    draw: tuple[int, np.random.Generator],
    first: int,
) -> CandidateRows:
    """Return the shown items of slates, items that were not shown, and the other items of given lists.

    Parameters
    ----------
    blended
        Candidates of B requests; the items of `slates` and `more` come first, as `blend` puts required ones.
    log
        The log.
    slates
        Rows of the log.
    more
        Items that are examples beside the candidates (`outside_candidates`), and the items of given lists. To a list, nothing
        that was not on it is added.
    draw
        Number of candidates of each slate that were not shown, and the generator that draws them.
    first
        Number of the first of the requests.
    """
    (others, listed), (unshown, rng) = more, draw
    sizes = slates.sizes + others.sizes + listed.sizes
    n_items = int(log.item.max(initial=0)) + 1
    row_of = slates.owner
    _, once = np.unique(
        row_of * n_items + log.item[slates.rows], return_index=True
    )  # an item counts once a slate
    row, entry = row_of[once], slates.rows[once]
    column = _columns(blended, row, log.item[entry], sizes)
    rest_of_list = listed.only(~same_pairs(listed.owner, listed.rows, row, log.item[entry]))
    drawn = np.zeros(blended.item.shape, np.bool_)
    if unshown:
        rest = blended.item >= 0
        rest[row, column] = False
        rest[listed.sizes > 0] = False
        drawn[_drawn(rest, np.full(len(rest), unshown), rng)[:2]] = True
        outside = _columns(blended, others.owner, others.rows, sizes)
        drawn[others.owner, outside] = rest[others.owner, outside]
    drawn_row, drawn_column = np.nonzero(drawn)
    listed_column = _columns(blended, rest_of_list.owner, rest_of_list.rows, sizes)
    rows = np.concatenate([drawn_row, rest_of_list.owner, row])
    columns = np.concatenate([drawn_column, listed_column, column])
    position = np.concatenate(
        [
            np.full(len(drawn_row), NOT_SHOWN),
            np.full(len(listed_column), ONLY_LISTED),
            # what was shown in a slot that the log does not name was shown all the same
            np.maximum(log.position[entry], 0),
        ]
    )
    return CandidateRows._of(blended, first, rows, columns, np.ones(len(rows)), position)  # noqa: SLF001 - its own module


def _columns(
    blended: Blended, row: NDArray[np.int64], item: NDArray[np.integer], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the columns of required items, which are among the first ones of their rows."""
    most = int(sizes.max(initial=0))
    return np.argmax(blended.item[row, :most] == item[:, None], axis=1) if most else np.empty(0, np.int64)


def _drawn(
    mask: NDArray[np.bool_], wanted: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw places of each row of a mask, without replacement.

    Returns
    -------
    row, column
        The places, int64.
    sizes
        How many were drawn in each row, int64 (B,): those that are wanted, or all that there are.
    """
    counts = mask.sum(1)
    sizes = np.minimum(counts, wanted)
    starts = np.cumsum(counts) - counts
    drawn = [
        start + rng.permutation(count)[:size]
        for start, count, size in zip(starts.tolist(), counts.tolist(), sizes.tolist(), strict=True)
    ]
    row, column = np.nonzero(mask)
    at = np.concatenate([np.empty(0, np.int64), *drawn])
    return row[at], column[at], sizes

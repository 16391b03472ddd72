"""Which candidates of past requests become examples: whole batches of requests as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.log import Log
from shortlist.rank.unshown import SlateEntries
from shortlist.retrieve.fusion.blend import Blended

NOT_SHOWN = -1
"""Position of an item that was not shown."""


@dataclass(frozen=True, eq=False, repr=False)
class ExampleRows:
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
        Slot in which the item was shown, `NOT_SHOWN` if it was not; 0 for requests without impressions.
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
        return f"ExampleRows({len(self):,} rows)"

    @classmethod
    def joined(cls, parts: list[ExampleRows]) -> ExampleRows:
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
    ) -> ExampleRows:
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
) -> ExampleRows:
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
    return ExampleRows._of(blended, first, rows, columns, weights, np.zeros(len(rows), np.int64))  # noqa: SLF001 - its own module


def shown_candidates(
    blended: Blended,
    log: Log,
    slates: SlateEntries,
    others: SlateEntries,
    unshown: int,
    first: int,
    rng: np.random.Generator,
) -> ExampleRows:
    """Return the shown items of slates, and some items that were not shown.

    Parameters
    ----------
    blended
        Candidates of B requests; the items of `slates` and `others` come first, as `blend` puts required ones.
    log
        The log.
    slates
        Rows of the log.
    others
        Items that are examples beside the candidates (`outside_candidates`).
    unshown
        Number of candidates of each slate that were not shown.
    first
        Number of the first of the requests.
    rng
        Draws the candidates that were not shown.
    """
    n_items = int(log.item.max(initial=0)) + 1
    row_of = slates.owner
    _, once = np.unique(
        row_of * n_items + log.item[slates.rows], return_index=True
    )  # an item counts once a slate
    row, entry = row_of[once], slates.rows[once]
    column = _columns(blended, row, log.item[entry], slates.sizes + others.sizes)
    drawn = np.zeros(blended.item.shape, np.bool_)
    if unshown:
        rest = blended.item >= 0
        rest[row, column] = False
        drawn[_drawn(rest, np.full(len(rest), unshown), rng)[:2]] = True
        outside = _columns(blended, others.owner, others.rows, slates.sizes + others.sizes)
        drawn[others.owner, outside] = rest[others.owner, outside]
    more, columns = np.nonzero(drawn)
    return ExampleRows._of(  # noqa: SLF001 - its own module
        blended,
        first,
        np.concatenate([more, row]),
        np.concatenate([columns, column]),
        np.ones(len(more) + len(row)),
        np.concatenate([np.full(len(more), NOT_SHOWN), log.position[entry]]),
    )


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

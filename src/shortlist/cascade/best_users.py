"""The best users of each item, and how a user who is wanted for several items is given to few of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer]


class BestUsers:
    """The best users of each item, found while users arrive in chunks.

    Without a cap, the best n so far are kept; with one, all scores, because a user who is full elsewhere makes room for another.
    """

    def __init__(self, items: int, users: int, n: int, cap: int | None) -> None:
        self.n, self.cap = n, cap
        self._whole = np.full((users, items), -np.inf, np.float32) if cap is not None else None
        self._users: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * items
        self._scores: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * items

    def add(self, start: int, scores: NDArray[np.float32]) -> None:
        """Take in the scores of some users, float32 (users, items), of which the first is user `start`."""
        if self._whole is not None:
            self._whole[start : start + len(scores)] = scores
            return
        numbers = np.arange(start, start + len(scores))
        for item in range(scores.shape[1]):
            users = np.concatenate([self._users[item], numbers])
            values = np.concatenate([self._scores[item], scores[:, item]])
            order = best_rows(values, self.n)
            self._users[item], self._scores[item] = users[order], values[order]

    def chosen(self) -> list[list[int]]:
        """Return the numbers of the users of each item, best first."""
        if self._whole is None or self.cap is None:
            return [users.tolist() for users in self._users]
        n_items, flat = self._whole.shape[1], self._whole.ravel()
        pairs = best_rows(flat)
        return give_out(pairs // n_items, pairs % n_items, n_items, self.n, self.cap)

    def __repr__(self) -> str:
        return f"BestUsers({len(self._users)} items, n={self.n}, cap={self.cap})"


def best_rows(scores: NDArray[np.float32], n: int | None = None) -> NDArray[np.int64]:
    """Return the places of the n highest scores (default: all), without those of −inf; of equal scores, the earlier is first."""
    order = np.argsort(-scores, kind="stable")[:n]
    return order[scores[order] > -np.inf]


def give_out(users: Integers, items: Integers, n_items: int, n: int, cap: int) -> list[list[int]]:
    """Give out (user, item) pairs in their order, while the item has room for n users and the user is in fewer than `cap` audiences.

    With pairs in falling order of score, the result is the one stable assignment: no user and item that are not together both
    have room for a pair of higher score. Once every item has n users, the pairs that follow do not matter.

    Parameters
    ----------
    users, items
        Integers (pairs,), best pair first.
    n_items, n, cap
        The number of items, users an item, and items a user.

    Examples
    --------
    User 7 suits both items, and goes where the score is highest; user 8 takes the other place:

    >>> give_out(np.array([7, 7, 8, 9]), np.array([0, 1, 1, 1]), n_items=2, n=1, cap=1)
    [[7], [8]]
    """
    chosen: list[list[int]] = [[] for _ in range(n_items)]
    taken: dict[int, int] = {}
    room = n * n_items
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        if len(chosen[item]) < n and taken.get(user, 0) < cap:
            chosen[item].append(user)
            taken[user] = taken.get(user, 0) + 1
            room -= 1
            if not room:
                break
    return chosen

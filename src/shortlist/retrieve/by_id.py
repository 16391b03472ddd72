"""The interface in ids: recommendations from one retriever, without a ranker."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from shortlist.data.dataset import Dataset
from shortlist.data.ids import random_id
from shortlist.data.slates import Recommendation, Slate, Slates
from shortlist.errors import NotFittedError, RequestError, abbreviated
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.requests import Candidates, Requests

BATCH = 1024
MOST = 1_000_000
"""Items of one answer at most."""


class RecommendsById:
    """Adds methods that take and return ids to a retriever that works in codes.

    They need the data set that the model was fitted on: its ids, titles and histories. `fit(dataset)` keeps a reference to it; a
    model that was loaded from a folder is given it by `attach`.
    """

    name: ClassVar[str]
    event_weighting: EventWeighting
    _dataset: Dataset | None = None

    if TYPE_CHECKING:

        @abstractmethod
        def retrieve(self, requests: Requests, k: int) -> Candidates: ...  # noqa: D102 - documented in `Retriever`
        @abstractmethod
        def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]: ...  # noqa: D102 - documented in `Retriever`
        @abstractmethod
        def similar(self, item: int) -> NDArray[np.float32] | None: ...  # noqa: D102 - documented in `Retriever`

    def attach(self, dataset: Dataset) -> None:
        """Give a loaded model the data set whose ids it speaks. The codes must be those of the data set it was fitted on."""
        self._dataset = dataset

    @overload
    def recommend(self, users: int | str, n: int = 10, *, exclude_seen: bool = True) -> Slate: ...
    @overload
    def recommend(self, users: Iterable[Any], n: int = 10, *, exclude_seen: bool = True) -> Slates: ...
    def recommend(
        self, users: int | str | Iterable[Any], n: int = 10, *, exclude_seen: bool = True
    ) -> Slate | Slates:
        """Recommend items to users, from all that the data set holds of them.

        Parameters
        ----------
        users
            User ids, or one user id. For an unknown user the history is empty.
        n
            Length of each slate (default: 10).
        exclude_seen
            Leave out the items of a user's own history (default: true).

        Returns
        -------
        Slates
            One slate a user, in the order of `users`; shorter than n where the model has no more to propose. For one user, its
            `Slate`.

        Examples
        --------
        >>> model = ALS().fit(dataset)  # doctest: +SKIP
        >>> model.recommend("u1", n=5)  # doctest: +SKIP
        >>> model.recommend(["u1", "u2"], n=5).to_pandas()  # doctest: +SKIP
        """
        if isinstance(users, (int, str, np.integer)):
            return self.recommend([users], n, exclude_seen=exclude_seen)[0]
        if isinstance(users, bytes) or not isinstance(users, Iterable):
            raise RequestError("users: a user id or a list of user ids is expected", field="users")
        users = list(users)
        _check_n(n)
        slates: list[Slate] = []
        for start in range(0, len(users), BATCH):
            part = users[start : start + BATCH]
            requests, known = self._requests(part, exclude_seen)
            found = self.retrieve(requests, n)
            slates += [
                self._slate(user, bool(known[row]), found.item[row], found.score[row])
                for row, user in enumerate(part)
            ]
        return Slates(slates)

    def similar_items(self, item: Any, n: int = 10) -> Slate:
        """Return the n items most similar to one, most similar first.

        Raises
        ------
        RequestError
            Where the catalogue has no such item, or the model has no similarity of it.
        """
        dataset = self._attached()
        _check_n(n)
        code = _item_code(dataset, item)
        scores = self.similar(code)
        if scores is None:
            raise RequestError(
                f"item: {self.name} has no similarity between {item!r} and other items", field="item"
            )
        scores = np.array(scores, np.float32)
        scores[code] = -np.inf
        order = np.argsort(-scores, kind="stable")[:n]
        order = order[scores[order] > 0]
        return self._slate(None, False, order, scores[order])

    def rank_items(self, user: Any, items: Sequence[Any]) -> Slate:
        """Put given items in the order in which the model would recommend them to a user.

        Every item comes back once; those of which the model knows nothing come last, with the score −inf.

        Raises
        ------
        RequestError
            Where the catalogue lacks one of the items.
        """
        if isinstance(items, (str, bytes)) or not isinstance(items, Sequence):
            raise RequestError("items: a list of item ids is expected", field="items")
        dataset = self._attached()
        codes = np.array([_item_code(dataset, item) for item in dict.fromkeys(items)], np.int64)
        requests, known = self._requests([user], False)
        scores = self.score_items(requests, codes[None, :])[0]
        order = np.argsort(-scores, kind="stable")
        return self._slate(user, bool(known[0]), codes[order], scores[order])

    def _attached(self) -> Dataset:
        if self._dataset is None:
            raise NotFittedError(
                f"{type(self).__name__} has no ids: call fit(dataset) first, or attach(dataset) after loading"
            )
        return self._dataset

    def _requests(self, users: Sequence[Any], exclude_seen: bool) -> tuple[Requests, NDArray[np.bool_]]:
        dataset = self._attached()
        codes = dataset.users.ids.codes(list(users))
        last = int(dataset.log.time[-1]) + 1 if len(dataset.log) else 0
        moments = np.full(len(codes), last, np.int64)
        return Requests.of_users(dataset, codes, moments, self.event_weighting, exclude_seen), codes >= 0

    def _slate(
        self, user: Any, known: bool, items: NDArray[np.integer], scores: NDArray[np.float32]
    ) -> Slate:
        """Return a slate of the items from 0 on, in the given order."""
        catalogue = self._attached().items
        there = items >= 0
        codes = items[there]
        recommendations = [
            Recommendation(own, title, score, {}, {self.name: rank}, "")
            for rank, (own, title, score) in enumerate(
                zip(
                    catalogue.ids.ids(codes),
                    catalogue.titles.some(codes),
                    scores[there].tolist(),
                    strict=True,
                )
            )
        ]
        return Slate(random_id(), user, known, recommendations)


def _check_n(n: object) -> None:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MOST:
        raise RequestError(f"n must be a whole number from 1 to {MOST:,} and is {abbreviated(n)}", field="n")


def _item_code(dataset: Dataset, item: Any) -> int:
    code = dataset.items.ids.code(item)
    if code < 0:
        raise RequestError(f"item: the catalogue has no item {abbreviated(item)}", field="item")
    return int(code)

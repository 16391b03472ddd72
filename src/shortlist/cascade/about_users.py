"""Questions to a recommender about users: similar users and audiences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

from shortlist.cascade.audience import Audience, AudienceRequest, find_audience
from shortlist.cascade.model import Model
from shortlist.cascade.similar_users import SimilarUser, similar_users
from shortlist.cascade.state import LiveState
from shortlist.data.progress import Progress, silent
from shortlist.requests import RequestOptions, requests_of


class AnswersAboutUsers(ABC):
    """Questions about users, answered by a model and a live state."""

    @property
    @abstractmethod
    def model(self) -> Model:
        """The trained half."""

    @property
    @abstractmethod
    def state(self) -> LiveState:
        """The live half."""

    def similar_users(self, user: Any, n: int = 10, **options: Unpack[RequestOptions]) -> list[SimilarUser]:
        """Return the users of the log who took the most similar items, best first; empty for an empty history.

        Parameters
        ----------
        user
            The id, or None with the option `history`.
        n
            Number of users, 1 to 200.
        options
            As for `recommend`; only `history` and `now` have an effect.

        Raises
        ------
        RequestError
            Names the argument that is wrong.
        """
        [request] = requests_of(user, 10, None, options)
        return similar_users(self.model, self.state, request, n)

    def audience(
        self,
        items: Sequence[Any] | None = None,
        n: int = 100,
        *,
        cap: int | None = None,
        users: Sequence[Any] | None = None,
        progress: Progress = silent,
        **options: Unpack[RequestOptions],
    ) -> Audience:
        """Return the best users for each of some items, or for what a filter permits.

        Parameters
        ----------
        items
            Item ids. None: the option `filters` says what is wanted, and each user counts by the best item that it permits.
        n
            Users of each audience.
        cap
            Audiences that one user may be in; None: any number.
        users
            Ids of the users to choose among; None: everybody with a history.
        progress
            Is told the fraction of the users that is done.
        options
            As for `recommend`: weights, context, filters, now.

        Raises
        ------
        RequestError
            Names the argument that is wrong.
        """
        [like] = requests_of(None, 1, None, options)
        request = AudienceRequest(items, n, cap, users, like)
        return find_audience(self.model, self.state, request, partial(progress, "users"))

"""Slates for all users, as the parts of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pyarrow as pa

from shortlist.data.progress import Share
from shortlist.distributed.part_folder import PartJob, users_of_a_part
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest

AT_ONCE = 500
"""Users per call of `recommend`."""


@dataclass(frozen=True)
class SlateJob(PartJob):
    """The slates of all users of a bundle.

    Attributes
    ----------
    n : int
        Items a slate.
    placement : str, optional
        The placement that all requests name.
    """

    n: int
    placement: str | None = None

    holds: ClassVar[str] = "slates"

    @classmethod
    def of(
        cls, recommender: Recommender, n: int | None, users_per_part: int, placement: str | None = None
    ) -> SlateJob:
        """Make the job of all users of a recommender. Raises `RequestError` where the project has no such placement."""
        request = RecommendRequest(n=n, placement=placement).placed(recommender.project.placements)
        users = len(recommender.dataset.users)
        per_part = users_of_a_part(users, users_per_part)
        return cls(recommender.model.version, users, per_part, recommender.now(), request.size, placement)

    def table(self, recommender: Recommender, part: int) -> pa.Table:
        """Return the slates of the users of a part, one row an item."""
        places = self.users_in(part)
        ids = recommender.dataset.users.ids.values[places.start : places.stop].to_pylist()
        # another seed in each job, the same one where a part is written again
        seed = self.moment % (1 << 31) + places.start
        request = RecommendRequest(n=self.n, now=self.moment, seed=seed, placement=self.placement)
        return slate_table(recommender, ids, request)


def slate_table(
    recommender: Recommender,
    users: Sequence[Any],
    request: RecommendRequest,
    report: Share = lambda _share: None,
) -> pa.Table:
    """Return the slates of users as one table, one row an item.

    Parameters
    ----------
    recommender
        Answers for `AT_ONCE` users a call.
    users
        Their ids.
    request
        What is asked for each user. Its seed, if it has one, is that of the first user; each further user has the next one.
    report
        Called with the share of the users that is done.
    """
    tables = []
    for start in range(0, len(users), AT_ONCE):
        some = users[start : start + AT_ONCE]
        asked = [
            replace(request, user=user, seed=None if request.seed is None else request.seed + at)
            for at, user in enumerate(some, start)
        ]
        tables.append(recommender.answer(asked).to_arrow())
        report((start + len(some)) / len(users))
    return pa.concat_tables(tables, promote_options="permissive")

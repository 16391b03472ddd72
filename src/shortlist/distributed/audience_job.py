"""Scores of users for the audiences of a request, as the parts of a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from shortlist.cascade.audience import AudienceRequest, AudienceSearch, population
from shortlist.cascade.best_users import best_rows
from shortlist.distributed.part_folder import PartJob, users_of_a_part
from shortlist.recommender import Recommender
from shortlist.requests import FIELDS

WANTED, PLACE, SCORE = "wanted", "place", "score"
SCHEMA = pa.schema([(WANTED, pa.int32()), (PLACE, pa.int64()), (SCORE, pa.float32())])
"""The number of an audience, the place of a user among all users, and what the audience is ordered by, in 32 bits as on one machine."""


@dataclass(frozen=True)
class AudienceJob(PartJob):
    """The scores of everybody for the audiences of a request.

    Attributes
    ----------
    request : AudienceRequest
        What is wanted, without `users`.
    """

    request: AudienceRequest

    holds: ClassVar[str] = "scores of audiences"

    @classmethod
    def of(cls, recommender: Recommender, request: AudienceRequest, users_per_part: int) -> AudienceJob:
        """Make the job of everybody who has a history."""
        users = len(population(recommender.model, recommender.state))
        moment = request.like.now or recommender.now()
        return cls(recommender.version, users, users_of_a_part(users, users_per_part), moment, request)

    @property
    def columns(self) -> int:
        """Number of audiences."""
        return len(dict.fromkeys(self.request.items)) if self.request.items is not None else 1

    @property
    def depth(self) -> int:
        """How many of the best users of an item can matter.

        Without a cap, n. With one, a user is refused while the item has room only where others have `cap` places of this user: of their
        n · (items − 1) places, at most that many users.
        """
        request = self.request
        return request.n if request.cap is None else request.n + request.n * (self.columns - 1) // request.cap

    def terms(self) -> dict[str, Any]:
        """Return what another job of the same folder must agree in."""
        request = self.request
        like = {
            name: getattr(request.like, name) for name in FIELDS if getattr(request.like, name) is not None
        }
        items = None if request.items is None else list(request.items)
        terms: dict[str, Any] = {
            "model_version": self.model_version,
            "users": self.users,
            "users_per_part": self.users_per_part,
            "moment": self.moment,
            "items": items,
            "n": request.n,
            "cap": request.cap,
            "like": like,
        }
        read: dict[str, Any] = json.loads(json.dumps(terms, default=str))
        return read

    def search(self, recommender: Recommender) -> AudienceSearch:
        """Return the search, as of the moment of the job. Raises `RequestError`."""
        like = replace(self.request.like, now=self.moment)
        return AudienceSearch(recommender.model, recommender.state, replace(self.request, like=like))

    def table(self, recommender: Recommender, part: int) -> pa.Table:
        """Return the best users of a part for each audience: at most `depth` rows of `SCHEMA`, best first."""
        places = self.users_in(part)
        users = population(recommender.model, recommender.state)[places.start : places.stop]
        scores = np.concatenate(list(self.search(recommender).scores(users)))
        best = [best_rows(scores[:, column], self.depth) for column in range(self.columns)]
        columns = [
            np.repeat(np.arange(self.columns, dtype=np.int32), [len(rows) for rows in best]),
            np.concatenate(best).astype(np.int64) + places.start,
            np.concatenate([scores[rows, column] for column, rows in enumerate(best)]),
        ]
        return pa.table([pa.array(column) for column in columns], schema=SCHEMA)

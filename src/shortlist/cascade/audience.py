"""Audiences: the best users for an item, for each of several items, or for what a filter permits.

A recommendation asks which items suit a user; an audience asks which users suit an item: whom to tell of a new film, to whom a
coupon is worth sending. Each user is answered as `recommend` would, with every stage, so that the predictions are the same
calibrated ones, and users can be compared by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.cascade.best_users import BestUsers
from shortlist.cascade.encode import ResolvedRequest, Resolver
from shortlist.cascade.model import Model
from shortlist.cascade.run import BATCH, Cascade, ScoredBatch
from shortlist.cascade.state import LiveState
from shortlist.config.short_repr import ShortRepr
from shortlist.data.progress import Share
from shortlist.errors import RequestError, abbreviated
from shortlist.requests import RecommendRequest, check_id

MOST_ITEMS = 1_000
"""Items of one audience list at most."""
MOST_PAIRS = 200_000_000
"""(user, item) pairs at most: their scores take four bytes each."""


@dataclass(frozen=True, repr=False)
class AudienceRequest(ShortRepr):
    """Which audiences are wanted.

    Parameters
    ----------
    items
        Item ids: the best users for each of them. None: for what `like.filters` permits; a user then counts by the best item.
    n
        Users of each audience, 1 or more.
    cap
        Audiences that one user may be in, 1 or more; None: any number. Users go where their score is highest.
    users
        Ids of the users to choose among; None: everybody of the log, and everybody who acted since training.
    like
        What else a request can say: filters (without items), weights, context, `now`. User, history and n are ignored.

    Raises
    ------
    RequestError
        Names the field that is wrong.
    """

    items: Sequence[Any] | None = None
    n: int = 100
    cap: int | None = None
    users: Sequence[Any] | None = None
    like: RecommendRequest = RecommendRequest()  # noqa: RUF009 - immutable

    def __post_init__(self) -> None:
        """Check every field."""
        for name, value in (("n", self.n), ("cap", self.cap)):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and (not whole or value < 1):
                raise RequestError(
                    f"{name} must be a whole number, 1 or more, and is {abbreviated(value)}", field=name
                )
        for name, given in (("items", self.items), ("users", self.users)):
            if isinstance(given, (str, bytes)):
                raise RequestError(f"{name} must be a list of ids, and is {abbreviated(given)}", field=name)
            for at, one in enumerate(given or ()):
                check_id(one, name, f"{name}.{at}")
        if self.items is not None and not 1 <= len(set(self.items)) <= MOST_ITEMS:
            raise RequestError(
                f"items must be 1 to {MOST_ITEMS:,} ids and are {len(set(self.items)):,}", field="items"
            )
        if self.items is not None and self.like.filters:
            raise RequestError(
                "filters: users are wanted for the items that are named, or for the best item that filters permit; leave out one of both",
                field="filters",
            )
        if self.items is None and not self.like.filters:
            raise RequestError(
                "items: name the items that users are wanted for, or filters that permit some", field="items"
            )


@dataclass(frozen=True, slots=True)
class AudienceMember:
    """One user of an audience.

    Attributes
    ----------
    item : int or str
        The item that the user is wanted for; with filters, the permitted item that suits the user best.
    user : int or str
        The user's id.
    score : float
        Utility of showing the item to the user, by which the audience is ordered.
    predictions : dict[str, float]
        Objective → calibrated prediction.
    """

    item: Any
    user: Any
    score: float
    predictions: dict[str, float]


@dataclass(frozen=True, repr=False)
class Audience:
    """Users for items: the members of one item are adjacent, in falling order of score.

    Attributes
    ----------
    members : list[AudienceMember]
        The users.
    considered : int
        Number of users that were considered.
    model_version : str
        The version of the model.
    warnings : list[str]
        Parts of the request that have no effect, such as a value of a filter that no item has, and why nobody was considered.
    """

    members: list[AudienceMember]
    considered: int
    model_version: str
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[AudienceMember]:
        return iter(self.members)

    def to_arrow(self) -> pa.Table:
        """Return a table with the columns item, user, score and prediction_… (one an objective)."""
        columns: dict[str, Any] = {
            "item": [m.item for m in self.members],
            "user": [m.user for m in self.members],
            "score": pa.array([m.score for m in self.members], pa.float64()),
        }
        for name in self.members[0].predictions if self.members else ():
            columns[f"prediction_{name}"] = [m.predictions[name] for m in self.members]
        return pa.table(columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"Audience({len(self):,} users of {self.considered:,})"


def find_audience(
    model: Model, state: LiveState, request: AudienceRequest, report: Share = lambda _: None
) -> Audience:
    """Find the best users for each item of a request, or for what its filters permit.

    A user who has an item already is not in its audience, unless `rerank.show_seen` allows that items come back. Everybody is
    answered as of one moment.

    Cost: one retrieval a user, and features and predictions of the given items only; 4 bytes a (user, item) pair with `cap`.

    Raises
    ------
    RequestError
        An item is unknown or retired, or there are too many pairs for `cap`.
    """
    search = AudienceSearch(model, state, request)
    users = population(model, state) if request.users is None else list(dict.fromkeys(request.users))
    search.check_pairs(len(users))
    best = BestUsers(search.columns, len(users), request.n, request.cap)
    start = 0
    for scores in search.scores(users):
        best.add(start, scores)
        start += len(scores)
        report(start / len(users))
    members: list[AudienceMember] = []
    for column, rows in enumerate(best.chosen()):
        members += search.members(column, [users[row] for row in rows])
    return Audience(members, len(users), model.version, search.warnings(len(users)))


class AudienceSearch:
    """The two steps of an audience, which executors of a cluster also take: scores of users, and the members among those chosen.

    Parameters
    ----------
    model, state
        Answer.
    request
        What is wanted.

    Raises
    ------
    RequestError
        An item is unknown or retired.
    """

    def __init__(self, model: Model, state: LiveState, request: AudienceRequest) -> None:
        self._model, self._state = model, state
        self._resolver = Resolver(model, state)
        self._codes = _item_codes(self._resolver, request)
        now = request.like.now or self._resolver.moment
        self._like = replace(request.like, user=None, history=None, n=1, explore=0.0, now=now)
        self._warnings = self._resolver(
            self._like
        ).warnings  # raises what is wrong with filters, weights and context
        self._nobody = (
            "users: nobody has a history"
            if request.users is None
            else "users: nobody is considered, because the list is empty"
        )

    def __repr__(self) -> str:
        return f"AudienceSearch({self.columns} audiences)"

    @property
    def columns(self) -> int:
        """Number of audiences: of items, or one of what filters permit."""
        return len(self._codes) or 1

    def warnings(self, users: int) -> list[str]:
        """Return what had no effect, of a request that considers some number of users."""
        return [*self._warnings, *(() if users else (self._nobody,))]

    def check_pairs(self, users: int) -> None:
        """Raise `RequestError` for more than `MOST_PAIRS` pairs of these users and the items."""
        if users * self.columns > MOST_PAIRS:
            raise RequestError(
                f"items: {self.columns:,} items and {users:,} users are more than {MOST_PAIRS:,} pairs; ask for fewer items at once",
                field="items",
            )

    def scores(self, users: Sequence[Any]) -> Iterator[NDArray[np.float32]]:
        """Yield the utilities of some users at a time, float32 (users, audiences), −inf where a user must not be in an audience."""
        for start in range(0, len(users), BATCH):
            chunk = [self._asked(user) for user in users[start : start + BATCH]]
            yield _scores(self._model, self._state, chunk, self._codes)

    def members(self, column: int, users: Sequence[Any]) -> list[AudienceMember]:
        """Return chosen users of an audience, in the given order, with their predictions."""
        item = self._codes[column : column + 1] if len(self._codes) else self._codes
        return _members(self._model, self._state, [self._asked(user) for user in users], item)

    def _asked(self, user: Any) -> ResolvedRequest:
        return self._resolver(replace(self._like, user=user))


def _item_codes(resolver: Resolver, request: AudienceRequest) -> NDArray[np.int64]:
    """Codes of the items of a request, in its order; none where filters say what is wanted."""
    if request.items is None:
        return np.empty(0, np.int64)
    catalogue, codes = resolver.catalogue, []
    for at, item in enumerate(dict.fromkeys(request.items)):
        code = catalogue.items.ids.code(item)
        if code < 0:
            raise RequestError(f"items.{at}: the catalogue has no item {item!r}", field=f"items.{at}")
        if catalogue.retired[code]:
            raise RequestError(f"items.{at}: {item!r} is retired", field=f"items.{at}")
        codes.append(code)
    return np.array(codes, np.int64)


def population(model: Model, state: LiveState) -> list[Any]:
    """Return the ids of everybody with a history: users of the log who were not erased, and users who acted since training."""
    ids = model.dataset.users.ids
    active = np.flatnonzero(np.diff(model.dataset.histories.indptr) > 0)
    return list(
        dict.fromkeys(
            [*(user for user in ids.ids(active) if user not in state.erased), *state.histories.users_since()]
        )
    )


def _scores(
    model: Model, state: LiveState, chunk: list[ResolvedRequest], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Utility of each user and item, float32 (users, items), −inf where the user must not get it; without items, of the best one."""
    if not len(codes):
        scored, rows = _best_rows(model, state, chunk)
        found = np.full((len(chunk), 1), -np.inf, np.float32)
        for at, row in enumerate(rows):
            if row is not None:
                found[at] = scored[at].utility[row]
        return found
    scored_batch = Cascade.score(model, state, chunk, required=[codes] * len(chunk), only_required=True)
    return _table(scored_batch, codes)


def _table(scored: ScoredBatch, codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """The utility of given items, float32 (requests, items)."""
    found = np.full((len(scored.requests), len(codes)), -np.inf, np.float32)
    order = np.argsort(codes, kind="stable")
    place = order[np.searchsorted(codes[order], scored.rows.item)]
    found[scored.rows.request, place] = scored.utility
    excluded, indptr = scored.encoded.requests.excluded, scored.encoded.requests.excluded_indptr
    if excluded is not None and indptr is not None:
        for row in range(len(found)):
            found[row, np.isin(codes, excluded[indptr[row] : indptr[row + 1]])] = -np.inf
    return found


def _best_rows(
    model: Model, state: LiveState, chunk: list[ResolvedRequest]
) -> tuple[list[ScoredBatch], list[int | None]]:
    """The batch of each request, and the row of the item that its slate of one would have; None for an empty slate."""
    ranked = Cascade.run(model, state, chunk)
    batches: list[ScoredBatch] = []
    rows: list[int | None] = []
    for batch, row in ranked.places:
        chosen = ranked.batches[batch].slates[row].chosen
        batches.append(ranked.batches[batch].scored)
        rows.append(int(chosen[0]) if len(chosen) else None)
    return batches, rows


def _members(
    model: Model, state: LiveState, asked: list[ResolvedRequest], item: NDArray[np.int64]
) -> list[AudienceMember]:
    """Chosen users, best first, with their predictions of one item, or of the best item of each."""
    members: list[AudienceMember] = []
    for start in range(0, len(asked), BATCH):
        chunk = asked[start : start + BATCH]
        if len(item):
            scored = Cascade.score(model, state, chunk, required=[item] * len(chunk), only_required=True)
            batches, rows = [scored] * len(chunk), [int(at) for at in scored.bounds[:-1]]
        else:
            batches, found = _best_rows(model, state, chunk)
            rows = [row for row in found if row is not None]
        for one, batch, row in zip(chunk, batches, rows, strict=True):
            values = dict(zip(model.objectives, batch.predictions[row].tolist(), strict=True))
            code = int(batch.rows.item[row])
            members.append(
                AudienceMember(
                    batch.catalogue.items.ids.id(code), one.user, float(batch.utility[row]), values
                )
            )
    return members

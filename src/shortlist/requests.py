"""A request for recommendations, as one typed value.

Python callers, HTTP, experiment arms, pages, `why` and batches all make a `RecommendRequest`. It is checked once, when
it is made, and passed along whole; what depends on a model (whether an objective, a filter or an item exists) is
checked once more by `cascade/encode.py`, which resolves names to codes.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, TypedDict

from shortlist.config.placements import Placement
from shortlist.config.request_defaults import MAX_N
from shortlist.config.short_repr import short_repr
from shortlist.data.cursor import MAY_CHANGE, Cursor
from shortlist.data.ids import id_fault
from shortlist.data.values import check_values
from shortlist.errors import RequestError, abbreviated, suggestion
from shortlist.rerank.boosts import check_expression, read_boosts

DEFAULT_N = 10
"""Items of a slate where neither the request nor its placement says."""
MAX_HISTORY = 1_000
"""The longest history that a request over HTTP can give."""
NUMBERS = {"diversity": 1.0, "freshness": 10.0, "calibration": 1.0, "explore": 5.0}
"""Re-ranking strengths and their upper bounds; the lower bound is 0."""


Contexts = Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None
"""One context for all requests, or a list with one for each."""


class RankOptions(TypedDict, total=False):
    """The keyword arguments of `Recommender.rank`: the fields of `RecommendRequest` that say for whom, when and by which weights."""

    placement: str | None
    history: Sequence[Any] | None
    context: Mapping[str, Any] | None
    weights: Mapping[str, float] | None
    combine: str | None
    now: int | None
    after: Any


RANK_OPTIONS = tuple(RankOptions.__annotations__)


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of `Recommender.recommend`: the fields of `RecommendRequest` but `user` and `n`."""

    placement: str | None
    history: Sequence[Any] | None
    context: Contexts
    weights: Mapping[str, float] | None
    filters: Mapping[str, Any] | str | None
    boosts: Sequence[Mapping[str, Any]] | None
    diversity: float | None
    freshness: float | None
    calibration: float | None
    combine: str | None
    at_least: Mapping[str, float] | None
    explore: float | None
    seed: int | None
    now: int | None
    after: Any
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """A request for recommendations: for whom, how many, and under which conditions.

    A field that is None takes the project's setting. The value is immutable and is validated when it is made.

    Parameters
    ----------
    user
        User id. A user that the model does not know is treated as new, and the slate reports it.
    n
        Number of items, 1 to 200 (default: the placement's, or 10).
    history
        Item ids, oldest first. They replace the stored history of the user.
    context
        The moment of the request (device, time of day, …) and, for a visitor, user attributes.
    weights
        Objective → weight in the utility.
    filters
        What an item must fulfil to be shown: an expression, for example `'price < 20 and brand = viewed.brand'`, or
        attribute → rule, for example `{"genres": {"none": ["Horror"]}}`.
    boosts
        Up to 16 mappings with `when`, a condition written like filters, and `amount`, from −100 to 100 or an expression
        of a number. They multiply the utility of items that meet the condition by 1 + amount, and divide it by
        1 − amount where the amount is negative.
    diversity, freshness, calibration, explore
        Strengths of the re-rankers. Ranges: 0 to 1, 0 to 10, 0 to 1 and 0 to 5.
    combine
        How objectives become one number: `"sum"` or `"product"`.
    at_least
        Guard-rails: objective → least mean prediction of the slate.
    seed
        Seed of exploration, so that a slate can be reproduced.
    now
        Moment of the request, milliseconds since 1970 (default: the recommender's clock).
    after
        Id of the item that the user is looking at ("up next"). It counts as the latest event of the history and is
        not recommended.
    cursor
        `Slate.cursor` of the page before: the next page, without the items of the pages so far.
    placement
        Name of a placement of the project, whose settings fill the fields that are None.

    Raises
    ------
    RequestError
        Names the field that is wrong, in `error.field`.

    Examples
    --------
    >>> RecommendRequest(user="u42", n=5, weights={"seconds": 2.0})
    RecommendRequest(user='u42', n=5, weights={'seconds': 2.0})
    """

    user: Any = None
    n: int | None = None
    history: Sequence[Any] | None = None
    context: Mapping[str, Any] | None = None
    weights: Mapping[str, float] | None = None
    filters: Mapping[str, Any] | str | None = None
    boosts: Sequence[Mapping[str, Any]] | None = None
    diversity: float | None = None
    freshness: float | None = None
    calibration: float | None = None
    combine: str | None = None
    at_least: Mapping[str, float] | None = None
    explore: float | None = None
    seed: int | None = None
    now: int | None = None
    after: Any = None
    cursor: str | Cursor | None = None
    placement: str | None = None

    def __post_init__(self) -> None:
        """Check every field and normalise its type."""
        if self.n is not None:
            check_n(self.n)
            self._set("n", int(self.n))
        if all(
            map(is_, _OPTIONS_OF(self), repeat(None))
        ):  # most requests: nothing but whom it is for, and how many
            check_id(self.user, "user")
        else:
            self._check_options()

    def _check_options(self) -> None:
        """Check a request that has more fields than `user` and `n`."""
        if self.placement is not None and not isinstance(self.placement, str):
            raise RequestError(
                f"placement must be a name and is {abbreviated(self.placement)}", field="placement"
            )
        if self.history is not None:
            self._set("history", _history(self.history))
        check_id(self.user, "user")
        check_id(self.after, "after")
        if self.boosts is not None:
            self._set("boosts", read_boosts(self.boosts))
        for name in ("context", "weights", "filters", "at_least"):
            _check_mapping(getattr(self, name), name)
        for name, most in NUMBERS.items():
            value = getattr(self, name)
            if value is not None:
                self._set(name, _strength(value, name, most))
        for name, least, low in (("seed", "0", 0), ("now", "-2^62", -(2**62))):  # a log can lie before 1970
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool)
                or not isinstance(value, numbers.Integral)
                or not low <= int(value) < 2**63
            ):
                raise RequestError(f"{name} must be a whole number from {least} to 2^63 - 1", field=name)
        if self.cursor is not None and not isinstance(self.cursor, Cursor):
            self._set("cursor", Cursor.read(self.cursor, self.first_page))

    def _set(self, name: str, value: Any) -> None:
        """Store a normalised value while the instance is being made."""
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, fields_: Mapping[str, Any]) -> RecommendRequest:
        """Make a request from a mapping. Raises `RequestError` for a field that does not exist, with a suggestion."""
        for name in fields_:
            if name not in FIELDS:
                raise RequestError(
                    f"{name}: a request has no such field{suggestion(name, FIELDS)}", field=str(name)
                )
        return cls(**fields_)

    def merged(self, defaults: Mapping[str, Any]) -> RecommendRequest:
        """Return the request with defaults where it leaves a field open, as an experiment arm gives them.

        Weights and guard-rails are merged objective by objective; the request's own values have priority.
        """
        changes: dict[str, Any] = {}
        for name, default in defaults.items():
            own = getattr(self, name)
            if default is None or default == {}:
                continue
            if name in {"weights", "at_least"}:
                if default.keys() - (own or {}).keys():
                    changes[name] = {**default, **(own or {})}
            elif own is None:
                changes[name] = default
        if changes and self.cursor is None:  # the next page is requested with the same fields as this one
            changes["cursor"] = self.first_page
        return replace(self, **changes) if changes else self

    @property
    def first_page(self) -> Cursor:
        """The cursor of the first page of this request: of its fields as the client sends them, before an arm or a placement fills some."""
        return Cursor.first(_TERMS_OF(self))

    def placed(self, placements: Mapping[str, Placement]) -> RecommendRequest:
        """Return the request with the settings of its placement. Raises `RequestError` where the project has no such one."""
        if self.placement is None:
            return self
        placement = placements.get(self.placement)
        if placement is None:
            raise RequestError(
                f"placement: the project has no placement {abbreviated(self.placement)}{suggestion(self.placement, placements)}; there are: "
                f"{', '.join(placements) or 'none'}",
                field="placement",
            )
        return self.merged(placement.request_fields())

    def of_list(self) -> RecommendRequest:
        """Return the request of a given list: without what has no effect on one, and without a placement, whose settings it has."""
        twin = object.__new__(RecommendRequest)
        for name, value in zip(FIELDS, _ALL_OF(self), strict=True):
            twin._set(name, _OF_LIST.get(name, value))
        return twin

    @property
    def size(self) -> int:
        """The number of items: `n`, or 10 where it is open."""
        return DEFAULT_N if self.n is None else self.n

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        shown = [(name, value) for name, value, default in given if value is not default and value != default]
        return short_repr("RecommendRequest", shown)


FIELDS = tuple(f.name for f in fields(RecommendRequest))
_OPTIONS_OF = attrgetter(*(name for name in FIELDS if name not in {"user", "n"}))
_ALL_OF = attrgetter(*FIELDS)
_OF_LIST: dict[str, Any] = {"filters": None, "boosts": None, "explore": 0.0, "seed": None, "placement": None}
"""Fields without an effect on a given list → the value that they have there."""
_TERMS_OF = attrgetter(*(name for name in FIELDS if name not in MAY_CHANGE))


def requests_of(
    user: Any, n: int | None, users: Sequence[Any] | None, options: RequestOptions
) -> list[RecommendRequest]:
    """Make the requests of a call: one for a user or a history, or one for each of several users.

    `user` can be a whole `RecommendRequest`, which is returned as it is. Raises `RequestError` naming the field.
    """
    if users is not None:
        if user is not None:
            raise RequestError("users: give a list of users, or one user, not both", field="users")
        return requests_for(users, n, options.get("context"), options)
    if isinstance(user, RecommendRequest):
        if options:
            name = next(iter(options))
            raise RequestError(f"{name}: set it in the request that is given as `user`", field=name)
        return [user]
    context = options.get("context")
    if isinstance(context, Sequence) and len(context) == 1:
        context = context[0]
    return [RecommendRequest.of({**options, "user": user, "n": n, "context": context})]


def rank_request(user: Any, options: RankOptions) -> RecommendRequest:
    """Make the request of a given list; `user` can be a whole `RecommendRequest`.

    Raises `RequestError` naming the field; also for one that would have no effect, because every item comes back.
    """
    if isinstance(user, RecommendRequest) or not options:
        return requests_of(user, None, None, {})[0]
    for name in options:
        if name in FIELDS and name not in RANK_OPTIONS:
            raise RequestError(
                f"{name}: a given list is ranked as a whole, so {name} has no effect; options are: {', '.join(RANK_OPTIONS)}",
                field=name,
            )
    return RecommendRequest.of({**options, "user": user})


def requests_for(
    users: Sequence[Any],
    n: int | None,
    contexts: Contexts,
    options: RequestOptions,
) -> list[RecommendRequest]:
    """Make one request a user. `contexts` is one context for all users, or a list with one for each."""
    if isinstance(users, (str, bytes)):
        raise RequestError("users must be a list of user ids, and is one string", field="users")
    for name in ("history", "cursor"):
        if options.get(name) is not None:
            raise RequestError(f"give either users or one {name}, not both", field="users")
    each = context_of_each(contexts, len(users))
    if len(each) != len(users):
        raise RequestError(
            f"context: {len(each)} contexts for {len(users)} users; give one for all, or one for each",
            field="context",
        )
    if not len(users):
        return []
    fields_ = {name: value for name, value in options.items() if name != "context"}
    first = RecommendRequest.of({**fields_, "user": users[0], "n": n, "context": each[0]})
    seeds = [None if first.seed is None else first.seed + row for row in range(len(users))]
    return [
        replace(first, user=user, context=context, seed=seed)
        for user, context, seed in zip(users, each, seeds, strict=True)
    ]


def context_of_each(contexts: Contexts, n: int) -> list[Mapping[str, Any] | None]:
    """Return one context a request."""
    if contexts is None or isinstance(contexts, Mapping):
        return [contexts] * n
    return list(contexts)


def _history(given: Any) -> tuple[Any, ...]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        try:
            iterable = not isinstance(given, (str, bytes, Mapping)) and iter(given)
        except TypeError:
            iterable = False
        if iterable is False:
            raise RequestError(
                f'history must be a list of item ids, for example ["i3"], and is {abbreviated(given)}',
                field="history",
            )
    history = tuple(given)
    for at, item in enumerate(history):
        check_id(item, "history", f"history.{at}")
    return history


def check_n(n: Any) -> None:
    """Raise `RequestError` where n is no length of a list."""
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or not 1 <= int(n) <= MAX_N:
        raise RequestError(
            f"n must be a whole number from 1 to {MAX_N} and is {abbreviated(n, 40)}", field="n"
        )


def check_id(value: Any, name: str, where: str = "") -> None:
    """Raise `RequestError` naming the field where a value cannot be an id. None is allowed: no id is given."""
    fault = None if value is None else id_fault(value)
    if fault is not None:
        raise RequestError(f"{where or name}: {fault}", field=name)


def _check_mapping(value: Any, name: str) -> None:
    """Raise `RequestError` naming the field where a value is no mapping; filters can be an expression."""
    if name == "filters" and isinstance(value, str):
        check_expression(value, name)
    elif value is not None and not isinstance(value, Mapping):
        kinds = "an expression or a mapping" if name == "filters" else "a mapping"
        raise RequestError(f"{name} must be {kinds} (a JSON object) and is {abbreviated(value)}", field=name)
    else:
        check_values(value, name)


def _strength(value: Any, name: str, most: float) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:  # NaN is not
        raise RequestError(
            f"{name} must be a number from 0 to {most:g} and is {abbreviated(value)}", field=name
        )
    return float(value)

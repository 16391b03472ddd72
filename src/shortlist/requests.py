"""A request for recommendations, as one typed value.

Python callers, HTTP, experiment arms, pages, `why` and batches all make a `RecommendRequest`. It is checked once, when
it is made, and passed along whole; what depends on a model (whether an objective, a filter or an item exists) is
checked once more by `cascade/encode.py`, which resolves names to codes.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

from shortlist.config.rerank import MAX_AMOUNT
from shortlist.data.cursor import MAY_CHANGE, Cursor
from shortlist.data.ids import id_fault
from shortlist.data.values import text_fault, value_fault
from shortlist.errors import RequestError, suggestion
from shortlist.expressions import MAX_LENGTH

MAX_N = 200
"""The longest slate that can be requested."""
MAX_BOOSTS = 16
"""Most boosts of one request."""
MAX_HISTORY = 1_000
"""The longest history that can be given with a request."""
NUMBERS = {"diversity": 1.0, "freshness": 10.0, "calibration": 1.0, "explore": 5.0}
"""Re-ranking strengths and their upper bounds; the lower bound is 0."""


Contexts = Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None
"""One context for all requests, or a list with one for each."""


class RankOptions(TypedDict, total=False):
    """The keyword arguments of `Recommender.rank`: the fields of `RecommendRequest` that say for whom, when and by which weights."""

    history: Sequence[Any] | None
    context: Mapping[str, Any] | None
    weights: Mapping[str, float] | None
    combine: str | None
    now: int | None
    after: Any


RANK_OPTIONS = tuple(RankOptions.__annotations__)


class RequestOptions(TypedDict, total=False):
    """The keyword arguments of `Recommender.recommend`: the fields of `RecommendRequest` but `user` and `n`."""

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
    """What to recommend, for whom, and under which conditions.

    A field that is None takes the project's setting. The value is immutable and is validated when it is made.

    Parameters
    ----------
    user
        User id. A user that the model does not know is treated as new, and the slate reports it.
    n
        Number of items, 1 to 200.
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
    n: int = 10
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

    def __post_init__(self) -> None:
        """Check every field and normalise its type."""
        if isinstance(self.n, bool) or not isinstance(self.n, numbers.Integral) or not 1 <= self.n <= MAX_N:
            raise RequestError(f"n must be a whole number from 1 to {MAX_N} and is {self.n!r}", field="n")
        self._set("n", int(self.n))
        if self.history is not None:
            self._set("history", _history(self.history))
        check_id(self.user, "user")
        check_id(self.after, "after")
        if self.boosts is not None:
            self._set("boosts", _boosts(self.boosts))
        for name in ("context", "weights", "filters", "at_least"):
            value = getattr(self, name)
            if name == "filters" and isinstance(value, str):
                _check_expression(value, name)
                continue
            if value is not None and not isinstance(value, Mapping):
                kinds = "an expression or a mapping" if name == "filters" else "a mapping"
                raise RequestError(f"{name} must be {kinds} (a JSON object) and is {value!r}", field=name)
            check_values(value, name)
        for name, most in NUMBERS.items():
            value = getattr(self, name)
            if value is not None:
                self._set(name, _strength(value, name, most))
        for name, least, low in (("seed", "0", 0), ("now", "-2^62", -(2**62))):  # a log can lie before 1970
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= value < 2**63
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

        Mappings are merged key by key; the request's own values have priority.
        """
        changes: dict[str, Any] = {}
        for name, default in defaults.items():
            own = getattr(self, name)
            if default is None or default == {}:
                continue
            if isinstance(default, Mapping) and not isinstance(own, str):
                changes[name] = {**default, **(own or {})}
            elif own is None:
                changes[name] = default
        if changes and self.cursor is None:  # the next page is requested with the same fields as this one
            changes["cursor"] = self.first_page
        return replace(self, **changes) if changes else self

    @property
    def first_page(self) -> Cursor:
        """The cursor of the first page of this request."""
        return Cursor.first([getattr(self, name) for name in FIELDS if name not in MAY_CHANGE])

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        shown = [
            f"{name}={value!r}" for name, value, default in given if value is not default and value != default
        ]
        return f"RecommendRequest({', '.join(shown)})"


FIELDS = tuple(f.name for f in fields(RecommendRequest))


def requests_of(
    user: Any, n: int, users: Sequence[Any] | None, options: RequestOptions
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
        return requests_of(user, 10, None, {})[0]
    for name in options:
        if name in FIELDS and name not in RANK_OPTIONS:
            raise RequestError(
                f"{name}: a given list is ranked as a whole, so {name} has no effect; options are: {', '.join(RANK_OPTIONS)}",
                field=name,
            )
    return RecommendRequest.of({**options, "user": user})


def requests_for(
    users: Sequence[Any],
    n: int,
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
                f'history must be a list of item ids, for example ["i3"], and is {given!r}', field="history"
            )
    history = tuple(given)
    for at, item in enumerate(history):
        check_id(item, "history", f"history.{at}")
    return history


def check_id(value: Any, name: str, where: str = "") -> None:
    """Raise `RequestError` naming the field where a value cannot be an id. None is allowed: no id is given."""
    fault = None if value is None else id_fault(value)
    if fault is not None:
        raise RequestError(f"{where or name}: {fault}", field=name)


def check_values(value: Mapping[str, Any] | None, name: str) -> None:
    """Raise `RequestError` naming the first entry of a mapping whose value cannot be accepted."""
    for key, entry in (value or {}).items():
        fault = text_fault(key) if isinstance(key, str) else "a name is a text"
        fault = fault or value_fault(entry)
        if fault is not None:
            raise RequestError(f"{name}.{_short(key)}: {fault}", field=f"{name}.{_short(key)}")


def field_fault(detail: Mapping[str, Any], known: Iterable[str], where: str = "") -> tuple[str, str]:
    """Return what is wrong with a body, as a sentence, and the name of the field, empty for the whole body.

    Parameters
    ----------
    detail
        An error of pydantic, as a dictionary.
    known
        Names of fields, to suggest one for a name that there is not.
    where
        What the name of the field begins with.
    """
    field = where + ".".join(str(part) for part in detail["loc"] if part not in {"body", "query", "path"})
    if detail["type"] == "extra_forbidden":
        return f"{field}: there is no such field{suggestion(field, known)}", field
    return f"{field or 'body'}: {detail['msg']}", field


def _short(key: Any) -> str:
    text = str(key)
    return ascii(text[:40])[1:-1] + ("…" if len(text) > 40 else "")


def _boosts(given: Any) -> tuple[Mapping[str, Any], ...]:
    """Boosts as they are stored. Raises `RequestError` naming the field."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence) or len(given) > MAX_BOOSTS:
        raise RequestError(
            f'boosts must be a list of at most {MAX_BOOSTS}, for example [{{"when": "price < 20", "amount": 0.5}}]',
            field="boosts",
        )
    for number, boost in enumerate(given):
        where = f"boosts.{number}"
        if not isinstance(boost, Mapping) or set(boost) != {"when", "amount"}:
            raise RequestError(
                f'{where} must have when and amount, as in {{"when": "price < 20", "amount": 0.5}}',
                field=where,
            )
        when, amount = boost["when"], boost["amount"]
        if isinstance(when, str):
            _check_expression(when, f"{where}.when")
        elif isinstance(when, Mapping) and when:
            check_values(when, f"{where}.when")
        else:
            raise RequestError(
                f"{where}.when must be a condition, written like filters", field=f"{where}.when"
            )
        if isinstance(amount, str):
            _check_expression(amount, f"{where}.amount")
        elif (
            isinstance(amount, bool)
            or not isinstance(amount, numbers.Real)
            or not 0 < abs(float(amount)) <= MAX_AMOUNT  # NaN is refused, too
        ):
            raise RequestError(
                f"{where}.amount must be a number from -{MAX_AMOUNT:g} to {MAX_AMOUNT:g} but 0, or an expression, and is {amount!r}",
                field=f"{where}.amount",
            )
    return tuple(dict(boost) for boost in given)


def _check_expression(text: str, where: str) -> None:
    """Raise `RequestError` for an expression that is too long or cannot be stored; `resolve` parses it."""
    fault = text_fault(text, MAX_LENGTH)
    if fault is not None:
        raise RequestError(f"{where}: {fault}", field=where)


def _strength(value: Any, name: str, most: float) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or math.isnan(value) or not 0 <= value <= most:
        raise RequestError(f"{name} must be a number from 0 to {most:g} and is {value!r}", field=name)
    return float(value)

"""The boosts of a request, as callers give them."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.config.rerank import MAX_AMOUNT
from shortlist.data.values import check_values, text_fault
from shortlist.errors import RequestError, abbreviated
from shortlist.expressions import MAX_LENGTH

MAX_BOOSTS = 16
"""Most boosts of one request."""


def read_boosts(given: Any) -> tuple[Mapping[str, Any], ...]:
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
            check_expression(when, f"{where}.when")
        elif isinstance(when, Mapping) and when:
            check_values(when, f"{where}.when")
        else:
            raise RequestError(
                f"{where}.when must be a condition, written like filters", field=f"{where}.when"
            )
        real = isinstance(amount, numbers.Real) and not isinstance(amount, bool)
        if isinstance(amount, str):
            check_expression(amount, f"{where}.amount")
        elif not real or not 0 < abs(amount) <= MAX_AMOUNT:  # NaN is refused, too
            raise RequestError(
                f"{where}.amount must be a number from -{MAX_AMOUNT:g} to {MAX_AMOUNT:g} but 0, or an expression, and is {abbreviated(amount)}",
                field=f"{where}.amount",
            )
    return tuple(dict(boost) for boost in given)


def check_expression(text: str, where: str) -> None:
    """Raise `RequestError` for an expression that is too long or cannot be stored; `resolve` parses it."""
    fault = text_fault(text, MAX_LENGTH)
    if fault is not None:
        raise RequestError(f"{where}: {fault}", field=where)

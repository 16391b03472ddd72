"""Business rules: boost, bury, hide and pin items.

A rule has a condition, written like a request's filters, and an action. A request can bring boosts of its own, which act
like rules after those of the project. Boost and bury scale an item's utility, so a
much better item still wins; pin moves the best matching item to a slot (`pins`); hidden items are never shown. Rules act on
candidates. Items that a pin names are candidates whatever the retrievers propose, where at most 20 meet its condition; no other rule adds an
item. `shortlist preview` reports each rule's cost in predicted
utility before the rule is live, `shortlist evaluate` afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rerank import Rule

RuleMask = Callable[[Rule], NDArray[np.bool_]]
"""Returns the items of the catalogue that match a rule's condition, bool (items,)."""
RuleAmount = Callable[[Rule], float | NDArray[np.float64]]
"""Returns the strength of a rule: a number, or one for each item of the catalogue, float64 (items,)."""


class RequestRule(Rule):
    """A boost that a request brings: its name is the field of the request, and nothing of it is kept."""


def boost_rules(boosts: Sequence[Mapping[str, Any]]) -> list[RequestRule]:
    """Return the boosts of a request as rules: a negative amount buries."""
    rules = []
    for number, boost in enumerate(boosts):
        amount = boost["amount"]
        bury = not isinstance(amount, str) and amount < 0
        rules.append(
            RequestRule(
                name=f"boosts.{number}",
                when=boost["when"],
                action="bury" if bury else "boost",
                amount=amount if isinstance(amount, str) else abs(amount),
            )
        )
    return rules


def written_amount(rule: Rule) -> float | NDArray[np.float64]:
    """Return the strength of a rule whose strength is a number."""
    return float(rule.amount)


def adjust_utility(
    utility: NDArray[np.float64],
    items: NDArray[np.int32],
    rules: Iterable[Rule],
    mask: RuleMask,
    amount: RuleAmount = written_amount,
) -> NDArray[np.float64]:
    """Apply boost, bury and hide.

    boost multiplies a positive utility by 1 + amount and divides a negative one, so that it never lowers an item; bury
    does the reverse; hide sets −inf.

    Parameters
    ----------
    utility : ndarray of shape (rows,), float64
        Utility of each candidate.
    items : ndarray of shape (rows,), int32
        Item codes of the candidates.
    rules
        The rules, applied in their order. Pins are ignored.
    mask
        Returns the items that a rule matches.
    amount
        Returns the strength of a rule.

    Returns
    -------
    ndarray of shape (rows,), float64
    """
    adjusted = utility
    for rule in rules:
        if rule.action == "pin":
            continue
        matches = mask(rule)[items]
        if rule.action == "hide":
            adjusted = np.where(matches, -np.inf, adjusted)
        else:
            strength = amount(rule)
            factor = 1 + (strength[items] if isinstance(strength, np.ndarray) else strength)
            multiply = (adjusted > 0) == (rule.action == "boost")
            adjusted = np.where(matches, np.where(multiply, adjusted * factor, adjusted / factor), adjusted)
    return adjusted

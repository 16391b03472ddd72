"""Business rules: boost, bury, hide and pin, as an editor or a merchandiser wants them.

A rule says which items (as a request's filters do) and what becomes of them. Boosts and buries change what an item counts, so that a much better
one still wins; a pin gives the best of its items a slot, whatever they count; hidden items are not shown. Rules act on candidates: what
no source proposes for a person is not brought up by a rule. Every rule has a price in predicted utility, which `shortlist preview`
tells before it is in force and `shortlist evaluate` after.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shortlist.config.rerank import Rule

Mask = Callable[[Rule], np.ndarray]
"""Which items of the catalogue a rule is about, bool (items,)."""


def weighed(utility: np.ndarray, items: np.ndarray, rules: list[Rule], about: Mask) -> np.ndarray:
    """Utilities float64 (rows,) of items int32 (rows,) after boosts and buries; −inf for what is hidden.

    A utility below zero is raised by being divided, so that a boost never does harm.
    """
    worth = utility
    for rule in rules:
        if rule.action == "pin":
            continue
        met = about(rule)[items]
        if rule.action == "hide":
            worth = np.where(met, -np.inf, worth)
        else:
            factor = 1 + rule.amount
            up = (worth > 0) == (rule.action == "boost")
            worth = np.where(met, np.where(up, worth * factor, worth / factor), worth)
    return worth


def pinned(order: np.ndarray, items: np.ndarray, rules: list[Rule], about: Mask, n: int) -> np.ndarray:
    """The slate int64 (≤ n,) with pins in their slots; order int64 (pool,): rows of items int32 (rows,), best first.

    The first of a pin's items that is in the order moves to its slot, and what was there moves down. Of two pins to one slot the later
    one is above. Where none of its items is a candidate, a pin does nothing.
    """
    for rule in rules:
        if rule.action != "pin":
            continue
        met = np.flatnonzero(about(rule)[items[order]])
        if len(met):
            rest = np.delete(order, met[0])
            order = np.insert(rest, min(rule.slot, n - 1, len(rest)), order[met[0]])
    return order[:n]

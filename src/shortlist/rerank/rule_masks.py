"""Which items the rules of a project and the boosts of a request match, and how strongly they act."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rerank import MAX_AMOUNT, FairShare, Rule
from shortlist.expressions.typed import Uses
from shortlist.rerank.conditions import Conditions, Written
from shortlist.rerank.request_values import RequestValues, lacks_viewed
from shortlist.rerank.rules import RequestRule


class RuleMasks:
    """Masks and strengths of rules over one catalogue, for one request or for all.

    The mask of a project's rule that reads nothing of the request is kept for the catalogue. A rule that reads `viewed`
    matches nothing where the request names no viewed item.

    Parameters
    ----------
    conditions
        Evaluates conditions over the catalogue.
    values
        What rules read of the request.
    kept
        Masks that are kept already, by the identity of their condition.
    """

    def __init__(
        self,
        conditions: Conditions,
        values: RequestValues | None = None,
        kept: dict[int, tuple[object, NDArray[np.bool_]]] | None = None,
    ) -> None:
        self.conditions, self.values = conditions, values or {}
        self._kept = {} if kept is None else kept
        self._own: dict[str, NDArray[np.bool_]] = {}

    def bound(self, values: RequestValues) -> RuleMasks:
        """Return the masks for one request; masks that depend on no request are shared."""
        return RuleMasks(self.conditions, values, self._kept)

    def uses(self, rule: Rule) -> Uses:
        """Return what a rule reads of a request. Raises `RequestError` naming the part that is wrong."""
        where = _where(rule)
        found = self.conditions.uses(rule.when, f"{where}.when")
        if isinstance(rule.amount, str):
            found |= self.conditions.number_uses(rule.amount, f"{where}.amount")
        return found

    def check(self, rule: Rule) -> None:
        """Raise `RequestError` naming the part of a rule that is wrong."""
        self.uses(rule)
        if not isinstance(rule.when, str):
            self.conditions.mask(rule.when, f"{_where(rule)}.when")

    def mask(self, rule: Rule) -> NDArray[np.bool_]:
        """Return the items that a rule matches, bool (items,). It must not be written to."""
        found = self._kept.get(id(rule))
        if found is not None and found[0] is rule:
            return found[1]
        where = f"{_where(rule)}.when"
        uses = self.conditions.uses(rule.when, where)
        if lacks_viewed(self.values, uses):
            return np.zeros(len(self.conditions.items), bool)
        if not uses and not isinstance(rule, RequestRule):
            return self._keep(rule, rule.when, where)
        mask = self._own.get(rule.name)
        if mask is None:
            mask = self._own[rule.name] = self._computed(rule.when, where)
        return mask

    def share(self, fair: FairShare) -> NDArray[np.bool_]:
        """Return the items that a minimum share is for, bool (items,)."""
        found = self._kept.get(id(fair))
        if found is not None and found[0] is fair:
            return found[1]
        return self._keep(fair, {fair.by: {"any": fair.values}}, "fair")

    def _keep(self, owner: object, when: Written, where: str) -> NDArray[np.bool_]:
        """Compute the mask of a setting, and keep it with its owner, so that another object cannot have its identity."""
        mask = self._computed(when, where)
        self._kept[id(owner)] = owner, mask  # one atomic write of a finished array
        return mask

    def amount(self, rule: Rule) -> float | NDArray[np.float64]:
        """Return the strength of a rule: one number, or one an item, float64 (items,), from 0 to 100; 0 where unknown."""
        if not isinstance(rule.amount, str):
            return rule.amount
        found = self.conditions.number(rule.amount, f"{_where(rule)}.amount", self.values)
        return np.clip(np.nan_to_num(found, nan=0.0), 0.0, MAX_AMOUNT)

    def _computed(self, when: Written, where: str) -> NDArray[np.bool_]:
        mask = self.conditions.mask(when, where, self.values)
        return np.ones(len(self.conditions.items), bool) if mask is None else mask


def _where(rule: Rule) -> str:
    return rule.name if isinstance(rule, RequestRule) else f"rule {rule.name}"

"""Pins: items at absolute slots of a slate, counted over all of its pages.

A pin takes the best item that meets its condition out of the order, and puts it in its slot: the items between move down. The item is shown
there and nowhere else. A slate that ends above the slot does not have it, so that a short slate is the beginning of a longer one,
and pages together are one long slate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rerank import Rule
from shortlist.rerank.rule_masks import RuleMasks
from shortlist.rerank.rules import RuleMask

MOST_PINNED = 20
"""Items that meet the condition of a pin, up to which all of them are candidates."""


@dataclass(frozen=True, eq=False)
class Pinned:
    """The candidates that pins take, of this page and of later ones.

    Attributes
    ----------
    rows : ndarray of shape (pins,), int64
        Rows of candidates, by slot.
    slots : ndarray of shape (pins,), int64
        The slot of each, from 0, over all pages; increasing.
    """

    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    slots: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def until(self, slot: int) -> NDArray[np.int64]:
        """Return the rows whose slots are before one."""
        return self.rows[self.slots < slot] if len(self) else self.rows

    def free(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of an order that no pin takes."""
        return order[~np.isin(order, self.rows)] if len(self) else order

    def placed(self, order: NDArray[np.int64], first: int, n: int) -> NDArray[np.int64]:
        """Return the first n rows of a page, int64: pinned ones in their slots, the rows of an order in the others.

        Where the order is too short to reach a slot, the pinned items are the last ones, in the order of their slots.

        Parameters
        ----------
        order : ndarray of shape (rows,), int64
            Rows that no pin takes, best first.
        first
            Position of the first slot of the page, over all pages.
        n
            Number of slots of the page.
        """
        if not len(self):
            return order[:n]
        found, used = list[int](), 0
        for row, slot in zip(self.rows.tolist(), self.slots.tolist(), strict=True):
            between = order[used : used + slot - first - len(found)].tolist()
            found += [*between, row]
            used += len(between)
        return np.array([*found, *order[used:].tolist()][:n], np.int64)

    def __repr__(self) -> str:
        return f"Pinned({dict(zip(self.slots.tolist(), self.rows.tolist(), strict=True))})"


NO_PINS = Pinned()
"""No pin takes an item."""


def pin_slots(rules: Sequence[Rule]) -> list[tuple[int, Rule]]:
    """Return the pins among some rules, in their order, each with its slot: of pins that name one slot, the later rule has it.

    The earlier ones have the next slots that no later rule names.

    Examples
    --------
    >>> pins = [Rule(name=name, when="price < 9", action="pin", slot=slot) for name, slot in (("a", 2), ("b", 2), ("c", 3))]
    >>> [(slot, rule.name) for slot, rule in pin_slots(pins)]
    [(4, 'a'), (2, 'b'), (3, 'c')]
    """
    taken: dict[int, Rule] = {}
    for rule in reversed(rules):
        if rule.action == "pin":
            slot = rule.slot
            while slot in taken:
                slot += 1
            taken[slot] = rule
    slots = {id(rule): slot for slot, rule in taken.items()}
    return [(slots[id(rule)], rule) for rule in rules if id(rule) in slots]


def named_items(rules: Sequence[Rule], masks: RuleMasks) -> tuple[tuple[int, NDArray[np.int64]], ...]:
    """Return the slot of each pin that at most `MOST_PINNED` items meet, and their codes. Pins that read a request that `masks` does not have are left out."""
    readable = [(slot, rule) for slot, rule in pin_slots(rules) if masks.values or not masks.uses(rule)]
    found = [(slot, np.flatnonzero(masks.mask(rule))) for slot, rule in readable]
    return tuple((slot, items) for slot, items in found if len(items) <= MOST_PINNED)


def take_pins(
    order: NDArray[np.int64],
    items: NDArray[np.int32],
    pins: Sequence[tuple[int, Rule]],
    mask: RuleMask,
    room: tuple[NDArray[np.int32], Counter[int], int] | None = None,
) -> Pinned:
    """Return the candidates that pins take: each the best one that meets its condition, and that no earlier rule has.

    A pin without such a candidate has no effect.

    Parameters
    ----------
    order : ndarray of shape (pool,), int64
        Rows of candidates by utility, best first: not by diversity, which depends on the length of a slate.
    items : ndarray of shape (rows,), int32
        Item codes by the rows that `order` names.
    pins
        The pins whose slots are still to come (`pin_slots`).
    mask
        Returns the items that a rule matches.
    room
        With a limit a provider: provider codes by the rows that `order` names, how many items of each were shown, and the limit. A pin takes no
        item beyond it. The items of pins count before those of other slots.
    """
    found = list[tuple[int, int]]()
    for slot, rule in pins:
        matches = order[mask(rule)[items[order]] & ~np.isin(order, [row for _, row in found])]
        if room is not None:
            provider, held, cap = room
            full = [own for own, count in held.items() if own >= 0 and count >= cap]
            matches = matches[~np.isin(provider[matches], full)]
        if len(matches):
            found.append((slot, int(matches[0])))
            if room is not None:
                room[1][int(room[0][matches[0]])] += 1
    found.sort()
    return Pinned(
        np.array([row for _, row in found], np.int64), np.array([slot for slot, _ in found], np.int64)
    )

"""Reasons: the event of the history that contributes most to an item's score, as a sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.run import ScoredBatch
from shortlist.data.histories import Histories
from shortlist.data.no_time import NO_TIME
from shortlist.data.texts import Texts

NEW = 14 * 86_400_000
"""Age up to which an item is new, ms."""
VERBS = {
    "play": "watched",
    "watch": "watched",
    "view": "looked at",
    "click": "clicked",
    "purchase": "bought",
    "buy": "bought",
    "cart": "put in your basket",
    "install": "installed",
    "retained": "use",
    "rating": "rated",
    "like": "liked",
    "listen": "listened to",
}


def reasons(
    scored: ScoredBatch,
    owner: NDArray[np.int64],
    items: NDArray[np.int32],
    kinds: list[str],
    sources: list[dict[str, int]],
) -> list[str]:
    """One sentence an item.

    Retrievers are tried in the order of the project; the first one in which an event contributes to the item decides.

    Parameters
    ----------
    scored
        The batch the items belong to.
    owner
        int64 (items,), ascending: the request each item is for.
    items
        int32 (items,): item codes.
    kinds
        Names of the event kinds, by code.
    sources
        For each item, the retrievers that proposed it.
    """
    requests, titles = scored.encoded.requests, scored.catalogue.items.titles
    h = requests.histories
    strongest = np.full(len(items), -1, np.int64)
    for retriever in scored.catalogue.retrievers.values():
        left = np.flatnonzero(strongest < 0)
        if not len(left):
            break
        strongest[left] = retriever.strongest(requests, owner[left], items[left])
    because = _because(strongest, h, kinds, titles)
    if len(because) and strongest.min() >= 0:  # a long list, as a rule: each item is explained by an event
        return [because[event] for event in strongest.tolist()]
    popular = {name for name, r in scored.catalogue.retrievers.items() if r.name == "popular"}
    seen, moment = scored.catalogue.first_seen, int(requests.moments.max(initial=0))
    return [
        because[event]
        if event >= 0
        else _without_event(proposed, popular)
        if proposed
        else _without_source(int(seen[item]), moment)
        for event, proposed, item in zip(strongest.tolist(), sources, items.tolist(), strict=True)
    ]


def _because(
    strongest: NDArray[np.int64], histories: Histories, kinds: list[str], titles: Texts
) -> dict[int, str]:
    """The sentence of each event that explains an item; few events explain the many items of a long list."""
    events = [event for event in set(strongest.tolist()) if event >= 0]
    verbs = [VERBS.get(kind, "chose") for kind in kinds]
    of_kind, about = histories.kind[events].tolist(), titles.some(histories.item[events])
    return {
        event: f"Because you {verbs[kind]} {title}"
        for event, kind, title in zip(events, of_kind, about, strict=True)
    }


def _without_source(seen: int, moment: int) -> str:
    """The sentence of an item that no source proposed: a new one, or one that a pin or a strict filter put there. `seen`: since when it is known, ms."""
    return "New here" if seen == NO_TIME or moment - seen < NEW else "Picked for you"


def _without_event(proposed: dict[str, int], popular: set[str]) -> str:
    """The sentence of an item that no event explains."""
    return "New for you" if popular.isdisjoint(proposed) else "Popular right now"

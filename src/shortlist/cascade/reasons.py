"""Reasons: the event of the history that contributes most to an item's score, as a sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.run import ScoredBatch

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
    popular = {name for name, r in scored.catalogue.retrievers.items() if r.name == "popular"}
    because: dict[int, str] = {}  # few events explain many items of a long list
    sentences = []
    for event, proposed in zip(strongest.tolist(), sources, strict=True):
        if event >= 0:
            sentence = because.get(event)
            if sentence is None:
                verb = VERBS.get(kinds[int(h.kind[event])], "chose")
                sentence = because[event] = f"Because you {verb} {titles[int(h.item[event])]}"
            sentences.append(sentence)
        elif not proposed:
            sentences.append("New here")
        else:
            sentences.append("New for you" if popular.isdisjoint(proposed) else "Popular right now")
    return sentences

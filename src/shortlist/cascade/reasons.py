"""Reasons: why an item is on a slate, from the event of the history that spoke most strongly for it."""

from __future__ import annotations

import numpy as np

from shortlist.data.texts import Texts
from shortlist.retrieve import Requests, Retriever

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
    retrievers: dict[str, Retriever],
    requests: Requests,
    owner: np.ndarray,
    items: np.ndarray,
    titles: Texts,
    kinds: list[str],
    sources: list[dict[str, int]],
) -> list[str]:
    """One sentence an item. owner int (m,), rising: the request that each item is for. Models are asked in the project's order; the
    first whose strongest event has weight wins.
    """
    h = requests.histories
    spoke = np.full(len(items), -1, np.int64)
    for retriever in retrievers.values():
        left = np.flatnonzero(spoke < 0)
        if not len(left):
            break
        spoke[left] = retriever.strongest(requests, owner[left], items[left])
    popular = {name for name, r in retrievers.items() if r.name == "popular"}
    there = spoke >= 0
    events = spoke[there]
    because = zip(h.kind[events].tolist(), titles.some(h.item[events]), strict=True)
    said = []
    for spoken, found in zip(there.tolist(), sources, strict=True):
        if spoken:
            kind, title = next(because)
            said.append(f"Because you {VERBS.get(kinds[kind], 'chose')} {title}")
        elif not found:
            said.append("New here")
        else:
            said.append("New for you" if popular.isdisjoint(found) else "Popular right now")
    return said

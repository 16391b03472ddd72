"""Reasons: why an item is on a slate, from the event of the history that spoke most strongly for it."""

from __future__ import annotations

import numpy as np

from shortlist.retrieve.base import Requests, Retriever

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
    row: int,
    items: np.ndarray,
    titles: list[str],
    kinds: list[str],
    sources: list[dict[str, int]],
) -> list[str]:
    """One sentence an item. Models are asked in the project's order; the first whose strongest event has weight wins."""
    answers: list[str | None] = [None] * len(items)
    h = requests.histories
    events = np.arange(int(h.indptr[row]), int(h.indptr[row + 1]))
    if len(events) and len(items):
        for retriever in retrievers.values():
            shares = retriever.explain(requests, row, items)
            if shares is None:
                continue
            best = shares.argmax(1)
            for at, event in enumerate(best.tolist()):
                if answers[at] is None and shares[at, event] > 0:
                    verb = VERBS.get(kinds[h.kind[events[event]]], "chose")
                    answers[at] = f"Because you {verb} {titles[h.item[events[event]]]}"
            if all(answers):
                break
    popular = [name for name, r in retrievers.items() if r.name == "popular"]
    return [
        a or ("New here" if not s else "Popular right now" if any(p in s for p in popular) else "New for you")
        for a, s in zip(answers, sources, strict=True)
    ]

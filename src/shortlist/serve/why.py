"""Why is an item not on somebody's slate? It is followed through the stages, to the one that lost it."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.errors import RequestError
from shortlist.recommender import Recommender
from shortlist.retrieve.fusion.blend import blend

DEEP = 10_000


def why_not(recommender: Recommender, item: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """`stage` that decided, a `sentence`, and the `steps` in order, each with whether the item passed and what was seen.

    wanted: the arguments of `recommend`. Raises `RequestError` for an item that the catalogue does not have.
    """
    code = recommender.dataset.items.ids.code(item)
    if code < 0:
        raise RequestError(f"item: the catalogue has no item {item!r}", field="item")
    title = recommender.dataset.items.titles[code]
    steps: list[dict[str, Any]] = []

    def step(stage: str, passed: bool, sentence: str) -> None:
        steps.append({"stage": stage, "passed": passed, "sentence": sentence})

    def verdict() -> dict[str, Any]:
        last = steps[-1]
        return {
            "item": recommender.dataset.items.ids.id(code),
            "title": title,
            "shown": bool(last["passed"]),
            "stage": last["stage"],
            "sentence": last["sentence"],
            "steps": steps,
        }

    if recommender.retired[code]:
        step("catalogue", False, "It was retired from the catalogue.")
        return verdict()
    step("catalogue", True, "It is in the catalogue.")
    user, n = wanted.get("user"), wanted.get("n") or 10
    stock = recommender.project.rerank.in_stock
    if stock and recommender.dataset.items.attributes[stock].values[code] == 0:
        step("rules", False, f"It is out of stock: its {stock} is 0.")
        return verdict()
    hidden = recommender.arrange.hidden_by(code)
    if hidden is not None:
        step("rules", False, f"The rule {hidden!r} hides it.")
        return verdict()
    for name, rule in (wanted.get("filters") or {}).items():
        mask = recommender.allowed({name: rule})
        if mask is not None and not mask[code]:
            step("rules", False, f"The filter on {name} takes it out.")
            return verdict()
    step("rules", True, "No rule or filter takes it out.")
    allowed = recommender.allowed(wanted.get("filters"))
    codes, requests, whole, _ = recommender.asker.requests(
        [user], wanted.get("history"), wanted.get("context"), allowed, recommender.now()
    )
    if requests.excluded is not None and code in requests.excluded:
        step("history", False, "It is in the person's own history, and what was seen is not shown again.")
        return verdict()
    step("history", True, "The person has not had it yet.")
    k = recommender.project.retrieve.candidates
    deep = min(DEEP, len(recommender.dataset.items))
    ranks = {}
    for name, retriever in recommender.retrievers.items():
        found = np.flatnonzero(retriever.retrieve(requests, deep).item[0] == code)
        if len(found):
            ranks[name] = int(found[0])
    told = ", ".join(f"{name} at place {rank + 1:,}" for name, rank in ranks.items())
    blended = blend(recommender.retrievers, requests, k, recommender.must(requests))
    if code not in blended.item[0]:
        step(
            "retrieve",
            False,
            f"It is not among the {k:,} candidates. "
            + (f"Sources would propose it: {told}." if ranks else "No source proposes it for this history."),
        )
        return verdict()
    step("retrieve", True, f"It is a candidate, proposed by {told or 'no source alone'}.")
    rows, _, predictions = recommender.rank(codes, requests, whole, wanted.get("context"))
    wish = recommender.wish(wanted.get("weights"), wanted.get("combine"), wanted.get("at_least"))
    utility = wish.guarded(wish.utility(predictions), predictions, n)
    at = int(np.flatnonzero(rows.item == code)[0])
    place = int((utility > utility[at]).sum())
    names = list(recommender.project.objectives)
    said = ", ".join(f"{name} {predictions[at, j]:.3g}" for j, name in enumerate(names))
    line = float(np.sort(utility)[::-1][min(n, len(utility)) - 1])
    slate = recommender.recommend(**{**wanted, "explore": 0.0, "seed": None})
    if any(r.item == recommender.dataset.items.ids.id(code) for r in slate.items):
        step("rank", True, f"It is ranked {place + 1:,} of {len(utility):,} by utility ({said}).")
        step("slate", True, "It is on the slate.")
    elif place >= n:
        step(
            "rank",
            False,
            f"It is ranked {place + 1:,} of {len(utility):,} by utility: {utility[at]:.3g}, and the slate begins at "
            f"{line:.3g} ({said}).",
        )
    else:
        step("rank", True, f"It is ranked {place + 1:,} of {len(utility):,} by utility ({said}).")
        step("rerank", False, "Diversity, freshness or exposure put others before it.")
    return verdict()

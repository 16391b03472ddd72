"""Why an item is not on a user's slate: it is followed through the stages, to the one that dropped it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shortlist.cascade.encode import ResolvedRequest
from shortlist.cascade.model import Model
from shortlist.cascade.run import Cascade, ScoredBatch, guarded, rerank
from shortlist.cascade.state import LiveState
from shortlist.data.attributes import NumberAttribute
from shortlist.errors import RequestError, abbreviated
from shortlist.requests import RecommendRequest

DEPTH = 10_000
"""How far down a source's own list the item is looked for."""


@dataclass
class _Trail:
    """The steps of one item through the cascade."""

    item: Any
    title: str
    steps: list[dict[str, Any]] = field(default_factory=list)

    def step(self, stage: str, sentence: str, passed: bool = True) -> None:
        self.steps.append({"stage": stage, "passed": passed, "sentence": sentence})

    def answer(self) -> dict[str, Any]:
        last = self.steps[-1]
        return {
            "item": self.item,
            "title": self.title,
            "shown": bool(last["passed"]),
            "stage": last["stage"],
            "sentence": last["sentence"],
            "steps": self.steps,
        }


def why_not(model: Model, state: LiveState, item: Any, request: RecommendRequest) -> dict[str, Any]:
    """Follow an item through the stages of a request.

    Returns
    -------
    The `stage` that decided, a `sentence`, and the `steps` in order, each with whether the item passed and what was
    found. Raises `RequestError` for an item that is not in the catalogue.
    """
    catalogue = state.catalogue
    code = catalogue.items.ids.code(item)
    if code < 0:
        raise RequestError(f"item: the catalogue has no item {abbreviated(item)}", field="item")
    trail = _Trail(catalogue.items.ids.id(code), catalogue.items.titles[code])
    # exploration would make the answer a matter of chance
    resolved = Cascade.resolve(model, state, [replace(request, explore=0.0, seed=None)])
    if _dropped_by_rules(trail, model, resolved[0], code):
        return trail.answer()
    scored = Cascade.score(model, state, resolved)
    if _dropped_by_retrieval(trail, model, scored, code):
        return trail.answer()
    _ranking(trail, model, state, scored, code)
    return trail.answer()


def _dropped_by_rules(trail: _Trail, model: Model, resolved: ResolvedRequest, code: int) -> bool:
    catalogue, filters = resolved.catalogue, resolved.request.filters
    if catalogue.retired[code]:
        trail.step("catalogue", "It was retired from the catalogue.", False)
        return True
    trail.step("catalogue", "It is in the catalogue.")
    stock = model.project.rerank.in_stock
    if stock and catalogue.items.attribute(stock, NumberAttribute).values[code] == 0:
        trail.step("rules", f"It is out of stock: its {stock} is 0.", False)
        return True
    hidden = resolved.pipeline.hidden_by(code)
    if hidden is not None:
        trail.step("rules", f"The rule {hidden!r} hides it.", False)
        return True
    for words, allowed in catalogue.conditions.parts(filters or {}, resolved.values):
        if allowed is not None and not allowed[code]:
            trail.step("rules", f"The filter {words} excludes it.", False)
            return True
    trail.step("rules", "No rule or filter excludes it.")
    if code in resolved.earlier.items:
        trail.step("page", "It is on an earlier page.", False)
        return True
    return False


def _dropped_by_retrieval(trail: _Trail, model: Model, scored: ScoredBatch, code: int) -> bool:
    requests = scored.encoded.requests
    if requests.excluded is not None and code in requests.excluded:
        trail.step(
            "history", "It is in the user's history, and items of the history are not shown again.", False
        )
        return True
    trail.step("history", "The user has not had it yet.")
    depth = min(DEPTH, len(scored.catalogue.items))
    ranks = {}
    for name, retriever in scored.catalogue.retrievers.items():
        found = np.flatnonzero(retriever.retrieve(requests, depth).item[0] == code)
        if len(found):
            ranks[name] = int(found[0])
    proposed = ", ".join(f"{name} at place {rank + 1:,}" for name, rank in ranks.items())
    if code in scored.rows.item:
        trail.step("retrieve", f"It is a candidate, proposed by {proposed or 'no source alone'}.")
        return False
    k = model.project.retrieve.candidates
    others = f"Sources would propose it: {proposed}." if ranks else "No source proposes it for this history."
    trail.step("retrieve", f"It is not among the {k:,} candidates. {others}", False)
    return True


def _ranking(trail: _Trail, model: Model, state: LiveState, scored: ScoredBatch, code: int) -> None:
    resolved = scored.requests[0]
    n = resolved.request.size
    utility, earlier = guarded(scored, 0)
    at = int(np.flatnonzero(scored.rows.item == code)[0])
    place = int((utility > utility[at]).sum())
    predicted = ", ".join(
        f"{name} {scored.predictions[at, j]:.3g}" for j, name in enumerate(model.objectives)
    )
    threshold = float(np.sort(utility)[::-1][min(n, len(utility)) - 1])
    with state.reading(resolved.moment):
        slate = rerank(model, state, scored, 0)
    ranked = f"It is ranked {place + 1:,} of {len(utility):,} by utility"
    if at in slate.chosen:
        trail.step("rank", f"{ranked} ({predicted}).")
        trail.step("slate", "It is on the slate.")
    elif (
        at
        in (
            pins := resolved.pipeline.taken_by_pins(
                scored.rows.item, utility, resolved.moment, resolved.strengths, earlier
            )
        ).rows
    ):
        slot = int(pins.slots[pins.rows == at][0])
        trail.step("rank", f"{ranked} ({predicted}).")
        trail.step("rerank", f"A pin keeps it for slot {slot}, counted from 0 over all pages.", False)
    elif place >= n:
        trail.step(
            "rank",
            f"{ranked}: {utility[at]:.3g}, and the slate begins at {threshold:.3g} ({predicted}).",
            False,
        )
    else:
        trail.step("rank", f"{ranked} ({predicted}).")
        trail.step("rerank", "Diversity, freshness or exposure put others before it.", False)

"""What re-ranking costs: the price of each rule in predicted utility, and what other settings would change.

A slate that is diverse, fair or pinned is worth less by the ranker's own numbers than the best one by utility alone; how much less is the price,
and whoever asks for a rule should know it. Each part of the settings is taken out by itself, everything else stays, and the same people's
slates are made with and without it: price = (utility without − utility with) / utility without. It is what the ranker predicts
for one slate: what a rule brings in the long run (people who are not bored) is not in it, which experiments and `shortlist simulate` tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shortlist.cascade.inspect import candidates
from shortlist.config.rerank import RerankSettings
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.recommender import Recommender
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.strengths import RerankStrengths

DRAWS = 500
Part = tuple[str, RerankSettings, RerankStrengths]


@dataclass(frozen=True)
class RerankCost:
    """`price`: the share of a slate's predicted utility that one part of the settings costs; `changed`: the share of slates that it changes."""

    part: str
    price: Estimate
    changed: float

    def to_json(self) -> dict[str, Any]:
        return {"part": self.part, "price": self.price.to_json(), "changed": self.changed}


@dataclass
class RerankPreview:
    """What other re-ranking settings would do to the same people's slates: `changed`, the share of slates with other items; `price`, of all
    of it; `gains` and `losses`: items that would be on more or fewer slates, by how many; `parts`: the price of each part of the new settings.
    """

    people: int
    changed: float
    price: Estimate
    gains: list[tuple[str, int]]
    losses: list[tuple[str, int]]
    parts: list[RerankCost] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "people": self.people,
            "changed": self.changed,
            "price": self.price.to_json(),
            "gains": [{"title": title, "slates": n} for title, n in self.gains],
            "losses": [{"title": title, "slates": n} for title, n in self.losses],
            "parts": [p.to_json() for p in self.parts],
        }


def strengths_of(settings: RerankSettings) -> RerankStrengths:
    """What the settings ask of a request that says nothing itself; without chance."""
    return RerankStrengths(settings.diversity, settings.freshness, settings.calibration)


def rerank_parts(settings: RerankSettings) -> list[Part]:
    """Each part that is in force: its name, and the settings and strengths without it."""
    strengths = strengths_of(settings)
    parts: list[Part] = []
    for name in ("diversity", "freshness", "calibration"):
        if getattr(strengths, name) > 0 and not (name == "diversity" and strengths.calibration > 0):
            parts.append((name, settings, replace(strengths, **{name: 0.0})))
    if settings.exposure_by is not None and settings.exposure_cap is not None:
        parts.append(("exposure cap", settings.model_copy(update={"exposure_cap": None}), strengths))
    for at, fair in enumerate(settings.fair):
        rest = [f for n, f in enumerate(settings.fair) if n != at]
        parts.append(
            (f"fair share: {', '.join(fair.values)}", settings.model_copy(update={"fair": rest}), strengths)
        )
    for rule in settings.rules:
        rest_of = [r for r in settings.rules if r is not rule]
        parts.append((f"rule: {rule.name}", settings.model_copy(update={"rules": rest_of}), strengths))
    return parts


def rerank_costs(
    recommender: Recommender, people: Sequence[Any], n: int = 10, seed: int = 0
) -> list[RerankCost]:
    """The price of every part of the recommender's own settings, for some people now."""
    settings = recommender.project.rerank
    return _prices(_Slates(recommender, people, n), recommender.state.catalogue.pipeline, settings, seed)


def preview_rerank(
    recommender: Recommender, settings: RerankSettings, people: Sequence[Any], n: int = 10, seed: int = 0
) -> RerankPreview:
    """A dry run: what these settings would change. Nothing is served with them. Raises `RequestError` where a rule names an attribute
    that there is not.
    """
    made = _Slates(recommender, people, n)
    old, old_worth = made.under(
        recommender.state.catalogue.pipeline, strengths_of(recommender.project.rerank)
    )
    arrange = recommender.state.catalogue.pipeline.with_settings(settings)
    new, new_worth = made.under(arrange, strengths_of(settings))
    titles = recommender.dataset.items.titles
    moved = made.counts(new) - made.counts(old)
    order = np.argsort(-moved, kind="stable")
    gains = [(titles[i], int(moved[i])) for i in order[:10].tolist() if moved[i] > 0]
    losses = [(titles[i], int(moved[i])) for i in order[::-1][:10].tolist() if moved[i] < 0]
    changed = (
        float(np.mean([set(a.tolist()) != set(b.tolist()) for a, b in zip(old, new, strict=True)]))
        if len(old)
        else 0.0
    )
    return RerankPreview(
        len(people),
        changed,
        _share(old_worth, new_worth, seed),
        gains,
        losses,
        _prices(made, arrange, settings, seed),
    )


def _prices(made: _Slates, arrange: RerankPipeline, settings: RerankSettings, seed: int) -> list[RerankCost]:
    own, worth = made.under(arrange, strengths_of(settings))
    found = []
    for name, without, strengths in rerank_parts(settings):
        other, better = made.under(arrange.with_settings(without), strengths)
        changed = np.mean([a.tolist() != b.tolist() for a, b in zip(own, other, strict=True)]) if own else 0.0
        found.append(RerankCost(name, _share(better, worth, seed), float(changed)))
    return found


def _share(without: np.ndarray, with_: np.ndarray, seed: int) -> Estimate:
    """The mean loss as a share of the mean utility without, with an interval over people."""
    if not len(without):
        return Estimate(0.0, 0.0, 0.0)
    scale = float(np.mean(np.abs(without))) or 1.0
    return bootstrap((without - with_) / scale, DRAWS, seed)


class _Slates:
    """Candidates of some people, ranked once, to be arranged in many ways."""

    def __init__(self, recommender: Recommender, people: Sequence[Any], n: int) -> None:
        self.n, self.moment = n, recommender.now()
        self.items: list[np.ndarray] = []
        self.utility: list[np.ndarray] = []
        self.tastes: list[np.ndarray | None] = []
        self.n_items = len(recommender.dataset.items)
        for batch in candidates(recommender.model, recommender.state, people, now=self.moment):
            histories = batch.encoded.requests.histories
            for row, resolved in enumerate(batch.requests):
                part = batch.of(row)
                low, high = histories.indptr[row : row + 2]
                self.items.append(batch.rows.item[part])
                self.utility.append(resolved.utility.guarded(batch.utility[part], batch.predictions[part], n))
                self.tastes.append(histories.item[low:high])

    def under(
        self, arrange: RerankPipeline, strengths: RerankStrengths
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Each person's slate as item codes, and the utility of it, float64 (people,)."""
        slates, worth = [], np.zeros(len(self.items))
        for at, (items, utility, history) in enumerate(
            zip(self.items, self.utility, self.tastes, strict=True)
        ):
            taste = arrange.taste(history) if strengths.calibration > 0 and history is not None else None
            order = arrange.rerank(items, utility, self.n, self.moment, strengths, taste)
            slates.append(items[order])
            worth[at] = utility[order].sum()
        return slates, worth

    def counts(self, slates: list[np.ndarray]) -> np.ndarray:
        """How many slates each item is on."""
        return np.bincount(
            np.concatenate(slates) if slates else np.empty(0, np.int64), minlength=self.n_items
        )

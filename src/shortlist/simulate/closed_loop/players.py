"""Who plays in the closed loop: recommenders that are trained on what they themselves have brought about, and answer day by day."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.cascade.encode import Asker
from shortlist.cascade.people import Event, People
from shortlist.config.base import IMPRESSION
from shortlist.config.project import parse_project
from shortlist.data.dataset import Dataset
from shortlist.recommender import Recommender
from shortlist.rerank.filters import allowed_items
from shortlist.retrieve import MODELS, Popular
from shortlist.retrieve.base import Candidates, Requests, best
from shortlist.simulate.world import World
from shortlist.store.event_store import StoredEvent

BATCH = 128


@dataclass(frozen=True)
class Asked:
    """One day's requests: `ids` of people, `contexts` as a client would say them, `moment` ms, `seed` of whatever is drawn."""

    ids: list[Any]
    contexts: list[dict[str, Any]] | None
    moment: int
    seed: int


class Player(ABC):
    """`learn` from a log, `answer` with item ids and their chances, `hear` of what happened."""

    @abstractmethod
    def learn(self, dataset: Dataset) -> None: ...

    @abstractmethod
    def answer(self, asked: Asked, n: int) -> tuple[list[list[Any]], list[list[float]]]: ...

    @abstractmethod
    def hear(self, events: list[StoredEvent]) -> None: ...


@dataclass
class Cascade(Player):
    """The whole recommender. `change`: what is different from the world's own project, by section; `wish`: as for `recommend`."""

    world: World
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    wish: dict[str, Any] = field(default_factory=dict)

    def learn(self, dataset: Dataset) -> None:
        settings = dict(self.world.settings)
        for section, values in self.change.items():
            settings[section] = {**settings.get(section, {}), **values}
        self.recommender = Recommender(parse_project(settings, f"the {self.world.name} world")).fit(dataset)

    def answer(self, asked: Asked, n: int) -> tuple[list[list[Any]], list[list[float]]]:
        items, chances = [], []
        for start in range(0, len(asked.ids), BATCH):
            some = slice(start, start + BATCH)
            slates = self.recommender.recommend(
                users=asked.ids[some],
                n=n,
                context=None if asked.contexts is None else asked.contexts[some],
                now=asked.moment,
                seed=asked.seed + start,
                **self.wish,
            )
            for slate in slates:
                items.append([r.item for r in slate.items])
                chances.append([r.propensity for r in slate.items])
                self.recommender.showed(slate)
        return items, chances

    def hear(self, events: list[StoredEvent]) -> None:
        self.recommender.observe_many(events)


@dataclass
class Alone(Player):
    """One retriever; where it knows nothing of somebody, the popular. `model` None: anything, at random."""

    model: dict[str, Any] | None

    def learn(self, dataset: Dataset) -> None:
        self.dataset, self.people = dataset, People(dataset.histories)
        self.asker = Asker(dataset, self.people)
        self.popular = Popular().fit(dataset)
        self.retriever = None
        if self.model is not None:
            settings = dict(self.model)
            self.retriever = MODELS[settings.pop("model")](**settings).fit(dataset)
        self.allowed = allowed_items(dataset.items, None, dataset.project.rerank.in_stock)

    def answer(self, asked: Asked, n: int) -> tuple[list[list[Any]], list[list[float]]]:
        rng, lists = np.random.default_rng([asked.seed, 3]), []
        for start in range(0, len(asked.ids), BATCH):
            people = asked.ids[start : start + BATCH]
            requests = self.asker.requests(people, None, None, self.allowed, asked.moment)[1]
            lists += self._found(requests, n, rng).item.tolist()
        ids = self.dataset.items.ids
        items = [[ids.id(code) for code in line if code >= 0] for line in lists]
        return items, [[1.0] * len(line) for line in items]

    def _found(self, requests: Requests, n: int, rng: np.random.Generator) -> Candidates:
        if self.retriever is None:
            return best(rng.random((len(requests), len(self.dataset.items)), dtype=np.float32), requests, n)
        found, usual = self.retriever.retrieve(requests, n), self.popular.retrieve(requests, n)
        empty = found.item[:, 0] < 0
        item = np.full((len(requests), n), -1, np.int32)
        item[:, : found.item.shape[1]] = found.item
        item[empty, : usual.item.shape[1]] = usual.item[empty]
        return Candidates(item, np.zeros(item.shape, np.float32))

    def hear(self, events: list[StoredEvent]) -> None:
        ids, kinds = self.dataset.items.ids, self.dataset.log.kinds
        for e in events:
            code = ids.code(e.item)
            if e.kind != IMPRESSION and code >= 0:
                value = float("nan") if e.value is None else e.value
                self.people.add(e.user, Event(code, e.time, kinds.index(e.kind), value))


Make = Callable[[World], Player]


def players(world: World) -> dict[str, tuple[str, Make]]:
    """Name → what it does, and how it is made: the recipe, what it must beat, and what shows which part of it does what."""
    sources = world.settings["retrieve"]["sources"]
    als = next(source for source in sources if source["model"] == "als")
    found: dict[str, tuple[str, Make]] = {
        "recipe": ("the world's project as it is", Cascade),
        "nothing new tried": (
            "the recipe without a first audience for new items, and without any other chance",
            lambda w: Cascade(w, {"rerank": {"new_items": {"share": 0.0}, "explore": 0.0}}),
        ),
    }
    objectives = world.settings["objectives"]
    first = next(iter(objectives))
    if sum(o.get("weight", 1.0) > 0 for o in objectives.values()) > 1 and world.audience is not None:
        chosen = world.audience.kinds[0]
        found[f"{chosen}s only"] = (
            f"the recipe with all weight on {first}: what a {chosen}-maximiser does",
            lambda w: Cascade(w, wish={"weights": {name: float(name == first) for name in objectives}}),
        )
    found |= {
        "als alone": ("matrix factorisation by itself", lambda w: Alone(dict(als))),
        "popular": ("what most people took", lambda w: Alone({"model": "popular"})),
        "random": ("anything", lambda w: Alone(None)),
    }
    return found

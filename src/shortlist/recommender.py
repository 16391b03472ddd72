"""The recommender: retrieve → rank → re-rank, joined.

    recommender = shortlist.Recommender.from_project("shortlist.toml").fit(dataset)
    recommender.recommend(user="u42", n=10)
    recommender.save("bundle/")

Training follows the log in time: retrievers learn from the past, the ranker from what came after it, calibration from
what came after that; then the retrievers are refitted on everything and the ranker is kept (it sees sources as ranks
and normalised scores, which refitting does not move).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

import shortlist
from shortlist.bundle import read_manifest, write_bundle
from shortlist.data.attributes import Attribute, encode
from shortlist.data.dataset import Dataset, Progress, silent
from shortlist.data.histories import Histories
from shortlist.data.saved import load_dataset, save_dataset
from shortlist.data.times import NO_TIME
from shortlist.errors import BundleError, RequestError
from shortlist.features.matrix import FeatureSet, Rows
from shortlist.people import Event, People, joined
from shortlist.project import IMPRESSION, Project, parse_project, read_project
from shortlist.rank.profile import Profile
from shortlist.rank.trees import TreeRanker
from shortlist.rank.weigh import read_weights, weigh
from shortlist.reasons import reasons
from shortlist.rerank.arrange import Arranger
from shortlist.rerank.rules import allowed_items
from shortlist.retrieve import ALS, MODELS, Requests, Retriever, make_retrievers
from shortlist.retrieve.base import EventWeights
from shortlist.retrieve.blend import blend
from shortlist.slate import Recommendation, Slate, Slates
from shortlist.training import train_stages

MAX_N = 200
"""The longest slate that is made."""
BATCH = 128


class Recommender:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.retrievers: dict[str, Retriever] = make_retrievers(project.retrieve.sources)
        self.version = ""

    dataset: Dataset
    features: FeatureSet
    ranker: TreeRanker
    profile: Profile
    scales: np.ndarray
    """float64 (objectives,): the mean prediction of each, which makes weights comparable."""

    @classmethod
    def from_project(cls, project: str | Path | Project | dict[str, Any]) -> Self:
        """From a project file, parsed settings, or a dictionary of them."""
        if isinstance(project, dict):
            project = parse_project(project)
        return cls(project if isinstance(project, Project) else read_project(project))

    # ---------------------------------------------------------------- training

    def fit(self, dataset: Dataset, progress: Progress = silent, earlier: Recommender | None = None) -> Self:
        """Train on a data set. Raises `DataError` where it is too short or an objective never happens.

        earlier: a recommender trained before, whose factors the final fit begins from where a source of the same name can.
        """
        dataset = replace(dataset, project=self.project)
        where = None
        if earlier is not None:
            where = earlier.dataset.items.ids.codes(dataset.items.ids.values.to_pylist())
        trained = train_stages(
            self.retrievers,
            dataset,
            progress,
            earlier.retrievers if earlier else None,
            where,
            earlier.ranker if earlier else None,
        )
        self.profile = trained.profile
        self.ranker, self.scales, self.version = trained.ranker, trained.scales, trained.version
        self._ready(dataset, trained.priors)
        return self

    def _ready(self, dataset: Dataset, priors: dict[str, float]) -> None:
        """Everything a request needs, from the data set: counters, histories, the clock."""
        self.dataset = dataset
        self.features = FeatureSet(dataset, priors)
        self.counts = self.features.counters(dataset)
        self.people = People(dataset.histories)
        self.event_weights = EventWeights.of(self.project.retrieve, dataset.log)
        self.default_kind = dataset.log.kinds.index(next(iter(self.project.objectives.values())).events[0])
        born = np.full(len(dataset.items), np.iinfo(np.int64).max)
        np.minimum.at(born, dataset.log.item, dataset.log.time)
        by = self.project.rerank.freshness_by
        self.born = (
            dataset.items.attributes[by].times
            if by
            else np.where(born == np.iinfo(np.int64).max, NO_TIME, born)
        )
        factors = next((r.items for r in self.retrievers.values() if isinstance(r, ALS)), None)
        self.arrange = Arranger(self.project.rerank, dataset.items.attributes, self.born, factors)
        # A log that ended long ago (a public data set, a world) keeps its own clock: "the last 7 days" means its last
        end, now = int(dataset.log.time[-1]) + 1, int(time.time() * 1000)
        self._behind = now - end if now - end > 86_400_000 else 0

    def now(self) -> int:
        """The recommender's clock, ms: real time, or for a log that ended over a day ago, time since its end."""
        return int(time.time() * 1000) - self._behind

    # ---------------------------------------------------------------- requests

    def recommend(
        self,
        user: Any = None,
        n: int = 10,
        *,
        users: Sequence[Any] | None = None,
        history: Sequence[Any] | None = None,
        context: dict[str, Any] | None = None,
        weights: dict[str, float] | None = None,
        filters: dict[str, Any] | None = None,
        diversity: float | None = None,
        freshness: float | None = None,
        now: int | None = None,
    ) -> Any:
        """A `Slate` for one user or history, `Slates` for `users`.

        history: item ids, oldest first; replaces what is known of the user. context: the moment (device, …), and for
        a visitor also user attributes (gender, …). weights: objective → weight, over the project's. filters: see
        `rerank/rules.py`. now: ms since 1970; the recommender's clock without. A user nobody knows is treated as new and
        reported as such. Raises `RequestError` naming the argument that is wrong.
        """
        if users is not None:
            if isinstance(users, (str, bytes)) or user is not None or history is not None:
                raise RequestError(
                    "users: give a list of users, or one user or history, not both", field="users"
                )
            people = list(users)
        else:
            people = [user]
        n, moment = self._check_n(n), self.now() if now is None else now
        chosen = read_weights(weights, {name: o.weight for name, o in self.project.objectives.items()})
        strengths = (
            _share(diversity, self.project.rerank.diversity, "diversity", 1.0),
            _share(freshness, self.project.rerank.freshness, "freshness", 10.0),
        )
        allowed = allowed_items(self.dataset.items, filters, self.project.rerank.in_stock)
        slates: list[Slate] = []
        for start in range(0, len(people), BATCH):
            slates += self._batch(
                people[start : start + BATCH], history, context, n, chosen, allowed, strengths, moment
            )
        return Slates(slates) if users is not None else slates[0]

    def _check_n(self, n: Any) -> int:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MAX_N:
            raise RequestError(f"n must be a whole number from 1 to {MAX_N} and is {n!r}", field="n")
        return int(n)

    def _batch(
        self,
        people: list[Any],
        history: Sequence[Any] | None,
        context: dict[str, Any] | None,
        n: int,
        weights: np.ndarray,
        allowed: np.ndarray | None,
        strengths: tuple[float, float],
        moment: int,
    ) -> list[Slate]:
        codes, requests, whole, unknown = self._requests(people, history, context, allowed, moment)
        rows, predictions = self._rank(codes, requests, whole, context)
        bounds = np.searchsorted(rows.request, np.arange(len(people) + 1))
        utility = weigh(predictions, weights, self.scales)
        slates = []
        for row, person in enumerate(people):
            part = slice(int(bounds[row]), int(bounds[row + 1]))
            items = rows.item[part]
            order = self.arrange(items, utility[part], n, moment, *strengths)
            taken = items[order]
            sources = [
                {
                    name: int(rank)
                    for name, rank in zip(rows.sources, rows.ranks[part][at], strict=True)
                    if not np.isnan(rank)
                }
                for at in order.tolist()
            ]
            why = reasons(
                self.retrievers,
                requests,
                row,
                taken,
                self.dataset.items.titles,
                self.dataset.log.kinds,
                sources,
            )
            slates.append(
                Slate(
                    uuid.uuid4().hex,
                    person,
                    bool(codes[row] >= 0) or self.people.knows(self.dataset.users.ids.own(person)),
                    [
                        Recommendation(
                            self.dataset.items.ids.id(int(item)),
                            self.dataset.items.titles[item],
                            float(utility[part][at]),
                            {
                                name: float(p)
                                for name, p in zip(
                                    self.project.objectives, predictions[part][at], strict=True
                                )
                            },
                            sources[place],
                            why[place],
                        )
                        for place, (item, at) in enumerate(zip(taken.tolist(), order.tolist(), strict=True))
                    ],
                    self.version,
                    unknown,
                )
            )
        return slates

    def _requests(
        self,
        people: list[Any],
        history: Sequence[Any] | None,
        context: dict[str, Any] | None,
        allowed: np.ndarray | None,
        moment: int,
    ) -> tuple[np.ndarray, Requests, Histories, list[Any]]:
        codes = self.dataset.users.ids.codes(people)
        unknown: list[Any] = []
        if history is not None:
            given = self.dataset.items.ids.codes(history)
            unknown = [item for item, code in zip(history, given, strict=True) if code < 0]
            known = given[given >= 0].tolist()
            events = [
                Event(item, moment - 1000 * (len(known) - at), self.default_kind)
                for at, item in enumerate(known)
            ]
            whole = joined(Histories.empty(1), [events])
            codes = np.full(1, -1, np.int32)  # the history given is the whole of what may be used
        else:
            whole = self.people.of(codes, [self.dataset.users.ids.own(person) for person in people])
        recent = whole.last(self.project.retrieve.history)
        attributes = {name: a.take(codes) for name, a in self.dataset.users.attributes.items()}
        attributes |= self._given(context, self.dataset.users.attributes, len(people))
        show = self.project.rerank.show_seen
        indptr, seen = (None, None) if show else (whole.indptr, whole.item)
        moments = np.full(len(people), moment, np.int64)
        requests = Requests(recent, self.event_weights(recent), moments, allowed, indptr, seen, attributes)
        return codes, requests, whole, unknown

    def _given(
        self, context: dict[str, Any] | None, known: dict[str, Attribute], n: int
    ) -> dict[str, Attribute]:
        """What a request says of itself, coded like the attributes it names."""
        found = {}
        for name, value in (context or {}).items():
            if (
                name not in known
                and name not in self.dataset.log.context
                and name not in self.dataset.users.attributes
            ):
                there = [*self.dataset.log.context, *self.dataset.users.attributes]
                raise RequestError(
                    f"context: there is no {name!r}; there are: {', '.join(there) or 'none'}",
                    field=f"context.{name}",
                )
            if name in known:
                if known[name].kind == "number" and (
                    isinstance(value, bool) or not isinstance(value, (int, float))
                ):
                    raise RequestError(
                        f"context.{name} must be a number and is {value!r}", field=f"context.{name}"
                    )
                values = value if known[name].kind != "category" else str(value)
                found[name] = encode(
                    name, known[name].kind, pa.array([values] * n), known[name].vocabulary or None
                )
        return found

    def _rank(
        self, codes: np.ndarray, requests: Requests, whole: Histories, context: dict[str, Any] | None
    ) -> tuple[Rows, np.ndarray]:
        """Candidates of a batch, as feature rows with calibrated predictions."""
        blended = blend(self.retrievers, requests, self.project.retrieve.candidates)
        found = blended.item >= 0
        request = np.repeat(np.arange(len(codes)), found.sum(1))
        rows = Rows(
            codes,
            requests.moments,
            whole,
            request,
            blended.item[found],
            blended.sources,
            blended.ranks[found],
            blended.scores[found],
            requests.attributes,
            self._given(context, self.dataset.log.context, len(codes)),
        )
        matrix = self.features.live(rows, self.counts)
        return (
            rows,
            self.ranker.predict(matrix)
            if len(matrix)
            else np.empty((0, len(self.project.objectives)), np.float32),
        )

    # ---------------------------------------------------------------- around

    def similar(self, item: Any, n: int = 10) -> list[Recommendation]:
        """The items most like one, by the first retriever that knows a likeness and finds any."""
        n = self._check_n(n)
        code = self.dataset.items.ids.code(item)
        if code < 0:
            raise RequestError(f"item: the catalogue has no item {item!r}", field="item")
        for name, retriever in self.retrievers.items():
            scores = retriever.similar(code)
            if scores is None:
                continue
            scores = scores.copy()
            scores[code] = -np.inf
            order = np.argsort(-scores, kind="stable")[:n]
            order = order[scores[order] > 0]
            if len(order):
                ids, titles = self.dataset.items.ids, self.dataset.items.titles
                return [
                    Recommendation(
                        ids.id(int(i)), titles[i], float(scores[i]), {}, {name: rank}, f"Like {titles[code]}"
                    )
                    for rank, i in enumerate(order.tolist())
                ]
        return []

    def observe(
        self, user: Any, item: Any, kind: str, timestamp: int | None = None, value: float | None = None
    ) -> None:
        """Take in one event: the next request reflects it. timestamp: ms; the recommender's clock without."""
        code = self.dataset.items.ids.code(item)
        if code < 0:
            raise RequestError(f"item: the catalogue has no item {item!r}", field="item")
        if kind not in self.dataset.log.kinds:
            raise RequestError(
                f"kind: there is no event kind {kind!r}; there are: {', '.join(self.dataset.log.kinds)}",
                field="kind",
            )
        moment = self.now() if timestamp is None else timestamp
        amount = float("nan") if value is None else float(value)
        person = self.dataset.users.ids.code(user)
        if kind != IMPRESSION:
            self.people.add(
                self.dataset.users.ids.own(user),
                Event(code, moment, self.dataset.log.kinds.index(kind), amount),
            )
        self.counts.add(person, code, moment, kind, amount)

    def save(self, folder: str | Path) -> Path:
        """Write the bundle. An existing bundle in that place is replaced as a whole."""
        folder = Path(folder)

        def fill(fresh: Path) -> None:
            (fresh / "project.json").write_text(self.project.model_dump_json(indent=2), encoding="utf-8")
            save_dataset(self.dataset, fresh / "data")
            for name, retriever in self.retrievers.items():
                retriever.save(fresh / "retrievers" / name)
            self.ranker.save(fresh / "ranker")
            self.profile.save(fresh / "profile.json")
            state = {"scales": self.scales.tolist(), "priors": self.features.priors}
            (fresh / "state.json").write_text(json.dumps(state), encoding="utf-8")

        write_bundle(
            folder,
            fill,
            {"model_version": self.version, "shortlist": shortlist.__version__, "name": self.project.name},
        )
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a bundle. Raises `BundleError` where it is damaged or of another version; runs nothing from it."""
        folder = Path(folder)
        manifest = read_manifest(folder)
        try:
            project = parse_project(
                json.loads((folder / "project.json").read_text(encoding="utf-8")), f"{folder}/project.json"
            )
            recommender = cls(project)
            for name, settings in zip(recommender.retrievers, project.retrieve.sources, strict=True):
                recommender.retrievers[name] = MODELS[settings["model"]].load(folder / "retrievers" / name)
            recommender.ranker = TreeRanker.load(folder / "ranker", project)
            recommender.profile = Profile.load(folder / "profile.json")
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            recommender.scales = np.array(state["scales"], np.float64)
            recommender.version = manifest["model_version"]
            recommender._ready(load_dataset(folder / "data", project), state["priors"])
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{folder} cannot be loaded: {error}") from None
        return recommender


def _share(asked: float | None, default: float, name: str, most: float) -> float:
    if asked is None:
        return default
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 <= asked <= most:
        raise RequestError(f"{name} must be a number from 0 to {most:g} and is {asked!r}", field=name)
    return float(asked)

"""The recommender: retrieve → rank → re-rank, joined.

    recommender = shortlist.Recommender.from_project("shortlist.toml").fit(dataset)
    recommender.recommend(user="u42", n=10)
    recommender.save("bundle/")

Training follows the log in time: retrievers learn from the past, the ranker from what came after it, calibration from
what came after that; then the retrievers are refitted on everything and the ranker is kept (it sees sources as ranks
and normalised scores, which refitting does not move).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from threadpoolctl import ThreadpoolController

from shortlist.bundle.recommender_io import read_recommender, write_recommender
from shortlist.cascade.catalogue import change_item, check_change
from shortlist.cascade.encode import Asker, Context
from shortlist.cascade.people import Event, People
from shortlist.cascade.respond import guard_rails, in_full, policy_name, trial_of
from shortlist.cascade.timing import Laps
from shortlist.cascade.train import train_stages
from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project, parse_project, read_project
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.progress import Progress, silent
from shortlist.data.slates import Recommendation, Slate, Slates
from shortlist.errors import RequestError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import KeyRows, RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.rank.base import Ranker
from shortlist.rank.profile import Profile
from shortlist.rank.utility import UtilityWeights, resolve_combine, resolve_guard_rails, resolve_weights
from shortlist.rerank.cold_start import MAX_CANDIDATES, ColdStartExploration
from shortlist.rerank.exploration import POOL, ExplorationPolicy, explore
from shortlist.rerank.filters import allowed_items
from shortlist.rerank.pipeline import RerankPipeline
from shortlist.rerank.strengths import RerankStrengths
from shortlist.retrieve import Requests, Retriever, make_retrievers
from shortlist.retrieve.fusion.blend import blend
from shortlist.store.merge import StorePosition
from shortlist.store.records import StoredEvent

MAX_N = 200
"""The longest slate that is made."""
BATCH = 128


class Recommender:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.retrievers: dict[str, Retriever] = make_retrievers(project.retrieve, project.where)
        self.version = ""
        self.mark = StorePosition()
        """How far into a server's store it has learnt."""
        self.stages = Laps()

    stages: Laps
    """How long each stage of the latest batch took."""
    dataset: Dataset
    features: FeatureSet
    ranker: Ranker
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
        self.ready(dataset, trained.priors)
        return self

    def ready(self, dataset: Dataset, priors: dict[str, float], kept: Path | None = None) -> None:
        """Everything a request needs, from the data set: counters (kept: a folder where they were saved), histories, the clock."""
        self.dataset = dataset
        self.features = FeatureSet.from_project(self.project, dataset, priors)
        self.counts = self.features.counters(dataset, kept)
        self.item_features = self.features.item_features(dataset.items)
        self.observed = 0
        """Events taken in since, which are in the counters and not in the log."""
        self.people = People(dataset.histories)
        self.asker = Asker(dataset, self.people)
        self.arrange = make_arranger(self.project, dataset, self.retrievers)
        self.trained_items = len(dataset.items)
        self.retired = np.zeros(len(dataset.items), bool)
        """Items that an operator took out of the catalogue since training."""
        self.permitted: tuple[np.ndarray | None] | None = None
        """What may be shown without filters, once it was worked out; whoever changes the catalogue sets it to None."""
        self.permitted_hits = self.permitted_misses = 0
        # A log that ended long ago (a public data set, a world) keeps its own clock: "the last 7 days" means its last
        end, now = int(dataset.log.time[-1]) + 1, int(time.time() * 1000)
        self._behind = now - end if now - end > 86_400_000 else 0
        self._latest = 0
        self.newcomers = make_newcomers(self.project, dataset, self.arrange.first_seen)
        """New items and their first audience; None where the project gives them none."""
        self.erased: set[Any] = set()
        """People who asked to be erased since training."""

    def now(self) -> int:
        """The recommender's clock, ms: real time, or for a log that ended over a day ago, time since its end. It never goes
        back, whatever the machine's clock does: it stands still until that has caught up.
        """
        self._latest = max(self._latest, int(time.time() * 1000) - self._behind)
        return self._latest

    # ---------------------------------------------------------------- requests

    def recommend(
        self,
        user: Any = None,
        n: int = 10,
        *,
        users: Sequence[Any] | None = None,
        history: Sequence[Any] | None = None,
        context: Context = None,
        weights: dict[str, float] | None = None,
        filters: dict[str, Any] | None = None,
        diversity: float | None = None,
        freshness: float | None = None,
        calibration: float | None = None,
        combine: str | None = None,
        at_least: dict[str, float] | None = None,
        explore: float | None = None,
        seed: int | None = None,
        now: int | None = None,
        after: Any = None,
    ) -> Any:
        """A `Slate` for one user or history, `Slates` for `users`.

        history: item ids, oldest first; replaces what is known of the user. context: the moment (device, …), and for
        a visitor also user attributes (gender, …); a list gives each of `users` its own. weights: objective → weight, over the project's; combine: sum or
        product; at_least: objective → the least mean prediction of a slate (`rank/utility.py`). filters: see `rerank/rules.py`. explore: how much chance (`rerank/exploration.py`); seed: makes that chance again. after: the item that somebody has before them
        ("up next"), as the latest of their history. now: ms since 1970; the recommender's clock without. A user nobody knows is treated as new and
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
        n, moment = self.check_n(n), self.now() if now is None else now
        wish = self.wish(weights, combine, at_least)
        by = self.project.rerank
        strengths = RerankStrengths(
            _share(diversity, by.diversity, "diversity", 1.0),
            _share(freshness, by.freshness, "freshness", 10.0),
            _share(calibration, by.calibration, "calibration", 1.0),
            _share(explore, by.explore, "explore", 5.0),
            by.new_items.share if explore is None or explore > 0 else 0.0,
        )
        if strengths.calibration > 0 and by.calibration_by is None:
            raise RequestError(
                "calibration: the project does not say what tastes are shares of; set rerank.calibration_by",
                field="calibration",
            )
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
            raise RequestError(f"seed must be a whole number from 0 and is {seed!r}", field="seed")
        allowed = self.allowed(filters)
        if after is not None and self.dataset.items.ids.code(after) < 0:
            raise RequestError(f"after: the catalogue has no item {after!r}", field="after")
        slates: list[Slate] = []
        if isinstance(context, list) and len(context) != len(people):
            raise RequestError(f"context: {len(context)} for {len(people)} requests", field="context")
        # a batch is split over the cores by our own kernels; BLAS's threads would spin beside them after each product
        quiet = _pools().limit(limits=1) if len(people) > 1 else nullcontext()
        with quiet:
            for start in range(0, len(people), BATCH):
                part = context[start : start + BATCH] if isinstance(context, list) else context
                slates += self._batch(
                    people[start : start + BATCH],
                    history,
                    part,
                    n,
                    wish,
                    allowed,
                    strengths,
                    moment,
                    seed,
                    after,
                )
        return Slates(slates) if users is not None else slates[0]

    def allowed(self, filters: dict[str, Any] | None) -> np.ndarray | None:
        """What may be shown at all, bool (items,), None for everything. Without filters it is worked out once a catalogue."""
        if not filters and self.permitted is not None:
            self.permitted_hits += 1
            return self.permitted[0]
        self.permitted_misses += 1
        allowed = allowed_items(self.dataset.items, filters, self.project.rerank.in_stock)
        for gone in (self.retired, self.arrange.hidden_items()):
            if gone is not None and gone.any():
                allowed = ~gone if allowed is None else allowed & ~gone
        if not filters:
            self.permitted = (allowed,)
        return allowed

    def wish(
        self, weights: dict[str, float] | None, combine: str | None, at_least: dict[str, float] | None
    ) -> UtilityWeights:
        project = self.project
        return UtilityWeights(
            resolve_weights(weights, {name: o.weight for name, o in project.objectives.items()}),
            self.scales,
            resolve_combine(combine, project.utility.combine),
            resolve_guard_rails(at_least, project.utility.at_least, list(project.objectives)),
        )

    def check_n(self, n: Any) -> int:
        """A slate's length, as a whole number. Raises `RequestError`."""
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MAX_N:
            raise RequestError(f"n must be a whole number from 1 to {MAX_N} and is {n!r}", field="n")
        return int(n)

    def _batch(
        self,
        people: list[Any],
        history: Sequence[Any] | None,
        context: Context,
        n: int,
        wish: UtilityWeights,
        allowed: np.ndarray | None,
        strengths: RerankStrengths,
        moment: int,
        seed: int | None,
        after: Any,
    ) -> list[Slate]:
        lap = self.stages = Laps()
        codes, requests, whole, unknown = self.asker.requests(
            people, history, context, allowed, moment, after
        )
        lap("request")
        rows, _, predictions = self.rank(codes, requests, whole, context)
        bounds = np.searchsorted(rows.request, np.arange(len(people) + 1))
        utility = wish.utility(predictions)
        policy = policy_name(self.version, wish, strengths)
        chosen = []
        for row in range(len(people)):
            slate_id = uuid.uuid4().hex
            # without a given seed the slate's id is one, so that a logged slate can be made again
            drawn = int(slate_id[:15], 16) if seed is None else seed + row
            part = slice(int(bounds[row]), int(bounds[row + 1]))
            worth = wish.guarded(utility[part], predictions[part], n)
            taste = self.taste(requests, row) if strengths.calibration > 0 else None
            order, chance = self._chosen(
                rows.item[part], predictions[part], worth, n, strengths, moment, taste, drawn
            )
            chosen.append((slate_id, bounds[row] + order, chance))
        lap("rerank")
        places, chances = (np.concatenate([c[at] for c in chosen]) for at in (1, 2))
        told = iter(in_full(self, requests, rows, places, predictions, utility, chances))
        names, own = list(self.project.objectives), self.dataset.users.ids.own
        slates = [
            Slate(
                slate_id,
                person,
                bool(codes[row] >= 0) or self.people.knows(own(person)),
                list(islice(told, len(at))),
                self.version,
                unknown,
                guard_rails(names, wish, predictions[at]) if wish.limits else {},
                policy,
            )
            for row, (person, (slate_id, at, _)) in enumerate(zip(people, chosen, strict=True))
        ]
        lap("slate")
        return slates

    def _chosen(
        self,
        items: np.ndarray,
        predictions: np.ndarray,
        worth: np.ndarray,
        n: int,
        strengths: RerankStrengths,
        moment: int,
        taste: np.ndarray | None,
        drawn: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One request's slate: rows of its candidates, and the chance of each. drawn: the seed of what is left to chance."""
        by = self.project.rerank
        drawing = ExplorationPolicy(strengths.explore, by.explore_way, by.explore_from)
        longer = n if strengths.explore <= 0 else min(POOL * n, len(items))
        order = self.arrange.rerank(items, worth, longer, moment, strengths, taste)
        ranked, trial = len(order), None
        if strengths.cold_start and self.newcomers is not None:
            order, trial = trial_of(self, items, predictions, order, strengths.cold_start, moment)
        chosen, chance = explore(ranked, n, drawing, drawn, trial)
        return order[chosen], chance

    def taste(self, requests: Requests, row: int) -> np.ndarray | None:
        """The shares of one request's history, by what slates are calibrated to."""
        low, high = requests.histories.indptr[row : row + 2]
        return self.arrange.taste(requests.histories.item[low:high])

    def must(self, requests: Requests) -> list[np.ndarray] | None:
        """Items that are candidates in any case: the newest, while they have a first audience to meet."""
        if self.newcomers is None:
            return None
        now = self.newcomers.new_items(
            self.arrange.first_seen, int(requests.moments.max(initial=0)), requests.allowed
        )
        some, found = now[: 4 * MAX_CANDIDATES], []
        for row in range(len(requests)):
            own = some
            if requests.excluded_indptr is not None and requests.excluded is not None:
                low, high = requests.excluded_indptr[row], requests.excluded_indptr[row + 1]
                own = some[~np.isin(some, requests.excluded[low:high])]
            found.append(own[:MAX_CANDIDATES])
        return found

    def showed(self, slate: Slate) -> None:
        """A slate was shown to somebody: new items on it have used up some of their first audience."""
        if self.newcomers is not None:
            self.newcomers.served(self.dataset.items.ids.codes([r.item for r in slate.items]))

    def rank(
        self, codes: np.ndarray, requests: Requests, whole: Histories, context: Context
    ) -> tuple[FeatureRows, np.ndarray, np.ndarray]:
        """Candidates of a batch, as feature rows, their matrix, and calibrated predictions."""
        lap = self.stages
        blended = blend(self.retrievers, requests, self.project.retrieve.candidates, self.must(requests))
        lap("retrieve")
        found = blended.item >= 0
        request = np.repeat(np.arange(len(codes)), found.sum(1))
        given = self.asker.given(context, self.dataset.log.context, len(codes))
        rows = FeatureRows(
            RequestKeys(codes, given, requests.attributes),
            requests.moments,
            whole,
            request,
            blended.item[found],
            blended.sources,
            blended.ranks[found],
            blended.scores[found],
        )
        self.counts.advance(rows.latest_moment)
        matrix = self.features.online_matrix(rows, self.counts, self.item_features)
        lap("features")
        if not len(matrix):
            return rows, matrix, np.empty((0, len(self.project.objectives)), np.float32)
        predictions = self.ranker.predict(matrix)
        lap("rank")
        return rows, matrix, predictions

    def candidates(
        self, users: Sequence[Any], context: Context = None
    ) -> tuple[FeatureRows, np.ndarray, np.ndarray]:
        """What the ranker sees for some users now: their candidates' rows, feature matrix float32 (rows, features), and
        predictions float32 (rows, objectives). The columns are `self.ranker.feature_names_`.
        """
        allowed = self.allowed(None)
        codes, requests, whole, _ = self.asker.requests(list(users), None, context, allowed, self.now())
        return self.rank(codes, requests, whole, context)

    # ---------------------------------------------------------------- around

    def similar(self, item: Any, n: int = 10, by: str | None = None) -> list[Recommendation]:
        """The items most like one, by the first retriever that knows a likeness and finds any. by: the name of a source; `together` gives what
        is bought with it. Raises `RequestError` for an item or a source that there is not.
        """
        n = self.check_n(n)
        code = self.dataset.items.ids.code(item)
        if code < 0:
            raise RequestError(f"item: the catalogue has no item {item!r}", field="item")
        if by is not None and by not in self.retrievers:
            raise RequestError(
                f"by: there is no source {by!r}; there are: {', '.join(self.retrievers)}", field="by"
            )
        allowed = self.allowed(None)
        for name, retriever in self.retrievers.items():
            scores = retriever.similar(code) if by in {None, name} else None
            # what goes with a thing is no likeness: it is given where it is asked for
            if scores is None or (by is None and retriever.name == "together"):
                continue
            scores = scores.copy()
            scores[code] = -np.inf
            hidden = self.retired if allowed is None else ~allowed
            scores[hidden[: len(scores)]] = -np.inf
            order = np.argsort(-scores, kind="stable")[:n]
            order = order[scores[order] > 0]
            if len(order):
                ids, titles = self.dataset.items.ids, self.dataset.items.titles
                said = f"{'Goes with' if retriever.name == 'together' else 'Like'} {titles[code]}"
                return [
                    Recommendation(ids.id(int(i)), titles[i], float(scores[i]), {}, {name: rank}, said)
                    for rank, i in enumerate(order.tolist())
                ]
        return []

    def observe(
        self,
        user: Any,
        item: Any,
        kind: str,
        timestamp: int | None = None,
        value: float | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        """Take in one event: the next request reflects it. timestamp: ms; the recommender's clock without. context: the
        moment (device, …); what the project has no column for is left aside.
        """
        code = self.dataset.items.ids.code(item)
        if code < 0:
            raise RequestError(f"item: the catalogue has no item {item!r}", field="item")
        if kind not in self.dataset.log.kinds:
            raise RequestError(
                f"kind: there is no event kind {kind!r}; there are: {', '.join(self.dataset.log.kinds)}",
                field="kind",
            )
        moment = self.now() if timestamp is None else timestamp
        amount = _amount(value)
        self.observed += 1
        person = self.dataset.users.ids.code(user)
        if kind != IMPRESSION:
            self.people.add(
                self.dataset.users.ids.own(user),
                Event(code, moment, self.dataset.log.kinds.index(kind), amount),
            )
        event = KeyRows.one_each(
            RequestKeys(np.array([person], np.int32), self.asker.read_context(context)),
            np.array([code], np.int32),
            self.dataset.items.attributes,
        )
        self.counts.add_many(kind, event, np.array([moment]), np.array([amount], np.float32))
        if self.newcomers is not None:
            self.newcomers.record(kind, np.array([code]), np.array([amount]))

    def observe_many(self, batch: Sequence[StoredEvent]) -> int:
        """Take in stored events, in any order: as `observe` does, but in one pass over the counters for each kind. Events that
        this recommender does not know the item, the kind or the context of are left aside; how many.
        """
        lost = 0
        self.observed += len(batch)
        items = self.dataset.items.ids.codes([e.item for e in batch])
        users = self.dataset.users.ids.codes([e.user for e in batch])
        columns, kinds = self.dataset.log.context, self.dataset.log.kinds
        by_kind: dict[str, list[int]] = {}
        for at, e in enumerate(batch):
            if items[at] < 0 or e.kind not in kinds:
                lost += 1
            else:
                by_kind.setdefault(e.kind, []).append(at)
        for kind, places in by_kind.items():
            contexts = [{n: v for n, v in batch[at].context.items() if n in columns} for at in places]
            try:
                context = self.asker.given(contexts, columns, len(places)) if any(contexts) else {}
            except RequestError:  # written under another project: what is wrong is found one by one
                lost += sum(self._observe_stored(batch[at]) for at in places)
                continue
            code, rows = kinds.index(kind), np.array(places)
            times = np.array([batch[at].time for at in places], np.int64)
            values = np.array([_amount(batch[at].value) for at in places], np.float32)
            keys = RequestKeys(users[rows], context)
            events = KeyRows.one_each(keys, items[rows], self.dataset.items.attributes)
            self.counts.add_many(kind, events, times, values)
            if self.newcomers is not None:
                self.newcomers.record(kind, items[rows], values)
            if kind != IMPRESSION:
                for at, item, value in zip(places, items[rows].tolist(), values.tolist(), strict=True):
                    user = self.dataset.users.ids.own(batch[at].user)
                    self.people.add(user, Event(item, batch[at].time, code, value))
        return lost

    def _observe_stored(self, e: StoredEvent) -> int:
        try:
            self.observe(e.user, e.item, e.kind, e.time, e.value, e.context)
        except RequestError:
            return 1
        return 0

    def forget(self, user: Any) -> None:
        """Erase a person: their history is gone at once, from the log too. Counters that others share (how often an item was
        played) keep what they counted until the recommender is loaded again.
        """
        code = self.dataset.users.ids.code(user)
        self.people.forget(self.dataset.users.ids.own(user), code)
        self.erased.add(self.dataset.users.ids.own(user))

    def change_item(self, item: Any, change: dict[str, Any]) -> None:
        """Add, change or retire an item: see `changing.py`."""
        check_change(self, item, change)
        change_item(self, item, change)

    def factors(self) -> np.ndarray | None:
        """float32 (items, d): the items of the first source that has factors, which likeness is measured by."""
        return _factors(self.retrievers)

    def some_users(self, n: int) -> list[Any]:
        """Up to n people with a history, spread over the log's."""
        sizes = np.diff(self.dataset.histories.indptr)
        fit = np.flatnonzero(sizes >= min(5, sizes.max(initial=1)))
        chosen = fit[:: max(1, len(fit) // n)][:n] if n and len(fit) else fit[:0]
        return self.dataset.users.ids.ids(chosen)

    def replay(self, events: Iterable[StoredEvent]) -> int:
        """Take in stored events; how many are of items, kinds or contexts that this recommender does not know."""
        lost, waiting = 0, iter(events)
        while batch := list(islice(waiting, 5_000)):
            lost += self.observe_many(batch)
        return lost

    def save(self, folder: str | Path) -> Path:
        """Write the bundle. An existing bundle in that place is replaced as a whole."""
        return write_recommender(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a bundle. Raises `BundleError` where it is damaged or of another version; runs nothing from it."""
        return read_recommender(cls, Path(folder))


def make_arranger(project: Project, dataset: Dataset, retrievers: dict[str, Retriever]) -> RerankPipeline:
    """The re-rankers of a project, for a catalogue and its log."""
    by = project.rerank.freshness_by
    born = dataset.items.attributes[by].times if by else dataset.first
    return RerankPipeline(project.rerank, dataset.items, born, _factors(retrievers))


def make_newcomers(project: Project, dataset: Dataset, born: np.ndarray) -> ColdStartExploration | None:
    """New items as a project treats them, with what the log knows of them."""
    settings = project.rerank.new_items
    if not settings.share:
        return None
    new = ColdStartExploration(settings, project.objectives[project.relevant], len(born))
    log = dataset.log
    for code, kind in enumerate(log.kinds):
        rows = log.kind == code
        new.record(kind, log.item[rows], log.value[rows])
    new.estimate_base_rate()
    return new


@lru_cache(maxsize=1)
def _pools() -> ThreadpoolController:
    """The thread pools of the libraries that are loaded: looked for once."""
    return ThreadpoolController()


def _factors(retrievers: dict[str, Retriever]) -> np.ndarray | None:
    return next((f for r in retrievers.values() if (f := r.item_factors) is not None), None)


def _amount(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _share(asked: float | None, default: float, name: str, most: float) -> float:
    if asked is None:
        return default
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 <= asked <= most:
        raise RequestError(f"{name} must be a number from 0 to {most:g} and is {asked!r}", field=name)
    return float(asked)

"""The recommender: the facade over the trained model, the live state and the cascade."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack, overload

from shortlist.bundle.read import read_bundle
from shortlist.bundle.write import write_bundle
from shortlist.cascade.about_users import AnswersAboutUsers
from shortlist.cascade.inspect import similar_items, some_users
from shortlist.cascade.model import Model
from shortlist.cascade.page import PageOfRows, make_page
from shortlist.cascade.rank_list import rank_list
from shortlist.cascade.rerank_cost import SlatePreview, preview_slates
from shortlist.cascade.respond import respond
from shortlist.cascade.run import Cascade
from shortlist.cascade.stage_times import StageTimes
from shortlist.cascade.state import LiveState
from shortlist.cascade.takes_changes import TakesChanges
from shortlist.cascade.why import why_not
from shortlist.config.params import ProjectParams
from shortlist.config.project import Project, as_project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.slates import Recommendation, Slate, Slates
from shortlist.errors import require_fitted
from shortlist.features.online import OnlineCounters
from shortlist.requests import RankOptions, RecommendRequest, RequestOptions, rank_request, requests_of
from shortlist.retrieve import parse_sources
from shortlist.store.merge import MergedDataset


class Recommender(AnswersAboutUsers, TakesChanges, ProjectParams):
    """Retrieve → rank → re-rank, joined: trained on a log, answering requests, and learning of events at once.

    A recommender is a `Model` (what training learned, immutable) and a `LiveState` (what has happened since). Requests
    may come from any number of threads; each answer is the same as for the request alone.

    Parameters
    ----------
    project
        Settings, as parsed from `shortlist.toml`; None: `fit` guesses them from tables.

    Attributes
    ----------
    model
        The trained half; `NotFittedError` before `fit`.
    state
        The live half: histories, counters, catalogue, clock.

    Raises
    ------
    ProjectError
        Where the project names an unknown retriever or setting.

    Examples
    --------
    >>> events = [{"user_id": n % 20, "item_id": (n * n + n // 7) % 31, "timestamp": 1.7e9 + 600 * n} for n in range(600)]
    >>> recommender = Recommender().fit(events)
    >>> [len(slate) for slate in recommender.recommend(users=[3, "a visitor"], n=2)]
    [2, 2]
    """

    def __init__(self, project: Project | None = None) -> None:
        if project is not None:
            parse_sources(project.retrieve.sources, project.where)
        super().__init__(project)
        self._model: Model | None = None
        self._state: LiveState | None = None

    @classmethod
    def from_project(cls, project: str | Path | Project | dict[str, Any]) -> Self:
        """Make a recommender from a project file, parsed settings, or a dictionary of settings."""
        return cls(as_project(project))

    @classmethod
    def of(cls, model: Model, counters: OnlineCounters | None = None) -> Self:
        """Make a recommender from a trained model, with a live state of its own."""
        recommender = cls(model.project)
        return recommender._take(model, counters)

    def _take(self, model: Model, counters: OnlineCounters | None = None) -> Self:
        self._model, self._state = model, LiveState(model, counters)
        return self

    @property
    def project(self) -> Project:
        """Settings; `with_project` returns a recommender with others. Raises `NotFittedError` before they are guessed."""
        return self._model.project if self._model else require_fitted(self._project, "this recommender")

    @property
    def model(self) -> Model:
        """The trained half. Raises `NotFittedError` before `fit`."""
        return require_fitted(self._model, "this recommender")

    @property
    def state(self) -> LiveState:
        """The live half. Raises `NotFittedError` before `fit`."""
        return require_fitted(self._state, "this recommender")

    @property
    def dataset(self) -> Dataset:
        """The data set the model was trained on."""
        return self.model.dataset

    @property
    def version(self) -> str:
        """The model's version; empty before `fit`."""
        return "" if self._model is None else self._model.version

    def fit(
        self,
        data: Dataset | MergedDataset | Any,
        items: Any = None,
        users: Any = None,
        *,
        progress: Progress = silent,
        earlier: Recommender | None = None,
    ) -> Self:
        """Train; the live state begins anew.

        `data` is a data set, one merged with an event store, or a table of events (as in `Dataset.from_frames`) with the tables of
        items and users. `earlier` was trained before: training starts from its factors and trees. Raises `DataError`.
        """
        from shortlist.cascade.train import train  # serving starts without the modules of training
        from shortlist.cascade.training_data import training_data

        log, project = training_data(data, items, users, self._project)
        return self._take(train(project, log, progress, earlier.model if earlier else None))

    def with_project(self, project: Project) -> Self:
        """Return a recommender of the same model with other settings of how requests are answered, and a new live state."""
        return self.of(replace(self.model, project=project))

    def change_settings(self, project: Project, name: str) -> None:
        """Answer with other weights, rules and strengths from the next request on; the live state stays. Any thread may call it.

        `project` differs from the present one in what `config.changes.EDITABLE` names and in weights only. `name` names the settings in the
        policies of slates.
        """
        model = replace(self.model, project=project, settings=name)
        self.state.change_settings(model)
        self._model = model

    def reset(self) -> None:
        """Forget everything since training: events, erasures and catalogue changes."""
        self._take(self.model)

    @overload
    def recommend(
        self, user: Any = None, n: int | None = None, *, users: None = None, **options: Unpack[RequestOptions]
    ) -> Slate: ...

    @overload
    def recommend(
        self,
        user: None = None,
        n: int | None = None,
        *,
        users: Sequence[Any],
        **options: Unpack[RequestOptions],
    ) -> Slates: ...

    def recommend(
        self,
        user: Any = None,
        n: int | None = None,
        *,
        users: Sequence[Any] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Slate | Slates:
        """Recommend n items to a user, to a history, or to each of several users (then returns `Slates`).

        `user` is an id or a whole `RecommendRequest`; an unknown user is treated as new, and the slate reports it. `n` is 1 to 200
        (default: the placement's, or 10). `options` are the other fields of `RecommendRequest`; for a batch, `context` can be a list
        with one context for each user. Raises `RequestError` with the name of the wrong argument in `error.field`.
        """
        slates = self.answer(requests_of(user, n, users, options))
        return slates[0] if users is None else slates

    def answer(self, requests: Sequence[RecommendRequest], times: StageTimes | None = None) -> Slates:
        """Answer requests of any kind together; each slate is the same as for the request alone.

        `times` receives the seconds that each stage took.
        """
        model = self.model
        return Slates(respond(model, Cascade.run(model, self.state, requests, times)))

    def page(self, request: RecommendRequest, rows: int = 6) -> PageOfRows:
        """Make a page of up to `rows` rows of up to `request.size` items, as the project's `[page]` says."""
        return make_page(self.model, self.state, request, rows)

    def similar(self, item: Any, n: int = 10, by: str | None = None) -> list[Recommendation]:
        """Return the items most similar to one, by the first retriever that finds any or by the source `by`. Raises `RequestError`."""
        return similar_items(self.state, item, n, by)

    def rank(
        self,
        user: Any = None,
        items: Iterable[Any] = (),
        *,
        times: StageTimes | None = None,
        **options: Unpack[RankOptions],
    ) -> Slate:
        """Order a given list for a user (or for a `history`; then `user` is None), best first. Every item comes back.

        `items` are up to 2,000 ids, or mappings such as `{"item": "i3", "price": 12.5}` with numbers of `data.given` and, for an
        item that the catalogue does not have, its attributes. `options` are `placement`, `history`, `context`, `weights`, `combine`,
        `now` and `after`, as for `recommend`. Raises `RequestError` with the name of the wrong field in `error.field`.
        """
        return rank_list(self.model, self.state, rank_request(user, options), items, times)

    def why(
        self, user: Any, item: Any, n: int | None = None, **options: Unpack[RequestOptions]
    ) -> dict[str, Any]:
        """Follow an item through the stages of a request: the stage that kept it off the slate, a sentence, and all steps."""
        [request] = requests_of(user, n, None, options)
        return why_not(self.model, self.state, item, request)

    def preview(
        self, project: Project, users: Sequence[Any], n: int | None = None, placement: str | None = None
    ) -> SlatePreview:
        """Compare the slates of some users with those that another project's `[rerank]`, weights and placement would give.

        Nothing is served with them. `n` is the number of items (default: the placement's, or 10).
        """
        return preview_slates(self.model, self.state, project, users, n, placement)

    def some_users(self, n: int) -> list[Any]:
        """Return up to n user ids with a history, spread over the log's users."""
        return some_users(self.dataset, n)

    def save(self, folder: str | Path) -> Path:
        """Write the bundle. An existing bundle in that place is replaced as a whole."""
        return write_bundle(self.model, self.state, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a bundle. Raises `BundleError` where it is damaged or of another version; runs nothing from it."""
        return cls.of(*read_bundle(Path(folder)))

    def __repr__(self) -> str:
        name = self._project.name if self._project else "no project"
        return f"Recommender({self._model or f'{name}, not fitted'})"

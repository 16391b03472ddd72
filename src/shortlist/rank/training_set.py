"""The training set of a ranker: candidates of past requests, their features, and what followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.config.rank import RankSettings
from shortlist.config.rerank import RerankSettings
from shortlist.config.retrieve import RetrieveSettings
from shortlist.data.dataset import Dataset
from shortlist.data.log import Log
from shortlist.data.progress import Progress, silent
from shortlist.engines import make_engine
from shortlist.errors import DataError, LeakError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import FeatureRows
from shortlist.rank.censoring import share_arrived
from shortlist.rank.example_rows import ExampleRows, sampled_candidates, shown_candidates
from shortlist.rank.labels import ObjectiveEvents
from shortlist.rank.past_requests import PastRequests, moments_of_action, requests_as_of, shown_slates
from shortlist.rank.propensity import Examination
from shortlist.rank.request_context import request_contexts
from shortlist.rank.unshown import SlateEntries, known_items, outside_candidates, without_seen
from shortlist.retrieve import Requests, Retriever
from shortlist.retrieve.fusion.blend import Blended, blend

BATCH = 512
"""Requests whose candidates are retrieved together."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Examples of a ranker, one row per candidate; the rows of a request are adjacent.

    Parameters
    ----------
    matrix : ndarray of shape (rows, features), float32
        Features; NaN where a value is missing.
    labels
        Objective → label, float32 (rows,); NaN where it is unknown.
    weights : ndarray of shape (rows,), float32
        How many candidates a row stands for.
    request : ndarray of shape (rows,), int64
        The request of each row.
    names, types
        Name and type (`"q"` number, `"c"` category) of each feature.
    arrived
        Objective → share of its outcomes that have been observed by the end of the data, float64 (rows,).
    examined : ndarray of shape (rows,), float64
        Probability that a user looks at the row's slot, relative to the top slot.
    shown : ndarray of shape (rows,), bool
        Whether the item was shown, or may have been. False for `rank.unshown` items: they help to order, but what would have
        come of showing them is not known, so calibration leaves them out.
    """

    matrix: NDArray[np.float32]
    labels: dict[str, NDArray[np.float32]]
    weights: NDArray[np.float32]
    request: NDArray[np.int64]
    names: list[str]
    types: list[str]
    arrived: dict[str, NDArray[np.float64]]
    examined: NDArray[np.float64]
    shown: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        return (
            f"TrainingSet({len(self)} rows, {len(self.names)} features, objectives: {', '.join(self.labels)})"
        )


@dataclass(frozen=True)
class ExampleSettings:
    """The sections of a project that determine its examples.

    Parameters
    ----------
    rank
        What to sample.
    objectives
        What to label.
    retrieve
        Number of candidates and length of histories.
    rerank
        Which items of the history may be candidates.
    seed
        Seed of the sampling.
    engine
        The data engine that computes features.
    without_context
        Share of the requests whose context is taken away (`request_contexts`).
    """

    rank: RankSettings
    objectives: Mapping[str, Objective]
    retrieve: RetrieveSettings
    rerank: RerankSettings = field(default_factory=RerankSettings)
    seed: int = 0
    engine: str = "duckdb"
    without_context: float = 0.0

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return the sections of a project."""
        return cls(
            project.rank,
            project.objectives,
            project.retrieve,
            project.rerank,
            project.seed,
            project.data.engine,
        )

    def for_validation(self) -> Self:
        """Return the settings of the examples of the validation slice: `rank.validation_rows` of them."""
        most = min(self.rank.max_rows, self.rank.validation_rows)
        return replace(self, rank=self.rank.model_copy(update={"max_rows": most}))


@dataclass(frozen=True, slots=True)
class Window:
    """The time from which examples are taken.

    Parameters
    ----------
    start, end
        Requests are in start ≤ time < end, ms since 1970.
    fitted_until
        End of the events on which the retrievers were fitted, ms.
    """

    start: int
    end: int
    fitted_until: int


def make_training_set(
    dataset: Dataset,
    retrievers: Mapping[str, Retriever],
    features: FeatureSet,
    window: Window,
    settings: ExampleSettings,
    progress: Progress = silent,
    examination: Examination | None = None,
) -> TrainingSet:
    """Make examples from the requests of a window.

    With `rank.examples = "candidates"`, a request is a moment at which a user was about to act; its rows are the
    retrievers' candidates, labelled by what followed. Negatives are sampled, with weights that stand for all of them, so
    that predictions stay calibrated. With `"impressions"`, a request is a slate that was shown, its rows are the shown
    items with their positions, and a few random candidates that were not shown (`rank.unshown`).

    Parameters
    ----------
    dataset
        Reaches to `window.end`. Events before a request are its history, events after it its labels.
    retrievers
        Name → retriever, fitted on events before the window.
    features
        The features to compute.
    window
        Where requests are taken from.
    settings
        What to sample and to label.
    progress
        Called with the stage and the fraction done.
    examination
        How often each slot is looked at; used with `rank.position_bias = "weights"`.

    Raises
    ------
    LeakError
        If the retrievers were fitted on events of the window: their scores would know the labels.
    DataError
        If no request falls into the window.
    """
    if window.fitted_until > window.start:
        raise LeakError(
            "the retrievers were fitted on events of the ranker's window, so their scores would contain the labels; "
            f"fit them on events before {np.datetime64(window.start, 'ms')}"
        )
    rng = np.random.default_rng(settings.seed)
    past = _past_requests(dataset, window, settings.rank, rng)
    events = {name: ObjectiveEvents.of(dataset.log, o) for name, o in settings.objectives.items()}
    rows, weights, shown = _rows(dataset, retrievers, past, settings, events, rng, progress)
    engine = make_engine(settings.engine)
    progress("features", 0.0)
    matrix = features.offline_matrix(rows, dataset, lambda share: progress("features", share), engine)
    progress("features", 1.0)
    targets, arrived = _labels(events, rows, window.end)
    examined = np.ones(len(rows.item))
    weighted = settings.rank.examples == "impressions" and settings.rank.position_bias == "weights"
    if weighted and rows.position is not None and examination is not None:
        examined = examination.at(rows.position)
    names, types = features.names(rows.sources), features.types(rows.sources)
    return TrainingSet(matrix, targets, weights, rows.request, names, types, arrived, examined, shown)


def _past_requests(
    dataset: Dataset, window: Window, rank: RankSettings, rng: np.random.Generator
) -> PastRequests:
    """Sample the requests of a window. Raises `DataError` if there are none."""
    impressions = rank.examples == "impressions"
    sample = shown_slates if impressions else moments_of_action
    past = sample(dataset, window.start, window.end, rank, rng)
    if len(past):
        return past
    if impressions:
        raise DataError(
            'rank.examples = "impressions", but the log has none in the ranker\'s window',
            field="rank.examples",
        )
    raise DataError(
        "no request falls into the ranker's window; make evaluate.ranker_window larger",
        field="evaluate.ranker_window",
    )


def _labels(
    events: Mapping[str, ObjectiveEvents], rows: FeatureRows, end: int
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float64]]]:
    """Return, for each objective, the labels of the rows and the share of its outcomes that have arrived by `end` (ms)."""
    users, moments = rows.users[rows.request], rows.moments[rows.request]
    label, arrived = {}, {}
    for name, of_objective in events.items():
        followed = of_objective.followed(users, rows.item, moments - 1)
        label[name] = followed.label
        elapsed = np.minimum(end - moments, of_objective.objective.window_ms)
        observed = followed.delay >= 0
        arrived[name] = share_arrived(followed.delay[observed], elapsed[observed], elapsed)
    return label, arrived


def _rows(
    dataset: Dataset,
    retrievers: Mapping[str, Retriever],
    past: PastRequests,
    settings: ExampleSettings,
    events: Mapping[str, ObjectiveEvents],
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[FeatureRows, NDArray[np.float32], NDArray[np.bool_]]:
    """Return the candidates of all requests as feature rows, their weights, and which of them may have been shown."""
    n = len(past)
    parts: list[ExampleRows] = []
    known = known_items(dataset, past)
    unshown, candidates = settings.rank.unshown, settings.retrieve.candidates
    mean = min(unshown * max(len(known) - candidates, 0) / candidates, unshown)
    progress("candidates", 0.0)
    for start in range(0, n, BATCH):
        end = min(start + BATCH, n)
        users, moments = past.users[start:end], past.moments[start:end]
        requests = requests_as_of(dataset, settings.retrieve, users, moments, settings.rerank)
        if past.shown is None:
            blended = blend(retrievers, requests, candidates)
            positive = _positives(events, blended, users, moments)
            part = sampled_candidates(blended, positive, settings.rank.negatives, start, rng)
        else:
            log = dataset.log
            slates = without_seen(log.item, SlateEntries.of(past.shown[start:end]), requests)
            others = outside_candidates(known, slates, log.item, mean, rng)
            blended = _blend_shown(retrievers, requests, candidates, log, slates, others)
            part = shown_candidates(blended, log, slates, others, unshown, start, rng)
        parts.append(part)
        progress("candidates", end / n)
    found = ExampleRows.joined(parts)
    requests = requests_as_of(dataset, settings.retrieve, past.users, past.moments)
    rows = FeatureRows(
        RequestKeys(
            past.users,
            request_contexts(dataset, past, settings.without_context, settings.seed),
            requests.attributes,
        ),
        past.moments,
        requests.histories,
        found.request,
        found.item,
        list(retrievers),
        found.ranks,
        found.scores,
        np.maximum(found.position, 0).astype(np.float32),
    )
    return rows, found.weight, found.position >= 0


def _blend_shown(
    retrievers: Mapping[str, Retriever],
    requests: Requests,
    k: int,
    log: Log,
    slates: SlateEntries,
    others: SlateEntries,
) -> Blended:
    """Return k candidates of each slate: what it showed and the others in any case, also where they are more than k."""
    owner = np.concatenate([slates.owner, others.owner])
    items = np.concatenate([log.item[slates.rows], others.rows])
    sizes = np.bincount(owner, minlength=len(slates))
    required = np.split(items[np.argsort(owner, kind="stable")], np.cumsum(sizes)[:-1])
    return blend(retrievers, requests, max(k, int(sizes.max(initial=0))), required)


def _positives(
    events: Mapping[str, ObjectiveEvents],
    blended: Blended,
    users: NDArray[np.int32],
    moments: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which candidates fulfil some objective, bool (requests, candidates)."""
    item = blended.item
    size = item.shape[1]
    flat_users, flat_moments = np.repeat(users, size), np.repeat(moments, size)
    flat = np.maximum(item.ravel(), 0)
    positive = np.zeros(len(flat), bool)
    for of_objective in events.values():
        positive |= of_objective.followed(flat_users, flat, flat_moments - 1).delay >= 0
    return np.asarray(positive.reshape(item.shape) & (item >= 0))

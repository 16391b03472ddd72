"""The training set of a ranker: candidates of past requests, their features, and what followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.config.rank import RankSettings
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.engines import make_engine
from shortlist.errors import DataError, LeakError
from shortlist.features.feature_set import FeatureSet
from shortlist.features.rows import FeatureRows
from shortlist.rank.batch_moments import with_batches
from shortlist.rank.censoring import share_arrived
from shortlist.rank.example_rows import example_rows
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.fresh_sources import FreshSources, Refit
from shortlist.rank.labels import ObjectiveEvents
from shortlist.rank.past_requests import PastRequests, moments_of_action, shown_slates
from shortlist.rank.propensity import Examination
from shortlist.retrieve import Retriever


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
    sources
        The sources whose ranks and scores are the last columns: all ranks, then all scores.
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
    sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        return (
            f"TrainingSet({len(self)} rows, {len(self.names)} features, objectives: {', '.join(self.labels)})"
        )

    def joined(self, later: TrainingSet) -> TrainingSet:
        """Return these examples and later ones of the same features, whose requests stay apart."""
        first = int(self.request.max(initial=-1)) + 1
        return replace(
            self,
            matrix=np.concatenate([self.matrix, later.matrix]),
            labels={name: np.concatenate([label, later.labels[name]]) for name, label in self.labels.items()},
            weights=np.concatenate([self.weights, later.weights]),
            request=np.concatenate([self.request, later.request + first]),
            arrived={
                name: np.concatenate([share, later.arrived[name]]) for name, share in self.arrived.items()
            },
            examined=np.concatenate([self.examined, later.examined]),
            shown=np.concatenate([self.shown, later.shown]),
        )

    def some(self, rows: NDArray[np.integer]) -> TrainingSet:
        """Return some of the rows; those of a request must stay adjacent."""
        return replace(
            self,
            matrix=self.matrix[rows],
            labels={name: label[rows] for name, label in self.labels.items()},
            weights=self.weights[rows],
            request=self.request[rows],
            arrived={name: share[rows] for name, share in self.arrived.items()},
            examined=self.examined[rows],
            shown=self.shown[rows],
        )


@dataclass(frozen=True, slots=True)
class Window:
    """The time from which examples are taken.

    Parameters
    ----------
    start, end
        Requests are in start ≤ time < end, ms since 1970.
    fitted_until
        End of the events on which the retrievers were fitted, ms.
    refits
        How often sources that are fitted in one pass are refitted on the way (`FreshSources`).
    refit
        Refits them where the data set is a part of the log only (default: on the data set).
    """

    start: int
    end: int
    fitted_until: int
    refits: int = 0
    refit: Refit | None = None

    def check_leak(self) -> None:
        """Raise `LeakError` where the retrievers were fitted on events of the window."""
        if self.fitted_until > self.start:
            raise LeakError(
                "the retrievers were fitted on events of the ranker's window, so their scores would contain the labels; "
                f"fit them on events before {np.datetime64(self.start, 'ms')}"
            )


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
    window.check_leak()
    rng = np.random.default_rng(settings.seed)
    past = _past_requests(dataset, window, settings, rng)
    events = {name: ObjectiveEvents.of(dataset.log, o) for name, o in settings.objectives.items()}
    sources = FreshSources(retrievers, dataset, (window.start, window.end), window.refits, window.refit)
    found = example_rows(dataset, sources, past, settings, events, (rng, features.compares_lists), progress)
    progress("features", 0.0)
    engine = make_engine(settings.engine)
    matrix = features.offline_matrix(found.rows, dataset, lambda share: progress("features", share), engine)
    progress("features", 1.0)
    rows, matrix = found.examples(matrix)
    targets, arrived = _labels(events, rows, window.end)
    named = features.names(rows.sources), features.types(rows.sources)
    examined = _examined(rows, settings.rank, examination)
    shown = found.shown, tuple(rows.sources)
    return TrainingSet(matrix, targets, found.weights, rows.request, *named, arrived, examined, *shown)


def _examined(rows: FeatureRows, rank: RankSettings, examination: Examination | None) -> NDArray[np.float64]:
    """How often the slot of each row is looked at; 1 where positions are not corrected for by weights."""
    weighted = rank.examples == "impressions" and rank.position_bias == "weights"
    if weighted and rows.position is not None and examination is not None:
        return examination.at(rows.position)
    return np.ones(len(rows.item))


def _past_requests(
    dataset: Dataset, window: Window, settings: ExampleSettings, rng: np.random.Generator
) -> PastRequests:
    """Sample the requests of a window. Raises `DataError` if there are none."""
    rank = settings.rank
    impressions = rank.examples == "impressions"
    sample = shown_slates if impressions else moments_of_action
    past = sample(dataset, window.start, window.end, rank, rng)
    if settings.at_once and not dataset.log.context:
        past, rank = past.drawn(0, rng), rank.model_copy(update={"batches": 1})
    if rank.batches and not impressions:
        horizon = max(objective.window_ms for objective in settings.objectives.values())
        past = with_batches(past, dataset, (window.start, window.end), horizon, rank, rng)
    if settings.at_once:
        past = past.drawn(settings.at_once, rng)
    if len(past):
        return past
    if impressions:
        begin, end = (
            np.datetime64(moment, "ms").astype("datetime64[m]") for moment in (window.start, window.end)
        )
        raise DataError(
            f'rank.examples = "impressions", but the log has none in the ranker\'s window, {begin} to {end}. Log them for longer; '
            "where they are the newest part of the log, smaller shares of evaluate.ranker_window and evaluate.validation let the window begin later",
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

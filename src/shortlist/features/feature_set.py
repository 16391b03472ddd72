"""The features of a project: declarations, layout, learned priors, and the two ways to compute the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.engines import Engine
from shortlist.engines.duckdb import DuckDBEngine
from shortlist.errors import require_fitted
from shortlist.features.aggregates import Aggregate
from shortlist.features.direct_plan import DirectPlan
from shortlist.features.item_features import ItemFeatures
from shortlist.features.keys import SPARE_ITEMS, KeyEncoder
from shortlist.features.layout import FeatureLayout
from shortlist.features.matrix import Progress, build_matrix
from shortlist.features.offline import OfflineCounts
from shortlist.features.offline_similarity import OfflineSimilarity
from shortlist.features.online import OnlineCounters
from shortlist.features.past_events import PastEvents
from shortlist.features.rows import FeatureRows
from shortlist.features.sources import OfflineSource, OnlineSource
from shortlist.features.spec import Feature
from shortlist.features.validate import FeatureSchema, parse_features


class FeatureSet:
    """The features of a project, and what training learns about them.

    The matrix has one row a candidate. For training, `offline_matrix` computes it as of each past request, by SQL over the
    log. For serving, `online_matrix` computes it as of now, from counters that every event updates. Both give the same
    values for the same events.

    A feature set is immutable after construction and `fit`. State that changes while serving belongs to the two objects that it
    makes, `counters` and `item_features`. It keeps no arrays of the catalogue.

    Parameters
    ----------
    features
        Parsed declarations (`parse_features`).
    dataset
        The training data: vocabularies, number of users and items, attributes of users.
    priors
        Learned priors, if `fit` is not called.

    Attributes
    ----------
    features
        The declarations: a derived feature follows the features that it is derived from.
    layout
        The columns.
    priors
        Name of a smoothed feature → the mean or rate over all events.

    Examples
    --------
    >>> features = FeatureSet.from_project(project, dataset).fit(dataset)  # doctest: +SKIP
    >>> matrix = features.offline_matrix(rows, dataset)  # doctest: +SKIP
    >>> counters, items = features.counters(dataset), features.item_features(dataset.items)  # doctest: +SKIP
    >>> counters.advance(now)  # doctest: +SKIP
    >>> matrix = features.online_matrix(rows, counters, items)  # doctest: +SKIP
    """

    def __init__(
        self, features: Sequence[Feature], dataset: Dataset, priors: Mapping[str, float] | None = None
    ) -> None:
        self.layout = FeatureLayout(features, dataset)
        self.features = self.layout.features
        self.priors: dict[str, float] = dict(priors or {})
        self._fitted = priors is not None
        self.past: PastEvents | None = None
        """Where `offline_matrix` reads some of its events, in a training on a part of the log."""
        self._plans: tuple[Mapping[str, float], dict[bool, DirectPlan]] = (self.priors, {})

    @classmethod
    def from_project(
        cls, project: Project, dataset: Dataset, priors: Mapping[str, float] | None = None
    ) -> FeatureSet:
        """Return the feature set that a project declares.

        Raises
        ------
        ProjectError
            If a declaration is wrong; it names the line of the project file, the feature and the setting.
        """
        features = parse_features(project.features, FeatureSchema.of_dataset(dataset), project.where)
        return cls(features, dataset, priors)

    def __repr__(self) -> str:
        return f"FeatureSet({len(self.features)} features, {self.width} columns)"

    @property
    def encoder(self) -> KeyEncoder:
        """Encodes the keys of aggregates."""
        return self.layout.encoder

    @property
    def width(self) -> int:
        """Number of columns without those of the sources."""
        return self.layout.width

    @property
    def compares_lists(self) -> bool:
        """Whether some feature compares the items of a given list."""
        return any(feature.kind == "within_list" for feature in self.features)

    @property
    def aggregates(self) -> list[Aggregate]:
        """The distinct aggregates of all features."""
        return [a for group in self.layout.groups.values() for a in group]

    @property
    def counts_shown(self) -> bool:
        """Whether some feature counts what was shown to a user."""
        return any(a.event == IMPRESSION and "user" in a.by.split("*") for a in self.aggregates)

    def fit(self, dataset: Dataset) -> FeatureSet:
        """Learn the priors: the mean or rate over all events of a data set."""
        log = dataset.log
        priors: dict[str, float] = {}
        for feature in self.features:
            if feature.kind == "mean":
                values = log.value[log.is_kind([feature.event], feature.at_least)]
                values = values[~np.isnan(values)]
                priors[feature.name] = float(values.mean(dtype=np.float64)) if len(values) else 0.0
            elif feature.kind == "rate":
                trials = int(log.is_kind([feature.per]).sum())
                events = int(log.is_kind([feature.event], feature.at_least).sum())
                priors[feature.name] = events / trials if trials else 0.0
        self.priors, self._fitted = priors, True
        return self

    def _learned_priors(self) -> Mapping[str, float]:
        return require_fitted(self.priors if self._fitted else None, "this FeatureSet")

    def with_past(self, past: PastEvents, priors: Mapping[str, float]) -> FeatureSet:
        """Return the feature set with priors that were learned elsewhere; `offline_matrix` reads some of its events there, too."""
        twin = copy(self)
        twin.priors, twin.past = dict(priors), past
        twin._fitted = True  # noqa: SLF001 - its own instance
        return twin

    def without_past(self) -> FeatureSet:
        """Return the feature set as it serves: with its priors, and no events."""
        twin = copy(self)
        twin.past = None
        return twin

    def names(self, sources: Sequence[str]) -> list[str]:
        """Return the name of each column of the matrix."""
        return self.layout.column_names + [f"{s}_{part}" for part in ("rank", "score") for s in sources]

    def types(self, sources: Sequence[str]) -> list[str]:
        """Return XGBoost's type of each column: `c` for a category, `q` for a quantity."""
        return self.layout.column_types + ["q"] * (2 * len(sources))

    def counters(self, dataset: Dataset, saved: Path | None = None) -> OnlineCounters:
        """Return counters as they are after the log of a data set.

        Parameters
        ----------
        dataset
            The log, and the attributes of the items in it.
        saved
            Folder of saved counters, which load faster than a log is counted. If they belong to other features, the log is
            counted.
        """
        counters = self.empty_counters()
        if saved is None or not counters.load(saved):
            counters.add_log(dataset.log, dataset.items.attributes)
        return counters

    def empty_counters(self) -> OnlineCounters:
        """Return counters without any events."""
        return OnlineCounters(self.aggregates, self.encoder, self.layout.kinds, self.layout.summed)

    def item_features(self, items: Entities, room: int = SPARE_ITEMS) -> ItemFeatures:
        """Return columns and vectors of a catalogue.

        Parameters
        ----------
        items
            The catalogue. Components of texts and embeddings, and document frequencies, are learned from it.
        room
            Number of items that can be added later.
        """
        return ItemFeatures(self.layout.item_encoders, self.layout.similar_by, items, room)

    def offline_matrix(
        self,
        rows: FeatureRows,
        dataset: Dataset,
        progress: Progress | None = None,
        engine: Engine | None = None,
        item_features: ItemFeatures | None = None,
    ) -> NDArray[np.float32]:
        """Compute the matrix as of the time of each request, by SQL over the log.

        Parameters
        ----------
        rows
            Requests of the past with their candidates.
        dataset
            The log. An event counts from the moment after it became known.
        progress
            Receives the finished share, 0 to 1.
        engine
            Runs the SQL (default: DuckDB).
        item_features
            Made from `dataset.items` before, if several matrices are computed (default: made here).

        Returns
        -------
        ndarray
            float32 (rows, columns); see `names`.
        """
        engine = engine or DuckDBEngine()
        items = item_features or self.item_features(dataset.items, room=0)
        counts = OfflineCounts(dataset, self.encoder, engine, self.past)
        similarity = OfflineSimilarity(dataset.log, engine)
        source = OfflineSource(self.layout, rows, items, counts, similarity)
        return build_matrix(self.layout, self._learned_priors(), rows, items, source, progress)

    def online_matrix(
        self, rows: FeatureRows, counters: OnlineCounters, item_features: ItemFeatures
    ) -> NDArray[np.float32]:
        """Compute the matrix as of now. It changes nothing: any number of threads may call it at once.

        Parameters
        ----------
        rows
            Requests with their histories and candidates.
        counters
            Counters of this feature set, advanced to the time of the requests by their owner.
        item_features
            Columns and vectors of the catalogue, of this feature set.

        Returns
        -------
        ndarray
            float32 (rows, columns); see `names`.
        """
        priors = self._learned_priors()
        plan = self._direct_plan(visitors=bool((rows.users < 0).any()))
        source = OnlineSource(self.layout, plan, rows, item_features, counters)
        return build_matrix(self.layout, priors, rows, item_features, source)

    def _direct_plan(self, *, visitors: bool) -> DirectPlan:
        """Return the plan of the features with one key a row, made once for these priors; with visitors, without those by the user."""
        priors, plans = self._plans
        if priors is not self.priors:
            plans = {}
            self._plans = self.priors, plans
        if visitors not in plans:
            directs = [d for d in self.layout.direct if not (visitors and d.of_user)]
            plans[visitors] = DirectPlan(directs, self.encoder, self.priors)
        return plans[visitors]

"""Training on Spark: the executors read, check, count and fit; the ranker learns from a bounded part.

    tables ── executors: read, check, cut in time ──┬── retrievers, priors, counts of items: from all events, on the executors
                                                    └── some users, all events of each ──► driver: examples, calibration, bundle
                                                                                            (many examples: trees on executors)

A log of at most `spark.events` events is collected and trained as on one machine: the same bundle. Of a larger one, the driver gets
all events of a random part of the users. What an event says about its user is complete in such a sample; what it says about items is
counted by the executors over all users. What the driver collects, and the bound of each part, is listed in `whole_log`, `retrievers`
and `past`: nothing grows with the number of events or users.

The ranker's examples are made on the driver, at most `rank.max_rows` of them. Its trees grow there, or on the executors (`trees`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from shortlist.cascade.train import train
from shortlist.cascade.training_data import training_data
from shortlist.config.data import TableSettings
from shortlist.config.project import Project
from shortlist.data.check import Check
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.tables import Tables, query_files, verbatim_columns
from shortlist.distributed.past import WholePast, check_features
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.retrievers import WholeRetrievers, check_retrievers, refit_popular
from shortlist.distributed.table_frame import FILE, ROW, TableFrame
from shortlist.distributed.trees import ranker_growth
from shortlist.distributed.whole_log import WholeLog, collected, in_order, read_whole_log
from shortlist.engines.duckdb import read_source
from shortlist.engines.plain_types import plain_table
from shortlist.engines.spark_session import LOCAL_TASKS
from shortlist.errors import ProjectError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.gbdt.tree_job import Grow
from shortlist.recommender import Recommender
from shortlist.retrieve import Popular, Retriever, make_retrievers
from shortlist.retrieve.auto_sources import is_auto

NOT_CHOSEN = ("200", str(LOCAL_TASKS))
"""Numbers of tasks that nobody has chosen: the default of Spark, and that of `spark_session` on one machine."""
ROWS_A_TASK, FEWEST_TASKS, MOST_TASKS = 1_000_000, LOCAL_TASKS, 10_000


@dataclass(frozen=True, repr=False)
class SparkTraining:
    """A recommender trained on Spark, and where it learned from.

    Attributes
    ----------
    recommender
        Trained.
    check
        The report on the tables.
    events
        Events of the log that are used.
    on_driver
        Events that the driver has, and the bundle.
    """

    recommender: Recommender
    check: Check
    events: int
    on_driver: int

    @property
    def whole(self) -> bool:
        """Whether the driver had the whole log."""
        return self.events == self.on_driver

    def __repr__(self) -> str:
        return f"SparkTraining({self.events:,} events, {self.on_driver:,} on the driver)"


def train_on_spark(session: Any, project: Project, progress: Progress = silent) -> SparkTraining:
    """Train a project from its tables, on the executors of a Spark session.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    project
        Settings; `project.spark.events` bounds what the driver gets.
    progress
        Called with the steps.

    Raises
    ------
    DataError
        Lists every error that was found in the tables.
    ProjectError
        A larger log, and a retriever, a feature or a declaration that needs all of it on one machine.
    EngineError
        A job failed.
    """
    grow = ranker_growth(session, project)
    found = read_logs(session, project, progress)
    if isinstance(found, Tables):
        return _on_one_machine(project, found, progress, grow)
    dataset = sample_of(found)
    recommender = fit_on_executors(project, found, dataset, progress, grow)
    found.release()
    return SparkTraining(recommender, found.check, found.check.kept, len(dataset.log))


def read_logs(session: Any, project: Project, progress: Progress) -> Tables | WholeLog:
    """Read and check the tables: as tables where the events are at most `spark.events`, else as a log on the executors.

    Raises `DataError` and `ProjectError` as `train_on_spark`.
    """
    # batches of executors are as large as their memory easily holds
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "50000")
    session.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", "128m")
    # what is divided by user is not divided again by user and item
    session.conf.set("spark.sql.requireAllClusterKeysForDistribution", "false")
    progress("reading tables", 0.0)
    log = read_frame(session, project, "events")
    rows = collected(log.frame.drop(FILE, ROW).groupBy().count()).column("count")[0].as_py()
    if rows <= project.spark.events:
        few = tables_of_few(project, log)
        progress("reading tables", 1.0)
        return few
    divide(session, rows)
    progress("reading tables", 1.0)
    if is_auto(project.retrieve.sources):
        raise ProjectError(
            f'{project.where("retrieve.sources")}retrieve.sources: "auto" is chosen on one machine; name the sources for a log of more '
            f"than {project.spark.events:,} events",
            field="retrieve.sources",
        )
    check_retrievers(project, make_retrievers(project.retrieve, project.where))
    progress("checking events", 0.0)
    whole = read_whole_log(session, project, replace(log, rows=rows))
    progress("checking events", 1.0)
    return whole


def divide(session: Any, rows: int) -> None:
    """Set the number of tasks that read the shuffled rows of a log, unless it was chosen: a task costs some tenths of a second by itself."""
    setting = "spark.sql.shuffle.partitions"
    if session.conf.get(setting) in NOT_CHOSEN:
        session.conf.set(setting, str(min(max(rows // ROWS_A_TASK, FEWEST_TASKS), MOST_TASKS)))


def tables_of_few(project: Project, log: TableFrame) -> Tables:
    """Collect the tables of a project, whose events are at most `spark.events`."""
    ordered = in_order(collected(log.frame))
    tables: dict[str, pa.Table | None] = {"events": plain_table(ordered, log.name)}
    names, readings = {"events": log.name}, {}
    for role in ("items", "users"):
        source = getattr(project.data, role)
        names[role] = source.rpartition("/")[2] if source else role
        if source:
            reading = read_source(
                source,
                project.data.database,
                query_files(project),
                verbatim_columns(project),
                project.data.encoding,
            )
            tables[role], readings[role] = reading.table, reading
    events = tables["events"]
    assert events is not None
    return Tables(events, tables.get("items"), tables.get("users"), names, readings)


def _on_one_machine(project: Project, tables: Tables, progress: Progress, grow: Grow | None) -> SparkTraining:
    dataset = Dataset.from_tables(project, tables)
    log, ready = training_data(dataset, None, None, project)
    recommender = Recommender.of(train(ready, log, progress, grow=grow))
    return SparkTraining(recommender, dataset.check, len(dataset.log), len(dataset.log))


def sample_of(whole: WholeLog) -> Dataset:
    """Make the data set of the driver: the whole catalogue, and all events of some users."""
    project = whole.project
    if not project.data.items:  # the catalogue is that of all events, not that of the sample
        item = project.data.columns.item
        whole = replace(whole, items=whole.items.rename_columns([item]))
        project = project.model_copy(update={"items": TableSettings(id=item)})
    return replace(Dataset.from_tables(project, whole.sample()), check=whole.check)


class _Whole:
    """The whole log as `cascade.train` takes it."""

    def __init__(self, whole: WholeLog, dataset: Dataset, project: Project) -> None:
        self._whole, self._dataset, self._project = whole, dataset, project

    def fit(
        self, retrievers: Mapping[str, Retriever], until: int | None, progress: Progress, step: str
    ) -> None:
        """Fit retrievers on the executors."""
        progress(step, 0.0)
        WholeRetrievers(self._whole, self._dataset, until).fit(retrievers, progress, step)

    def refit(
        self, retrievers: Mapping[str, Retriever], moments: Sequence[int]
    ) -> Iterator[Mapping[str, Retriever]]:
        """Yield the retrievers as of each moment: `popular` is counted anew on the executors."""
        if not moments:
            return
        fresh = {
            name: refit_popular(self._whole, self._dataset, model, moments)
            for name, model in retrievers.items()
            if isinstance(model, Popular)
        }
        for at in range(len(moments)):
            yield {name: fresh[name][at] if name in fresh else model for name, model in retrievers.items()}

    def features(self, features: FeatureSet, until: int) -> FeatureSet:
        """Learn the priors, and read counts of items, on the executors."""
        check_features(self._project, features)
        past = WholePast(self._whole, self._dataset, features.encoder)
        return features.with_past(past, past.priors(features, until))


def fit_on_executors(
    project: Project,
    whole: WholeLog,
    dataset: Dataset,
    progress: Progress = silent,
    grow: Grow | None = None,
) -> Recommender:
    """Train from a whole log, of which the driver has all events of some users.

    Parameters
    ----------
    project
        Settings.
    whole
        The log.
    dataset
        What `sample_of` made of it; where the log was cut in time, so is this.
    progress
        Called with the steps.
    grow
        What `ranker_growth` returned: where the trees of the ranker grow (default: in this process).
    """
    log, ready = training_data(dataset, None, None, project)
    check_retrievers(ready, make_retrievers(ready.retrieve, ready.where), len(dataset.items))
    check_features(ready, FeatureSet.from_project(ready, dataset))
    model = train(ready, log, progress, None, _Whole(whole, dataset, ready), grow)
    progress("counters", 0.0)
    counters = WholePast(whole, dataset, model.features.encoder).counters(model.features)
    progress("counters", 1.0)
    return Recommender.of(model, counters)

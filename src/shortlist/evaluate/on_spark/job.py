"""The evaluation of a project on Spark: cut in time, train, make slates and metrics on the executors, compare on the driver.

| what the driver collects | at most |
| --- | --- |
| what training collects | see `shortlist.distributed.train` |
| the moment of the cut: counts of events by time | 65,536 rows a pass, few passes |
| a count, a last time and what is popular now, of each item | items |
| ids of the people who are judged, where they are few | 2,000 |
| how often each item and provider was shown, by each recommender | recommenders · items |
| numbers of people by the length of their history | lengths |
| sums of each group of people | 2,000 · recommenders · metrics |

Calibration, leaks, and the judgement by what was shown, come from the users whose events the driver has.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.config.base import IMPRESSION
from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.tables import Tables
from shortlist.data.waiting import leave_out_waiting
from shortlist.distributed.moments import moment_at
from shortlist.distributed.on_executors import on_executors
from shortlist.distributed.past import WholePast
from shortlist.distributed.placed_bundle import placed_bundle
from shortlist.distributed.train import fit_on_executors, read_logs, sample_of
from shortlist.distributed.trees import ranker_growth
from shortlist.distributed.whole_log import WholeLog, collected
from shortlist.engines.job_error import job_error
from shortlist.errors import DataError, ProjectError
from shortlist.evaluate.catalogue import item_statistics
from shortlist.evaluate.comparison import compare_people
from shortlist.evaluate.fold import Fold
from shortlist.evaluate.fold_slates import SUBJECT, FoldEvidence, report_on, weights_reported
from shortlist.evaluate.folds import fold_between, refuse_sampling
from shortlist.evaluate.measures import ORDER, WholeSet
from shortlist.evaluate.on_spark.baselines import popularity_of, whole_baselines
from shortlist.evaluate.on_spark.grouped import judged_groups
from shortlist.evaluate.on_spark.part import ANSWERS, MAIN, SUMS, PartWork, answer_part, judge_parts
from shortlist.evaluate.on_spark.people import PART, PeopleToJudge, people_to_judge
from shortlist.evaluate.policies import baseline_scorers
from shortlist.evaluate.protocol import evaluate
from shortlist.evaluate.report import Report
from shortlist.evaluate.slice_groups import PeopleScheme, item_groups
from shortlist.evaluate.slices import SliceColumn
from shortlist.metrics.exposure import Exposure, Lift
from shortlist.recommender import Recommender

Sums = dict[str, dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]]
"""Kind → recommender → numbers and sums."""


def evaluate_on_spark(
    session: Any, project: Project, progress: Progress = silent, functions: Path | None = None
) -> Report:
    """Evaluate a project from its tables, on the executors of a Spark session.

    A log of at most `spark.events` events is collected, and evaluated as on one machine.

    Parameters
    ----------
    session
        A `pyspark.sql.SparkSession`, also one of Spark Connect.
    project
        Settings; `evaluate.people` is how many people are judged.
    progress
        Called with the steps.
    functions
        A file that registers custom features; it is executed on the executors.

    Raises
    ------
    DataError
        Lists every error in the tables; or the test has no relevant items.
    ProjectError
        A larger log, and a protocol or declaration that needs all of it on one machine.
    EngineError
        A job failed.
    """
    refuse_sampling(project.evaluate.candidates)
    grow = ranker_growth(session, project)
    found = read_logs(session, project, progress)
    if isinstance(found, Tables):
        return evaluate(project, Dataset.from_tables(project, found), progress)
    _check_protocol(project)
    dataset = sample_of(found)
    cut = moment_at(found.acted(), 1 - project.evaluate.test)
    if project.data.kinds:
        project = leave_out_waiting(project, dataset.before(cut).log).project
    past = found.before(cut)
    started = time.perf_counter()
    recommender = fit_on_executors(project, past, dataset.before(cut), progress, grow)
    facts: dict[str, Any] = {"fit_seconds": round(time.perf_counter() - started, 2)}
    judgement = SparkJudgement(found, past, dataset, recommender, cut)
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        bundle = recommender.save(Path(folder) / "bundle")
        with placed_bundle(session, bundle, recommender.version, functions) as placed:
            work = judgement.work(placed)
            report = judgement.report(work, facts, progress)
    found.release()
    return report


def _check_protocol(project: Project) -> None:
    """Refuse what is judged on one machine only."""
    settings = project.evaluate
    reason, field = "", "evaluate.protocol"
    if settings.protocol != "time":
        reason = f'protocol = "{settings.protocol}" divides the log otherwise than in time; use "time"'
    elif settings.requests == "events":
        reason, field = (
            'requests = "events" needs the contexts of the test; use "people"',
            "evaluate.requests",
        )
    if reason:
        raise ProjectError(
            f"{project.where(field)}{field}: {reason}, or increase spark.events ({project.spark.events:,}) so that the log fits the "
            "driver",
            field=field,
        )


@dataclass(frozen=True, repr=False)
class SparkJudgement:
    """A recommender that was trained on the past of a whole log, and the test.

    Attributes
    ----------
    whole, past
        The log, and what was known before the test.
    dataset
        All events of the users whom the driver has.
    recommender
        Trained on the past.
    cut
        Where the test begins, ms.
    """

    whole: WholeLog
    past: WholeLog
    dataset: Dataset
    recommender: Recommender
    cut: int

    def __repr__(self) -> str:
        return f"SparkJudgement({self.whole!r})"

    def work(self, placed: Any) -> PartWork:
        """Return what executors are told; the groups by activity come later."""
        users = self.recommender.dataset.users.attributes
        return PartWork(
            placed,
            self.cut,
            whole_baselines(self.past, self.recommender.dataset),
            popularity_of(self.past, self.whole),
            PeopleScheme.of(None, users),
        )

    def report(self, work: PartWork, facts: dict[str, Any], progress: Progress) -> Report:
        """Make slates and metrics on the executors, and compare."""
        from pyspark import StorageLevel
        from pyspark.sql import functions as sql

        project = self.recommender.project
        progress("evaluation", 0.0)
        people = people_to_judge(self.whole, project, self.cut)
        frame = _answers(people, work).persist(StorageLevel.DISK_ONLY)
        sums = _collected_sums(frame.where(sql.col("kind") != "slates"))
        if "shown" not in sums:
            raise DataError(
                f"the test has no relevant items ({project.relevant}); increase evaluate.test",
                field="evaluate.test",
            )
        progress("evaluation", 0.5)
        work = replace(work, scheme=replace(work.scheme, thirds=history_thirds(*sums["history"][""])))
        wholes = self._wholes(sums, work)
        columns, parts = self._columns(work)
        numbers = {column: number for number, column in enumerate(columns)}
        slates = frame.where(sql.col("kind") == "slates").select("part")
        found = collected(slates.mapInArrow(on_executors(partial(judge_parts, work, wholes, numbers)), SUMS))
        frame.unpersist()
        progress("evaluation", 1.0)
        progress("comparison", 0.0)
        settings = project.evaluate
        judged = judged_groups(found, list(wholes), columns, parts, settings.bootstrap, project.seed)
        result = compare_people(judged, SUBJECT, settings.k, MAIN)
        progress("comparison", 1.0)
        fold, evidence = self._evidence(progress)
        return report_on(self.recommender, fold, result, evidence, self._facts(facts, sums, result.people))

    def _wholes(self, sums: Sums, work: PartWork) -> dict[str, WholeSet]:
        """Join the numbers of whole sets of slates, which each part gave its share of."""
        statistics = item_statistics(self.recommender, work.popularity, self.cut)
        users = int(sums["history"][""][1].sum())

        def exposure(kind: str, name: str, n: int) -> Exposure:
            shown = np.zeros(n)
            number, value = sums.get(kind, {}).get(name, (np.empty(0, np.int64), np.empty(0)))
            shown[number] = value
            return Exposure(users, shown)

        def lift(name: str) -> Lift:
            number, value = sums["lift"][name]
            own = dict(zip(number.tolist(), value.tolist(), strict=True))
            return Lift(int(own[0]), own[1], own[2])

        names = [SUBJECT, *baseline_scorers(self.recommender, work.models)]
        return {
            name: WholeSet(
                exposure("shown", name, statistics.n),
                None if statistics.provider is None else exposure("provider", name, statistics.providers),
                lift(name) if "lift" in sums else None,
            )
            for name in names
        }

    def _columns(self, work: PartWork) -> tuple[list[str], list[SliceColumn]]:
        """Return the metrics and the slices that executors may find."""
        k = self.recommender.project.evaluate.k
        statistics = item_statistics(self.recommender, work.popularity, self.cut)
        of_people = {"activity": work.scheme.activity(np.empty(0, np.int64)), **work.scheme.attributes}
        of_items = item_groups(statistics, self.recommender.dataset.items.attributes)
        parts = [
            SliceColumn.of_group(d, name, "people") for d, (_, names) in of_people.items() for name in names
        ]
        parts += [
            SliceColumn.of_group(d, name, "items") for d, (_, names) in of_items.items() for name in names
        ]
        metrics = [f"{name}@{k}" for name in (*ORDER, "utility_ndcg")]
        return [*metrics, *(part.key for part in parts)], parts

    def _evidence(self, progress: Progress) -> tuple[Fold, FoldEvidence]:
        """Look at the model with the users whom the driver has; counts of items are those of all users."""
        progress("checks", 0.0)
        project, model = self.recommender.project, self.recommender.model
        fold = fold_between(project, self.dataset, self.cut, int(self.dataset.log.time[-1]) + 1)
        past = WholePast(self.whole, self.dataset, model.features.encoder)
        looking = replace(model, features=model.features.with_past(past, model.features.priors))
        evidence = FoldEvidence()
        evidence.look_at(Recommender.of(looking, self.recommender.state.counters), self.dataset, fold)
        evidence.judge_shown(self.recommender, self.dataset, fold, progress)
        progress("checks", 1.0)
        return fold, evidence

    def _facts(self, facts: dict[str, Any], sums: Sums, people: int) -> dict[str, Any]:
        project = self.recommender.project
        sizes, counts = sums["history"][""]
        train = self.recommender.dataset
        return {
            "people": people,
            "people_with_history": int(counts[sizes > 0].sum()),
            "requests": int(counts.sum()),
            "items": len(train.items),
            "train_events": self.past.events.count(),
            "protocol": "time",
            "test_from": str(np.datetime64(self.cut, "ms").astype("datetime64[s]")),
            "relevant": project.relevant,
            "weighed": weights_reported(project),
            "logged_slates": bool(train.log.is_kind([IMPRESSION]).any()),
            **facts,
            "recommend_seconds": {
                name: round(float(value.sum()), 3) for name, (_, value) in sums["seconds"].items()
            },
        }


def _answers(people: PeopleToJudge, work: PartWork) -> Any:
    """Return the rows of `answer_part`, a task for each part."""

    def answer(table: pa.Table) -> pa.Table:
        return answer_part(
            work, table
        )  # Spark reads the types of a function, and those of a partial are unknown to it

    grouped = people.events.repartition(people.parts, PART).groupBy(PART)
    return grouped.applyInArrow(answer, ANSWERS)


def _collected_sums(frame: Any) -> Sums:
    from pyspark.sql import functions as sql

    try:
        found = collected(frame.groupBy("kind", "name", "id").agg(sql.sum("n").alias("n")))
    except Exception as error:  # noqa: BLE001 - errors of jobs have no class of their own here
        raise job_error(error) from None
    sums: Sums = {}
    found = found.sort_by([("kind", "ascending"), ("name", "ascending"), ("id", "ascending")])
    for kind in found.column("kind").unique().to_pylist():
        of_kind = found.filter(pa.compute.equal(found.column("kind"), kind))
        sums[kind] = {}
        for name in of_kind.column("name").unique().to_pylist():
            own = of_kind.filter(pa.compute.equal(of_kind.column("name"), name))
            sums[kind][name] = own.column("id").to_numpy(), own.column("n").to_numpy()
    return sums


def history_thirds(sizes: NDArray[np.int64], counts: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the thirds of people with a history by the number of its events, from how many people have how many, sizes ascending."""
    known = sizes > 0
    ends = np.cumsum(counts[known])
    if not len(ends):
        return None
    low, high = (_quantile(sizes[known], ends, share) for share in (1 / 3, 2 / 3))
    return int(low), int(high)


def _quantile(values: NDArray[np.int64], ends: NDArray[np.float64], share: float) -> float:
    """Return what `np.quantile` returns, where value i occurs `ends[i] - ends[i - 1]` times."""
    at = share * (ends[-1] - 1)
    low, high = values[np.searchsorted(ends, [np.floor(at), np.ceil(at)], side="right")]
    return float(low + (high - low) * (at - np.floor(at)))

"""Training on Spark: what the executors learn of a whole log is what one machine learns of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from shortlist.config.project import Project, parse_project
from shortlist.data.attributes import CategoryAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import as_of
from shortlist.data.tables import Tables
from shortlist.distributed.jdbc_table import page_ranges
from shortlist.distributed.past import WholePast, check_features
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.retrievers import WholeRetrievers, check_retrievers, refit_popular
from shortlist.distributed.train import divide, read_logs, sample_of, train_on_spark
from shortlist.distributed.trees import TreesOnExecutors
from shortlist.distributed.usable_events import TIME
from shortlist.distributed.whole_log import WholeLog, read_whole_log
from shortlist.errors import DataError, ProjectError
from shortlist.features.feature_set import FeatureSet
from shortlist.rank.gbdt.tree_job import TreeJob
from shortlist.recommender import Recommender
from shortlist.retrieve import Neighbours, Popular, make_retrievers
from shortlist.retrieve.content import Content
from shortlist.retrieve.event_weighting import EventWeighting, interactions
from shortlist.retrieve.sequence import Sequence
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.together import Together
from shortlist.simulate.movies import make_movies
from support.feature_cases import assert_equal, requests_for_all_items
from support.postgres import Postgres
from support.spark_case import SparkCase, bounded, spark_case
from support.spark_cluster import POSTGRESQL
from support.worlds import deterministic

SOURCES: list[dict[str, Any]] = [
    {"model": "popular", "half_life": "30d"},
    {"model": "neighbours", "k": 40},
    {"model": "als", "factors": 32},
    {"model": "content", "factors": 16},
    {"model": "again"},
]


@pytest.fixture(scope="module")
def case(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> SparkCase:
    world = deterministic(make_movies(users=250, items=150, sessions=1_200, days=40, seed=3))
    made = spark_case(spark, world, SOURCES, tmp_path_factory.mktemp("world"), partitions=3)
    assert made.whole.parts == 3  # users are in several partitions
    return made


@pytest.fixture(scope="module")
def sample(case: SparkCase) -> Dataset:
    """What the driver has of the log."""
    return sample_of(case.whole)


def test_the_report_is_that_of_one_machine(case: SparkCase) -> None:
    found = case.whole.check
    assert found.kept == len(case.dataset.log)
    assert found.read == found.kept + 1
    assert found.set_aside == {"duplicates": 1}
    assert case.dataset.check.notes[0] in found.notes


def test_the_driver_has_all_events_of_some_users(case: SparkCase, sample: Dataset) -> None:
    dataset = case.dataset
    assert 0.2 * len(dataset.log) < len(sample.log) <= case.project.spark.events
    assert sample.items.ids.values.equals(dataset.items.ids.values)
    users = dataset.users.ids.codes(sample.users.ids.values)
    acted = np.bincount(dataset.log.user, minlength=len(dataset.users))
    assert np.bincount(sample.log.user).tolist() == acted[users].tolist()
    name = next(iter(sample.users.attributes))
    there = dataset.users.attributes[name].take(users)
    assert sample.users.attributes[name].to_arrow().equals(there.to_arrow())


def others(case: SparkCase, weighting: EventWeighting) -> dict[str, Any]:
    """Sources that learn pairs of items, beside those of the project."""
    category, segment = (
        next(name for name, a in entities.attributes.items() if isinstance(a, CategoryAttribute))
        for entities in (case.dataset.items, case.dataset.users)
    )
    return {
        "slim": SLIM(event_weighting=weighting),
        "bm25": Neighbours(similarity="bm25", k=20, event_weighting=weighting),
        "together": Together(basket="2d", k=200, event_weighting=weighting),
        "apart": Together(basket="2d", k=200, apart=category, event_weighting=weighting),
        "sequence": Sequence(k=200, event_weighting=weighting),
        "segments": Popular(by=segment, half_life="10d", event_weighting=weighting),
    }


def test_retrievers_learn_what_one_machine_learns(case: SparkCase, sample: Dataset) -> None:
    until = int(np.quantile(case.dataset.log.time, 0.8))
    learned: dict[str, Any] = {**make_retrievers(case.project.retrieve)}
    learned |= others(case, learned["als"].event_weighting)
    WholeRetrievers(case.whole, sample, until).fit(learned, lambda _step, _share: None, "")
    here: dict[str, Any] = {**make_retrievers(case.project.retrieve)}
    here |= others(case, learned["als"].event_weighting)
    for retriever in here.values():
        retriever.fit(case.dataset.before(until))
    np.testing.assert_allclose(learned["popular"].counts_, here["popular"].counts_, rtol=1e-5)
    by = here["segments"].config.by
    words, all_words = (
        each.users.attribute(by, CategoryAttribute).vocabulary for each in (sample, case.dataset)
    )
    rows = [*(list(all_words).index(word) for word in words), -1]
    np.testing.assert_allclose(learned["segments"].counts_, here["segments"].counts_[rows], rtol=1e-5)
    for name in ("neighbours", "bm25", "together", "apart", "sequence", "slim"):
        one, other = learned[name].weights_.toarray(), here[name].weights_.toarray()
        assert abs(one - other).max() < 1e-4 * abs(other).max(), name
    users = sample.users.ids.values.to_pylist()[:100]
    for name in (
        "als",
        "content",
    ):  # another learner of the same objective: lists overlap far more than by chance
        slates = [[i.item for i in learned[name].recommend(user, 10).items] for user in users]
        same = [[i.item for i in here[name].recommend(user, 10).items] for user in users]
        overlap = np.mean([len({*a} & {*b}) / 10 for a, b in zip(slates, same, strict=True)])
        assert overlap > 0.3, (name, overlap)
    assert_content_has_the_factors_of_als(learned, case.dataset.before(until))


def assert_content_has_the_factors_of_als(learned: dict[str, Any], known: Dataset) -> None:
    """`content` maps descriptions to the factors of `als`, by the weights that one machine finds in the log."""
    als, content = learned["als"], learned["content"]
    np.testing.assert_array_equal(content.als_factors_, als.item_factors_)
    taken = np.asarray(interactions(known, als.event_weighting).sum(0)).ravel()
    here = Content(content.config).fit_with(known, taken, lambda _factors: als)
    np.testing.assert_allclose(content.factor_map_, here.factor_map_, atol=1e-4 * abs(here.factor_map_).max())


def test_popular_is_refitted_as_on_one_machine(case: SparkCase, sample: Dataset) -> None:
    segment = next(
        name for name, a in case.dataset.users.attributes.items() if isinstance(a, CategoryAttribute)
    )
    moments = [int(np.quantile(case.dataset.log.time, share)) for share in (0.5, 0.7, 0.9)]
    for settings in (
        {"half_life": "auto"},
        {"window": "5d", "at_least": 4.1},
        {"by": segment, "half_life": "10d"},
    ):
        here = Popular(**settings).fit(case.dataset.before(moments[0]))
        there = Popular(**settings)
        WholeRetrievers(case.whole, sample, moments[0]).fit(
            {"popular": there}, lambda _step, _share: None, ""
        )
        if settings.get("half_life") == "auto":  # chosen on the sample there
            there = here
        found = refit_popular(case.whole, sample, there, moments)
        for moment, one in zip(moments, found, strict=True):
            other = here.refreshed(case.dataset.before(moment))
            assert other is not None
            rows = list(range(len(other.counts_)))
            if "by" in settings:  # words in the order of their first user
                words, all_words = (
                    each.users.attribute(segment, CategoryAttribute).vocabulary
                    for each in (sample, case.dataset)
                )
                rows = [*(list(all_words).index(word) for word in words), -1]
            np.testing.assert_allclose(one.counts_, other.counts_[rows], rtol=1e-5)


def test_features_and_counters_count_all_users(case: SparkCase, sample: Dataset) -> None:
    dataset = case.dataset
    cut = int(np.quantile(dataset.log.time, 0.5))
    features = FeatureSet.from_project(case.project, sample)
    check_features(case.project, features)
    past = WholePast(case.whole, sample, features.encoder)
    here = FeatureSet.from_project(case.project, dataset).fit(dataset.before(cut))
    priors = past.priors(features, cut)
    assert priors == pytest.approx(here.priors)
    few = np.sort(np.random.default_rng(0).choice(len(sample.log), 12, replace=False))
    users, moments = sample.log.user[few], sample.log.time[few]
    rows = requests_for_all_items(sample, users, moments, as_of(sample.histories, users, moments))
    found = features.with_past(past, here.priors).offline_matrix(rows, sample)
    users = dataset.users.ids.codes(sample.users.ids.values)[users]
    rows = requests_for_all_items(dataset, users, moments, as_of(dataset.histories, users, moments))
    assert_equal(found, here.offline_matrix(rows, dataset), here.names([]))

    counters, whole = past.counters(features), here.counters(dataset)
    compared = 0
    for aggregate in filter(past.has, features.aggregates):
        keys = np.arange(min(here.encoder.size(aggregate.by), 100_000))
        one, other = counters.lookup(aggregate, keys), whole.lookup(aggregate, keys)
        for name in ("n", "total", "last", "value"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), (aggregate, name)
        compared += int(other.n.sum() > 0)
    assert compared >= 2


def test_a_log_that_fits_is_that_of_one_machine(spark: Any, case: SparkCase) -> None:
    project = bounded(case.project, len(case.dataset.log) + 1)
    tables = read_logs(spark, project, lambda _step, _share: None)
    assert isinstance(tables, Tables)
    found = Dataset.from_tables(project, tables)
    here = Dataset.from_project(project)
    assert found.check.to_json() == here.check.to_json()
    for name in ("user", "item", "time", "kind", "value"):
        np.testing.assert_array_equal(getattr(found.log, name), getattr(here.log, name))
    assert found.users.ids.values.equals(here.users.ids.values)


def test_the_number_of_tasks_follows_the_log_unless_it_is_chosen(spark: Any) -> None:
    setting = "spark.sql.shuffle.partitions"
    chosen = spark.conf.get(setting)
    found = []
    for given, rows in (("200", 1_000), ("200", 10_000_000), ("4", 10**11), ("64", 1_000)):
        spark.conf.set(setting, given)
        divide(spark, rows)
        found.append(spark.conf.get(setting))
    spark.conf.set(setting, chosen)
    assert found == ["4", "10", "10000", "64"]


def test_a_trained_recommender_answers_as_after_loading(
    spark: Any, case: SparkCase, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose trees grew on an executor."""
    grown: list[int] = []

    def spy(self: TreesOnExecutors, job: TreeJob, workers: int) -> Any:
        grown.append(workers)
        return grow(self, job, workers)

    grow = TreesOnExecutors._grown
    monkeypatch.setattr(TreesOnExecutors, "_grown", spy)
    rank = case.project.rank.model_copy(update={"trees": 10, "max_rows": 20_000})
    retrieve = case.project.retrieve.model_copy(update={"sources": SOURCES[:2]})
    settings = case.project.spark.model_copy(update={"ranker": "executors"})
    project = case.project.model_copy(update={"rank": rank, "retrieve": retrieve, "spark": settings})
    trained = train_on_spark(spark, project)
    assert grown == [1] * len(grown)
    assert grown
    assert trained.events == len(case.dataset.log)
    assert trained.on_driver == len(sample.log)
    trained.recommender.save(tmp_path / "bundle")
    again = Recommender.load(tmp_path / "bundle")
    user = sample.users.ids.id(3)
    one, other = (each.recommend(user, 10, seed=0) for each in (trained.recommender, again))
    assert [item.item for item in one.items] == [item.item for item in other.items]
    assert [item.predictions for item in one.items] == [item.predictions for item in other.items]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"retrieve": {"sources": [{"model": "spectral"}]}}, r"spectral learns on one machine only.*popular, neighbours.*spark.events"),
        ({"retrieve": {"sources": [{"model": "slim", "exact_items": 10}]}}, r"Gram matrix of 50 items.*exact_items = 10"),
        ({"features": [{"name": "who", "kind": "distinct", "of": "user", "by": "item", "event": "event"}]}, r"feature 'who'.*every pair"),
        ({"features": [{"name": "low", "kind": "minimum", "by": "item", "event": "event"}]}, r"feature 'low'.*not summed"),
    ],
)  # fmt: skip
def test_what_needs_one_machine_is_refused(change: dict[str, Any], words: str) -> None:
    project = parse_project(change)
    events = pa.table({"user_id": ["u"] * 50, "item_id": [f"i{at}" for at in range(50)]})
    dataset = Dataset.from_frames(events, project=project)
    features = FeatureSet.from_project(project, dataset)
    with pytest.raises(ProjectError, match=words):
        check_all(project, features)


def check_all(project: Project, features: FeatureSet) -> None:
    check_retrievers(project, make_retrievers(project.retrieve), 50)
    check_features(project, features)


def read_frame_of(spark: Any, source: str) -> Any:
    return read_frame(spark, parse_project({"data": {"events": source}}), "events").frame


def log_of(spark: Any, path: Path | str, **data: Any) -> WholeLog:
    columns = {"timestamp": "t", **data.pop("columns", {})}
    project = bounded(parse_project({"data": {"events": str(path), "columns": columns, **data}}), 1_000)
    return read_whole_log(spark, project, read_frame(spark, project, "events"))


def test_faults_are_reported_with_file_row_and_field(spark: Any, tmp_path: Path) -> None:
    for name, user, time in (("a", "u", 1_600_000_000), ("b", None, 1_600_000_100)):
        table = pa.table({"user_id": ["u", user], "item_id": ["007", "7"], "t": [1_600_000_000, time]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    whole = log_of(spark, tmp_path)
    assert whole.check.set_aside == {"without user_id": 1, "duplicates": 1}
    missing = next(problem for problem in whole.check.problems if "missing" in problem.what)
    assert missing.file == f"{tmp_path.name}/b.parquet"
    assert missing.examples == ["row 2: user_id=None, item_id=7, t=1600000100"]
    assert whole.items.column(0).to_pylist() == ["007", "7"]
    with pytest.raises(DataError, match=r"item: no such column.*did you mean 'item_id'"):
        log_of(spark, tmp_path, columns={"item": "item"})
    with pytest.raises(DataError, match=r"fill_down: not possible.*the row above"):
        log_of(spark, tmp_path, fill_down={"columns": ["user_id"]})


def test_text_files_are_read_by_the_rules_of_one_machine(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id,t\nu1,007,2024-01-01\nu2,1e2,2024-01-02\n")
    whole = log_of(spark, path)
    assert whole.items.column(0).to_pylist() == ["007", "1e2"]
    assert whole.events.count() == 2
    path.write_text("user_id,item_id,t\nu1,007,2024-01-01\nu2,1e2\n")
    with pytest.raises(DataError, match=r"events.csv: line 3: 2 values where there are 3 columns"):
        log_of(spark, path)
    with pytest.raises(DataError, match="no such file"):
        log_of(spark, tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"a query .* on one machine"):
        log_of(spark, Path("SELECT 1 AS x"))
    pc.write_csv(pa.table({"x": [1]}), path)
    with pytest.raises(DataError, match="no such column"):
        log_of(spark, path)


def test_times_with_and_without_a_zone_are_read(spark: Any, tmp_path: Path) -> None:
    for name, zone in (("zone", "Europe/Berlin"), ("none", None)):
        times = pa.array([1_700_000_000_000_000, 1_700_000_001_000_000]).cast(pa.timestamp("us", zone))
        table = pa.table({"user_id": ["u", "v"], "item_id": ["a", "b"], "t": times})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        whole = log_of(spark, tmp_path / f"{name}.parquet")
        assert sorted(row[TIME] for row in whole.events.select(TIME).collect()) == [
            1_700_000_000_000,
            1_700_000_001_000,
        ]


def test_a_table_of_postgresql_is_divided_by_pages() -> None:
    assert page_ranges(0) == page_ranges(10, 10) == []
    assert page_ranges(25, 10) == [
        "ctid >= '(0,0)'::tid AND ctid < '(10,0)'::tid",
        "ctid >= '(10,0)'::tid AND ctid < '(20,0)'::tid",
        "ctid >= '(20,0)'::tid",
    ]


def test_a_table_of_postgresql_is_read_by_its_driver(
    spark: Any, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not POSTGRESQL.exists():
        pytest.skip("the JDBC driver is missing; run: sudo apt-get install libpostgresql-jdbc-java")
    address = postgres.database()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE SCHEMA log")
        connection.execute(
            "CREATE TABLE log.events (user_id text, item_id text, t timestamptz, price numeric(8, 2))"
        )
        connection.execute(
            "INSERT INTO log.events SELECT CASE WHEN n <> 7 THEN 'u' || n % 5 END, '00' || n % 3, to_timestamp(1700000000 + n), n "
            "FROM generate_series(1, 600) n"
        )
    monkeypatch.setattr("shortlist.distributed.jdbc_table.page_ranges", lambda pages: page_ranges(pages, 2))
    assert read_frame_of(spark, f"{address}?table=log.events").rdd.getNumPartitions() >= 2
    whole = log_of(spark, f"{address}?table=log.events", columns={"timestamp": "t", "value": "price"})
    assert whole.check.set_aside == {"without user_id": 1}
    assert whole.check.kept == 599
    assert sorted(whole.items.column(0).to_pylist()) == ["000", "001", "002"]
    with pytest.raises(DataError, match=r"name the table, postgresql://…\?table=schema.events"):
        log_of(spark, address)
    with pytest.raises(DataError, match=r"Spark cannot read it: .*log.none"):
        log_of(spark, f"{address}?table=log.none")


def test_a_store_of_hadoop_without_its_package(spark: Any) -> None:
    with pytest.raises(DataError, match=r"spark.jars.packages = org.apache.hadoop:hadoop-aws"):
        log_of(spark, "s3a://bucket/events/*.parquet")

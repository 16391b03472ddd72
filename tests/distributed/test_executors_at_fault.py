"""Executors whose Python or files are not those of the driver: each time one message with what to do, and no half-written output.

Python processes of executors are started for each environment and each interpreter that a job names, also where Spark runs on one
machine: here they get another search path or another interpreter than the driver.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shortlist
from shortlist.config.project import parse_project
from shortlist.data.progress import silent
from shortlist.distributed.batch import batch_on_spark
from shortlist.distributed.part_folder import PartFolder
from shortlist.distributed.placed_bundle import placed_bundle
from shortlist.distributed.read_frame import read_frame
from shortlist.distributed.slate_parts import SlateJob
from shortlist.distributed.train import train_on_spark
from shortlist.distributed.whole_log import collected
from shortlist.distributed.written_parts import write_missing
from shortlist.engines.job_error import first_line
from shortlist.errors import DataError, EngineError, ShortlistError
from shortlist.recommender import Recommender
from support.other_library import other_library, other_python, without_module
from support.spark_case import bounded

FORMAT = ("bundle/format.py", "FORMAT = 7", "FORMAT = 8")


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


@pytest.fixture
def search_path(spark: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Where the Python processes of executors look first."""
    return lambda folder: monkeypatch.setitem(spark.sparkContext.environment, "PYTHONPATH", str(folder))


def assert_no_slates(spark: Any, bundle: Path, recommender: Recommender, out: Path, words: str) -> None:
    """The job ends with a message, and its folder has no part."""
    folder = PartFolder(str(out))
    with pytest.raises(EngineError, match=words):
        batch_on_spark(spark, bundle, folder, SlateJob.of(recommender, 3, 300))
    assert folder.parts_done() == set()
    assert [path.name for path in out.iterdir()] == ["_job.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("version.py", shortlist.__version__, "0.0.9"), r"executor has Shortlist 0.0.9, and the driver has .*; install 'shortlist\[spark\]=="),
        (FORMAT, r"an executor cannot read the bundle: .* format 7 and this version of Shortlist reads format 8.*same version on every"),
        (("distributed/on_executors.py", "", None), r"another version of Shortlist than the driver, which has .*; install"),
        (("distributed/written_parts.py", "def _write_parts", "def _write_them"), r"another version of Shortlist than the driver"),
    ],
)  # fmt: skip
def test_another_version_of_the_library(
    spark: Any,
    bundle: Path,
    recommender: Recommender,
    search_path: Callable[[Path], None],
    tmp_path: Path,
    change: tuple[str, str, str | None],
    words: str,
) -> None:
    search_path(other_library(tmp_path / "library", *change))
    assert_no_slates(spark, bundle, recommender, tmp_path / "slates", words)


@pytest.mark.parametrize("module", ["pyarrow", "shortlist"])
def test_a_module_is_missing(
    spark: Any,
    bundle: Path,
    recommender: Recommender,
    search_path: Callable[[Path], None],
    tmp_path: Path,
    module: str,
) -> None:
    search_path(without_module(tmp_path / "library", module))
    words = rf"the Python of an executor has no {module}; install 'shortlist\[spark\]==.*PYSPARK_PYTHON"
    assert_no_slates(spark, bundle, recommender, tmp_path / "slates", words)


def test_another_minor_version_of_python(
    spark: Any, bundle: Path, recommender: Recommender, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = other_python()
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(python))
    words = (
        r"executors run Python 3\.\d+ and the driver runs Python 3\.\d+, .*set PYSPARK_PYTHON to a Python 3"
    )
    assert_no_slates(spark, bundle, recommender, tmp_path / "slates", words)


def test_a_python_that_is_not_there(
    spark: Any, bundle: Path, recommender: Recommender, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(tmp_path / "none"))
    words = r"an executor cannot start .*/none; set PYSPARK_PYTHON"
    assert_no_slates(spark, bundle, recommender, tmp_path / "slates", words)


def test_an_executor_cannot_write(spark: Any, bundle: Path, recommender: Recommender, tmp_path: Path) -> None:
    out = tmp_path / "slates"
    folder = PartFolder(str(out))
    job, missing = folder.begin(SlateJob.of(recommender, 3, 300))
    shutil.rmtree(out)
    out.write_text("a file, where the driver had a folder")
    with (
        placed_bundle(spark, bundle, recommender.version) as placed,
        pytest.raises(ShortlistError, match=r"^.*/slates: nothing can be written there .*; name a folder"),
    ):
        write_missing(spark, placed, folder, job, missing, lambda _share: None)


# ---------------------------------------------------------------- tables


def train_from(spark: Any, path: Path, **columns: str) -> Any:
    data = {"events": str(path), "columns": {"timestamp": "t", **columns}}
    return train_on_spark(spark, bounded(parse_project({"data": data}), 1), silent)


def events(**changed: Any) -> pa.Table:
    columns = {"user_id": ["u", "v"], "item_id": ["a", "b"], "t": [1_600_000_000, 1_600_000_100]}
    return pa.table({**columns, **changed})


def test_a_table_that_only_the_driver_has(spark: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(events(), tmp_path / f"{name}.parquet")
    project = parse_project({"data": {"events": str(tmp_path), "columns": {"timestamp": "t"}}})
    frame = read_frame(spark, project, "events").frame
    (tmp_path / "b.parquet").unlink()  # a disk of the driver: executors do not see the file
    with pytest.raises(
        EngineError, match=r"an executor does not find .*b\.parquet; name a folder that all machines share"
    ):
        collected(frame)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"item_id": pa.array([{"x": 1}, {"x": 2}])}, "item_id"),
        ({"user_id": pa.array([[1], [2]])}, "user_id"),
        ({"t": pa.array([True, False])}, "t: "),
        ({"t": pa.array(["yesterday", "today"])}, "t: "),
    ],
)
def test_columns_of_a_wrong_type(spark: Any, tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    pq.write_table(events(**changed), tmp_path / "events.parquet")
    with pytest.raises(DataError, match=words) as error:
        train_from(spark, tmp_path / "events.parquet")
    assert len(first_line(error.value)) > 20


def test_files_whose_types_differ(spark: Any, tmp_path: Path) -> None:
    pq.write_table(events(), tmp_path / "a.parquet")
    pq.write_table(events(user_id=[1, 2]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"differ in the type of a column.*user_id"):
        train_from(spark, tmp_path)

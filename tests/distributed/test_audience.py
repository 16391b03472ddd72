"""Audiences of executors are those of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.cascade.audience import AudienceRequest
from shortlist.cascade.best_users import BestUsers
from shortlist.distributed.audience import AudienceParts, audience_on_spark, chosen_users
from shortlist.distributed.audience_job import SCHEMA, AudienceJob
from shortlist.distributed.part_folder import PartFolder
from shortlist.errors import DataError, RequestError, ShortlistError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from support.cli import run

ITEMS = ["m00040", "m00001", "m00100"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"items": ITEMS},
        {"items": ITEMS, "cap": 1},
        {"like": RecommendRequest(filters="genres contains 'Drama'")},
    ],
)
def test_an_audience_of_several_tasks_is_that_of_one_machine(
    spark: Any, bundle: Path, wanted: dict[str, Any]
) -> None:
    recommender = Recommender.load(bundle)
    now = recommender.now()
    like = wanted.pop("like", RecommendRequest())
    request = AudienceRequest(**wanted, n=20, like=RecommendRequest(filters=like.filters, now=now))
    there = audience_on_spark(spark, bundle, recommender, request, parts=AudienceParts(150))
    here = recommender.audience(request.items, 20, cap=request.cap, filters=like.filters, now=now)
    assert there.considered == here.considered > 300
    assert len(there) == len(here) >= 20
    for one, other in zip(there, here, strict=True):
        assert (one.item, one.user) == (other.item, other.user)
        assert one.score == pytest.approx(other.score, rel=1e-6)
        assert one.predictions == pytest.approx(other.predictions, rel=1e-6)


def test_items_whose_users_are_full_elsewhere_get_the_next_ones(spark: Any) -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(
        size=(300, 1)
    )  # all items want the same users: most of the first ones are full elsewhere
    scores = np.round(common + rng.normal(0, 0.3, (300, 8)), 1).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    user, item = np.nonzero(scores > -np.inf)
    columns = [pa.array(item.astype(np.int32)), pa.array(user), pa.array(scores[user, item])]
    frame = spark.createDataFrame(pa.table(columns, schema=SCHEMA))
    items = [f"i{at}" for at in range(8)]
    for n, cap in ((20, 1), (30, 2), (40, 1)):  # at last, there are fewer places of users than of audiences
        best = BestUsers(8, 300, n, cap)
        best.add(0, scores)
        job = AudienceJob("v", 300, 300, 0, AudienceRequest(items, n, cap))
        assert chosen_users(frame, job) == best.chosen(), (n, cap)


def test_too_many_pairs_are_refused(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table(
        [
            pa.array([0, 0, 1, 1], pa.int32()),
            pa.array([0, 1, 0, 1]),
            pa.array([0.9, 0.8, 0.7, 0.6], pa.float32()),
        ],
        schema=SCHEMA,
    )
    monkeypatch.setattr("shortlist.distributed.audience.MOST_COLLECTED", 2)
    job = AudienceJob("v", 2, 2, 0, AudienceRequest(["a", "b"], 1, 1))
    with pytest.raises(RequestError, match=r"cap: 1 leaves so many users out.*ask for fewer items"):
        chosen_users(spark.createDataFrame(table), job)


def test_what_is_wrong_is_said_before_a_job_starts(bundle: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(bundle)
    with pytest.raises(RequestError, match="the catalogue has no item 'm9'"):
        audience_on_spark(None, bundle, recommender, AudienceRequest(["m9"]))
    wrong = AudienceRequest(like=RecommendRequest(filters="colour = 'red'"))
    with pytest.raises(RequestError, match="colour"):
        audience_on_spark(None, bundle, recommender, wrong)
    folder = PartFolder(str(tmp_path / "parts"), "parts")
    job = AudienceJob.of(recommender, AudienceRequest(ITEMS, 5), 200)
    folder.begin(job)
    others = AudienceJob.of(recommender, AudienceRequest(ITEMS, 5, 2), 200)
    with pytest.raises(DataError, match=r"the scores of audiences of another job \(cap None instead of 2"):
        folder.begin(others)
    (tmp_path / "file").write_text("")
    unwritable = AudienceParts(200, PartFolder(str(tmp_path / "file" / "parts"), "parts"))
    with pytest.raises(DataError, match="nothing can be written there"):
        audience_on_spark(None, bundle, recommender, AudienceRequest(ITEMS), parts=unwritable)
    recommender.forget(recommender.dataset.users.ids.id(0))
    with pytest.raises(ShortlistError, match="on one machine"):
        audience_on_spark(None, bundle, recommender, AudienceRequest(ITEMS))


def test_a_stopped_job_goes_on_with_its_parts(spark: Any, bundle: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(bundle)
    folder = PartFolder(str(tmp_path / "parts"), "parts")
    request = AudienceRequest(ITEMS, 20, 1)
    job, missing = folder.begin(AudienceJob.of(recommender, request, 150))
    assert missing == [0, 1, 2, 3]
    folder.write_part(recommender, job, 1)  # the others were not finished
    written = (tmp_path / "parts" / "part-00001.parquet").stat().st_mtime_ns
    there = audience_on_spark(spark, bundle, recommender, request, parts=AudienceParts(150, folder))
    assert (tmp_path / "parts" / "part-00001.parquet").stat().st_mtime_ns == written
    assert (tmp_path / "parts" / "_SUCCESS").exists()
    here = recommender.audience(ITEMS, 20, cap=1, now=job.moment)
    assert [(one.item, one.user) for one in there] == [(one.item, one.user) for one in here]


def test_the_command_writes_the_audience(spark: Any, bundle: Path, tmp_path: Path) -> None:
    out, parts = tmp_path / "audience.parquet", tmp_path / "parts"
    words = ("audience", bundle, "--item", ITEMS[0])
    there = ("--engine", "spark", "--parts", parts, "--users-per-part", 200)
    assert "7 of" in run(*words, *there, "-n", 7, "--cap", 1, "--out", out, cwd=tmp_path, child=False)
    assert pq.read_table(out).column("item").to_pylist() == ITEMS[:1] * 7
    assert len(list(parts.glob("part-*"))) == 3
    said = run(*words, "--parts", parts, cwd=tmp_path, ok=False, child=False)
    assert "--parts belongs to --engine spark" in said

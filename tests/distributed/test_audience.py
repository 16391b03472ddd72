"""Audiences of executors are those of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shortlist.cascade.audience import AudienceRequest
from shortlist.distributed.audience import audience_on_spark
from shortlist.errors import RequestError, ShortlistError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from support.cli import run

ITEMS = ["m00040", "m00001", "m00100"]


@pytest.mark.parametrize(
    "wanted", [{"items": ITEMS}, {"like": RecommendRequest(filters="genres contains 'Drama'")}]
)
def test_an_audience_of_several_tasks_is_that_of_one_machine(
    spark: Any, bundle: Path, wanted: dict[str, Any]
) -> None:
    recommender = Recommender.load(bundle)
    now = recommender.now()
    like = wanted.pop("like", RecommendRequest())
    request = AudienceRequest(**wanted, n=20, like=RecommendRequest(filters=like.filters, now=now))
    there = audience_on_spark(spark, bundle, recommender, request, users_a_task=150)
    here = recommender.audience(request.items, 20, filters=like.filters, now=now)
    assert there.considered == here.considered > 300
    assert len(there) == len(here) >= 20
    for one, other in zip(there, here, strict=True):
        assert (one.item, one.user) == (other.item, other.user)
        assert one.score == pytest.approx(other.score, rel=1e-6)
        assert one.predictions == pytest.approx(other.predictions, rel=1e-6)


def test_what_is_wrong_is_said_before_a_job_starts(bundle: Path) -> None:
    recommender = Recommender.load(bundle)
    with pytest.raises(RequestError, match="the catalogue has no item 'm9'"):
        audience_on_spark(None, bundle, recommender, AudienceRequest(["m9"]))
    wrong = AudienceRequest(like=RecommendRequest(filters="colour = 'red'"))
    with pytest.raises(RequestError, match="colour"):
        audience_on_spark(None, bundle, recommender, wrong)
    with pytest.raises(ShortlistError, match="on one machine"):
        audience_on_spark(None, bundle, recommender, AudienceRequest(ITEMS, cap=1))


def test_the_command_writes_the_audience(spark: Any, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "audience.parquet"
    words = ("audience", bundle, "--item", ITEMS[0], "--engine", "spark")
    assert "7 of" in run(*words, "-n", 7, "--out", out, cwd=tmp_path, child=False)
    assert pq.read_table(out).column("item").to_pylist() == ITEMS[:1] * 7
    assert "--cap works on one machine" in run(*words, "--cap", 1, cwd=tmp_path, ok=False, child=False)

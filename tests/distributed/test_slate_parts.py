"""The folder of slates: parts appear whole, and a job goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pyarrow.parquet as pq
import pytest

from shortlist.distributed.part_folder import DONE, JOB, MOST_PARTS, PartFolder
from shortlist.distributed.slate_parts import SlateJob
from shortlist.errors import DataError
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from support.cli import run


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


def test_a_job_goes_on_where_it_stopped(recommender: Recommender, tmp_path: Path) -> None:
    folder, job = PartFolder(str(tmp_path / "slates")), SlateJob.of(recommender, 3, 250)
    assert folder.begin(job) == (job, [0, 1, 2])
    assert [folder.write_part(recommender, job, part) for part in (0, 2)] == [250, 100]
    later = replace(job, moment=job.moment + 1_000_000)
    assert folder.begin(later) == (job, [1])  # all parts have the moment of the first attempt
    first = pq.read_table(tmp_path / "slates" / "part-00000.parquet")
    assert first.column("user").unique().to_pylist() == recommender.dataset.users.ids.values[:250].to_pylist()
    folder.write_part(recommender, job, 0)
    again = pq.read_table(tmp_path / "slates" / "part-00000.parquet")
    assert again.equals(first)


def test_a_folder_of_something_else_is_left_as_it_is(recommender: Recommender, tmp_path: Path) -> None:
    job = SlateJob.of(recommender, 3, 250)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds 'notes.txt' and no slates"):
        PartFolder(str(tmp_path)).begin(job)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    folder = PartFolder(str(tmp_path / "slates"))
    folder.begin(job)
    with pytest.raises(DataError, match=r"another job \(n 3 instead of 5\)"):
        folder.begin(replace(job, n=5))
    (tmp_path / "slates" / JOB).write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        folder.begin(job)
    (tmp_path / "slates" / JOB).write_text('{"moment": 0}')
    with pytest.raises(DataError, match="parts of another kind of job, and no slates"):
        folder.begin(job)
    with pytest.raises(DataError, match=r"nothing can be written there .*; name a folder"):
        PartFolder(str(tmp_path / "notes.txt" / "slates")).begin(job)
    with pytest.raises(DataError, match="no such place"):
        PartFolder("nothing://somewhere")


def test_parts_are_larger_where_there_would_be_too_many() -> None:
    many = SimpleNamespace(
        dataset=SimpleNamespace(users=range(25_000_000)),
        model=SimpleNamespace(version="v"),
        project=SimpleNamespace(placements={}),
        now=lambda: 0,
    )
    job = SlateJob.of(cast("Recommender", many), 10, 1_000)
    assert (job.users_per_part, job.parts) == (2_500, MOST_PARTS)


def test_the_command_writes_parts_and_counts_what_it_did(bundle: Path, tmp_path: Path) -> None:
    command = ("batch", bundle, "--out", "slates", "-n", 3, "--users-per-part", 250, "--json", "out.json")
    assert "600 slates" in run(*command, cwd=tmp_path)
    names = [file.name for file in sorted((tmp_path / "slates").iterdir())]
    assert names == [DONE, JOB, *(f"part-0000{part}.parquet" for part in range(3))]
    (tmp_path / "slates" / "part-00001.parquet").unlink()
    assert "350 were there" in run(*command, cwd=tmp_path)
    assert json.loads((tmp_path / "out.json").read_text())["written"] == 250
    assert pq.read_table(tmp_path / "slates").num_rows == 1_800
    EventStore(tmp_path / "s.sqlite").close()
    user = pq.read_table(tmp_path / "slates").column("user")[-1].as_py()
    assert "3 rows erased" in run("erase", user, "--store", "s.sqlite", "--export", "slates", cwd=tmp_path)
    assert user not in pq.read_table(tmp_path / "slates").column("user").to_pylist()
    said = run("batch", bundle, "--out", "slates.txt", cwd=tmp_path, ok=False)
    assert "name a folder" in " ".join(said.split())

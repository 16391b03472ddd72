"""The command line: init, check, train, evaluate, recommend, batch, inspect, demo, and errors in a child process."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shortlist.config.project import read_project
from shortlist.config.toml import write_toml
from shortlist.simulate.registry import WORLDS, make_world
from shortlist.simulate.world import World
from support.cli import run
from support.sizes import FULL, size
from support.worlds import small_world, tiny_world

USERS = size(200, 600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, world = tmp_path_factory.mktemp("cli"), small_world() if FULL else tiny_world()
    for name in ("events", "items", "users"):
        pq.write_table(getattr(world, name), folder / f"{name}.parquet")
    run("init", "events.parquet", "--items", "items.parquet", "--users", "users.parquet", cwd=folder)
    if not FULL:  # the commands are tested here, not the model
        with (folder / "shortlist.toml").open("a", encoding="utf-8") as project:
            project.write('\n[rank]\ntrees = 20\nheads = "joint"\n')
    return folder


def test_init_writes_a_commented_project(folder: Path) -> None:
    text = (folder / "shortlist.toml").read_text()
    assert text.count("\n#") >= 8
    project = read_project(folder)
    assert project.data.columns.slate == "slate"
    assert project.items is not None
    assert project.items.attributes == {
        "title": "text",
        "genres": "list",
        "mood": "category",
        "studio": "category",
        "minutes": "number",
        "arrived": "time",
    }
    assert "exists" in run("init", "events.parquet", cwd=folder, ok=False, child=True)


def test_commands_from_check_to_inspect(folder: Path) -> None:
    assert "events read" in run("check", "--json", "check.json", cwd=folder)
    check = json.loads((folder / "check.json").read_text())
    assert check["read"] == check["kept"] + sum(check["set_aside"].values())
    assert "Next: shortlist serve" in run("train", "--json", "train.json", cwd=folder)
    assert len(json.loads((folder / "train.json").read_text())["model_version"]) == 12
    out = run("evaluate", "--json", "report.json", cwd=folder)
    assert "shortlist" in out
    report = json.loads((folder / "report.json").read_text())
    assert set(report["recommenders"]["als"]["ndcg@10"]) == {"value", "low", "high"}
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert "Because you" in run("recommend", "bundle", "--history", "m00001,m00002,zzz", cwd=folder)
    one = (
        "recommend",
        "bundle",
        "--history",
        "m00001",
        "--after",
        "m00002",
        "--json",
        "one.json",
        "--filter",
    )
    run(*one, "id = 'm00009' and id != viewed.id", cwd=folder)
    assert [row["item"] for row in json.loads((folder / "one.json").read_text())] == ["m00009"]
    wrong = run(*one, "minute < 100", cwd=folder, ok=False, child=True)
    assert "filters, column 1: items have no attribute 'minute'; did you mean 'minutes'?" in " ".join(
        wrong.split()
    )
    run("batch", "bundle", "--out", "recs.parquet", "-n", 3, "--json", "batch.json", cwd=folder)
    table = pq.read_table(folder / "recs.parquet")
    assert json.loads((folder / "batch.json").read_text())["rows"] == table.num_rows
    assert table.num_rows == USERS * 3
    assert set(table.column("rank").to_pylist()) == {1, 2, 3}
    run("inspect", "bundle", "--json", "inspect.json", cwd=folder)
    shares = json.loads((folder / "inspect.json").read_text())["importance"]["play"]
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "-p", "none.toml"), "no such file"),
        (("serve", "nowhere"), "holds no bundle"),
        (("recommend", "nowhere"), "is no bundle"),
        (("init", "none.parquet"), "none.parquet: no such file"),
        (("demo", "opera"), "there is no world 'opera'"),
    ],
)
def test_errors_are_sentences(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in " ".join(run(*arguments, cwd=tmp_path, ok=False, child=True).split())


@pytest.mark.usefixtures("quick_training")
def test_demo_end_to_end(tmp_path: Path) -> None:
    out = run(
        "demo",
        "--no-serve",
        "--users",
        size(200, 400),
        "--items",
        size(100, 200),
        "--sessions",
        size(1500, 3000),
        "--json",
        "demo.json",
        cwd=tmp_path,
    )
    assert "Simulated data" in out
    assert "For user" in out
    assert {"shortlist", "popular", "recent", "random"} <= set(
        json.loads((tmp_path / "demo.json").read_text())["recommenders"]
    )


@pytest.mark.parametrize("name", WORLDS)
def test_tables_of_a_world_have_nothing_to_correct(name: str, tmp_path: Path) -> None:
    make_world(name, users=60, items=40, sessions=150, seed=3, days=10).write(tmp_path)
    out = run("check", cwd=tmp_path)
    assert "events read" in out
    assert "Correct the export" not in out
    assert "events.parquet:" not in out


def test_a_written_project_is_read_back_unchanged(world: World, tmp_path: Path) -> None:
    (tmp_path / "shortlist.toml").write_text(write_toml(world.settings, "x"))
    assert (
        read_project(tmp_path).model_dump()
        == read_project(world.write(tmp_path / "w"))
        .model_copy(update={"data": read_project(tmp_path).data})
        .model_dump()
    )

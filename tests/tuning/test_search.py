"""Tuning in a small world, its commands, and errors that name the line of the project file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shortlist
from shortlist.config.project import Project, parse_project, read_project
from shortlist.config.toml import write_toml
from shortlist.data.dataset import Dataset
from shortlist.errors import DataError, ProjectError, ShortlistError
from shortlist.features.validate import FeatureSchema, parse_features
from shortlist.recommender import Recommender
from shortlist.simulate.video import make_video
from shortlist.tuning.page import tuning_page
from shortlist.tuning.search import tune
from shortlist.tuning.space import SettingSpace
from support.cli import run
from support.sizes import FULL
from support.worlds import quick, small_world, tiny_world


@pytest.fixture(scope="module")
def video() -> Any:
    if FULL:
        return make_video(users=500, items=300, sessions=6_000, days=20, seed=2)
    return quick(make_video(users=200, items=120, sessions=1_500, days=20, seed=2))


def test_a_study_goes_on_where_it_stopped(full: bool, tmp_path: Path) -> None:
    world = quick(small_world()) if full else tiny_world()
    project, dataset = world.project(), world.dataset()
    seen: list[float] = []
    first = tune(project, dataset, 2, tmp_path / "s.sqlite", lambda what, share: seen.append(share))
    assert seen[-1] == 1.0
    assert len(first.trials) == 2
    assert first.value >= first.default > 0
    second = tune(project, dataset, 1, tmp_path / "s.sqlite")
    assert len(second.trials) == 3
    assert second.trials[:2] == first.trials
    assert second.default == first.default
    assert "on the validation slice" in second.sentence()
    # the tuned project is one that trains
    assert Recommender(second.project).fit(dataset).recommend(user="u00001", n=3).items
    assert "The best settings" in tuning_page(second, project.name, True)
    with pytest.raises(ProjectError, match="another data set"):
        tune(project, dataset.before(int(dataset.log.time[-1])), 1, tmp_path / "s.sqlite")


def test_every_setting_that_is_searched_is_one_a_project_may_have(dataset: Dataset, project: Project) -> None:
    """Both ends of every range, through a project file and back."""
    space = SettingSpace(project, len(dataset.items))
    start = space.defaults()
    for name, (low, high, _) in space.ranges.items():
        for value in (low, high):
            whole = isinstance(start[name], int)
            assert space.project_with({**start, name: int(value) if whole else value})
    for name, axis in space.axes.items():
        for at in (0, len(axis.values) - 1):
            changed = space.project_with({**start, name: at})
            text = write_toml(json.loads(changed.model_dump_json(exclude_defaults=True)), "tuned")
            assert parse_project(tomllib.loads(text)).retrieve.sources == changed.retrieve.sources


# ---------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def folder(video: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    video.write(folder)
    return folder


def test_commands(folder: Path) -> None:
    said = run("tune", "weights", "--points", "3", "--json", "front.json", cwd=folder)
    assert "From all weight on" in said
    assert len(json.loads((folder / "front.json").read_text())["points"]) == 3
    assert (folder / "front.html").read_text().startswith("<!doctype html>")
    said = run("tune", "--trials", "1", "--json", "tuned.json", cwd=folder)
    assert "on the validation slice" in said
    read_project(folder / "tuned.toml")
    run("train", "--out", "bundle", cwd=folder)
    said = run("inspect", "features", "bundle", "--json", "features.json", cwd=folder)
    assert "my_topic_rate" in said
    assert json.loads((folder / "features.json").read_text())["live_rows"] > 0
    assert (folder / "features.html").exists()
    assert "name the bundle" in run("inspect", "features", cwd=folder, ok=False)


def test_custom_features_are_named_and_never_loaded_from_a_bundle(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "import shortlist\nimport pyarrow.compute as pc\n\n"
        "@shortlist.feature('minutes')\ndef minutes(length):\n    return pc.divide(length, 60.0)\n"
    )
    text = (folder / "shortlist.toml").read_text()
    (folder / "custom.toml").write_text(
        text.replace(
            "[[features]]",
            '[[features]]\nname = "minutes"\nkind = "custom"\nfunction = "minutes"\ninputs = ["item.length"]\n\n[[features]]',
            1,
        )
    )
    run("train", "-p", "custom.toml", "--functions", "mine.py", "--out", "custom", cwd=folder)
    # another process, in which the function has not been registered
    said = run("recommend", "custom", "--user", "u00001", cwd=folder, ok=False, child=True)
    assert "@shortlist.feature" in said
    assert "For user" in run("recommend", "custom", "--user", "u00001", "--functions", "mine.py", cwd=folder)


# ---------------------------------------------------------------- bad input

BROKEN: list[tuple[str, str, str]] = [
    ('of = "item.length"', 'of = "item.lenght"', "of = 'item.lenght' must be an attribute"),
    ('window = "1d"', 'window = "0d"', "'0d' is not a duration"),
    ('kind = "trend"', 'kind = "trent"', "'trent' is unknown; did you mean 'trend'?"),
    ('against = "7d"', 'against = "1h"', "must be longer than window"),
    ('event = "like"', 'event = "love"', "no event is of kind 'love'"),
    ('by = "user*item.topics"', 'by = "user*item.topic"', "item has: title (text), topics (list)"),
]


def check_features(project: Project) -> None:
    schema = FeatureSchema.of_project(project, ["impression", "click", "watch", "like", "dismiss"])
    parse_features(project.features, schema, project.where)


@pytest.mark.parametrize(("before", "after", "words"), BROKEN)
def test_errors_name_the_line(folder: Path, before: str, after: str, words: str) -> None:
    text = (folder / "shortlist.toml").read_text()
    at = text.index(before)
    path = folder / "broken.toml"
    path.write_text(text[:at] + after + text[at + len(before) :])
    line = text[:at].count("\n") + 1
    project = read_project(path)
    with pytest.raises(ShortlistError) as error:
        check_features(project)
    assert words in str(error.value)
    assert f"broken.toml, line {line}: " in str(error.value)


def test_a_ring_of_derived_features(folder: Path) -> None:
    for name in ("double", "half_"):
        shortlist.feature(name)(lambda x: x)
    text = (folder / "shortlist.toml").read_text()
    ring = (
        '[[features]]\nname = "a"\nkind = "custom"\nfunction = "double"\ninputs = ["b"]\n\n'
        '[[features]]\nname = "b"\nkind = "custom"\nfunction = "half_"\ninputs = ["a"]\n\n[[features]]'
    )
    (folder / "ring.toml").write_text(text.replace("[[features]]", ring, 1))
    project = read_project(folder / "ring.toml")
    with pytest.raises(
        ProjectError, match=r"ring\.toml, line \d+: .*circular dependency: (a → b → a|b → a → b)"
    ):
        check_features(project)


def test_weights_all_zero_and_an_objective_without_positives(folder: Path) -> None:
    text = (folder / "shortlist.toml").read_text()
    import re

    (folder / "zero.toml").write_text(re.sub(r"weight = .*", "weight = 0.0", text))
    said = run("check", "-p", "zero.toml", cwd=folder, ok=False)
    assert "zero.toml, line" in said.replace("\n", " ")
    assert "every objective has weight 0" in said.replace("\n", " ")
    (folder / "none.toml").write_text(
        text.replace('events = ["watch"]', 'events = ["watch"]\nat_least = 1e9', 1)
    )
    said = run("check", "-p", "none.toml", cwd=folder, ok=False)
    assert "none.toml, line" in said
    assert "no event fulfils it" in said


def test_an_infinite_value_is_an_error_with_rows_and_line(folder: Path, video: Any) -> None:
    values = video.events["value"].to_numpy(zero_copy_only=False).copy()
    values[123] = np.inf
    at = video.events.schema.get_field_index("value")
    pq.write_table(video.events.set_column(at, "value", pa.array(values)), folder / "endless.parquet")
    text = (folder / "shortlist.toml").read_text().replace("events.parquet", "endless.parquet")
    (folder / "endless.toml").write_text(text)
    with pytest.raises(DataError) as error:
        Dataset.from_project(read_project(folder / "endless.toml"))
    line = text[: text.index('value = "value"')].count("\n") + 1
    assert "row 124" in str(error.value)
    assert f"endless.toml, line {line}: data.columns.value" in str(error.value)

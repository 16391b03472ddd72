"""Ten exports of different make: `init` without an option is right about every column, kind, sign and time; then check, evaluate, serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shortlist.config.data import TableSettings
from shortlist.config.project import read_project
from shortlist.data.dataset import Dataset
from support.cli import run
from support.exports import EXPORTS
from support.exports.expected import Export
from support.http import call
from support.servers import Server
from support.sizes import FULL

Made = Callable[[str], tuple[Path, Export]]
EVALUATED = tuple(EXPORTS) if FULL else ("video", "german")
SERVED = "shopify"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the folder of an export, with the project that `init` wrote, by its name."""
    known: dict[str, tuple[Path, Export]] = {}

    def make(name: str) -> tuple[Path, Export]:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            export = EXPORTS[name](folder)
            run("init", *export.arguments, cwd=folder, child=False)
            known[name] = folder, export
        return known[name]

    return make


def described(settings: TableSettings | None) -> tuple[str | None, dict[str, str]]:
    """The title and the attributes of a table."""
    return (None, {}) if settings is None else (settings.title, dict(settings.attributes))


@pytest.mark.parametrize("name", EXPORTS)
def test_init_is_right(made: Made, name: str) -> None:
    folder, export = made(name)
    project = read_project(folder)
    data = project.data
    assert {role: column for role, column in data.columns.model_dump().items() if column} == export.columns
    assert {setting: getattr(data, setting) for setting in export.settings} == export.settings
    assert dict(data.context) == export.context
    assert described(project.items) == (export.title, export.attributes)
    assert described(project.users)[1] == export.user_attributes
    signs = {objective: one.weight > 0 for objective, one in project.objectives.items() if one.weight}
    assert {objective: signs.get(objective) for objective in export.weights} == {
        objective: sign > 0 for objective, sign in export.weights.items()
    }


@pytest.mark.parametrize("name", EXPORTS)
def test_the_events_are_what_the_export_meant(made: Made, name: str) -> None:
    folder, export = made(name)
    dataset = Dataset.from_project(read_project(folder))
    log = dataset.log
    counts = dict(zip(log.kinds, np.bincount(log.kind, minlength=len(log.kinds)).tolist(), strict=True))
    assert {kind: count for kind, count in counts.items() if count} == export.kinds
    user, item = dataset.users.ids.ids(log.user[:1])[0], dataset.items.ids.ids(log.item[:1])[0]
    assert (user, item, log.kinds[log.kind[0]], int(log.time[0])) == export.first
    assert np.nansum(log.value, dtype=np.float64) == pytest.approx(export.value, rel=1e-4)
    assert sum(dataset.check.set_aside.values()) == export.set_aside


@pytest.mark.parametrize("name", EXPORTS)
def test_check_finds_nothing_to_correct(made: Made, name: str) -> None:
    folder, export = made(name)
    said = run("check", cwd=folder, child=False)
    assert f"{export.set_aside:,} set aside" in said
    assert "warning:" not in said
    assert "leak:" not in said


@pytest.mark.parametrize("name", EVALUATED)
def test_evaluate_finds_the_signal(made: Made, name: str) -> None:
    said = run("evaluate", cwd=made(name)[0], child=False)
    ndcg = {
        row.split()[0]: float(row.split()[1])
        for row in said.splitlines()
        if row.split()[1:2] and row.split()[1][:1] == "."
    }
    assert ndcg["shortlist"] > 1.5 * ndcg["popular"]


def test_train_and_serve(made: Made) -> None:
    folder, _ = made(SERVED)
    run("train", cwd=folder, child=False)
    server = Server(folder / "bundle", folder / "events.sqlite")
    try:
        guest = {"kind": "purchase", "user": "guest-new", "item": "SKU-0004"}
        assert call(f"{server.url}/v1/events", {"events": [guest]}) == (200, {"accepted": 1, "repeated": 0})
        status, found = call(f"{server.url}/v1/recommend", {"user": "guest-new", "n": 5})
    finally:
        server.stop()
    assert status == 200
    titles = [item["title"] for item in found["items"]]
    assert len(titles) == 5
    assert not any(title.startswith("SKU") for title in titles)

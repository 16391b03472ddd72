"""Experiments over HTTP: exposures, propensities and interleaving of a server, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.evaluate.offpolicy import SlateLog
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.report import report_experiments
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.export import export_log
from support.experiments import experiment
from support.http import call
from support.servers import Server

DAY = 86_400_000


@pytest.fixture(scope="module")
def trial(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server whose project runs two experiments and explores."""
    project = recommender.project
    changed = project.model_copy(
        update={
            "experiments": {
                "variety": experiment(),
                "duel": experiment(
                    method="interleave", arms={"old": {}, "new": {"weights": {"seconds": 3.0}}}
                ),
            },
            "rerank": project.rerank.model_copy(update={"explore": 0.4}),
        }
    )
    only = changed.model_copy(update={"experiments": {"variety": changed.experiments["variety"]}})
    folder = tmp_path_factory.mktemp("trial")
    bundle = recommender.with_project(only).save(folder / "bundle")
    recommender.with_project(changed).save(folder / "duel")
    server = Server(bundle, folder / "events.sqlite")
    yield server
    server.stop()


def test_served_slates_are_logged_for_off_policy_estimates(trial: Server, tmp_path: Path) -> None:
    shown = {}
    for n in range(40):
        status, slate = call(f"{trial.url}/v1/recommend", {"user": f"u{n:05d}", "n": 5})
        assert status == 200
        shown[slate["slate_id"]] = slate
        assert slate["experiments"] == {"variety": assign_arm("variety", experiment(), f"u{n:05d}")}
    policies = {s["experiments"]["variety"]: s["policy"] for s in shown.values()}
    assert len(set(policies.values())) == 2  # two arms, two policies
    first = next(iter(shown.values()))
    event = {
        "user": "u00000",
        "item": first["items"][0]["item"],
        "kind": "play",
        "slate_id": first["slate_id"],
    }
    assert call(f"{trial.url}/v1/events", {"events": [event]})[0] == 200
    store = EventStore(trial.store)
    kept = {s.slate_id: s for s in store.slates()}
    assert set(shown) <= set(kept)
    for slate_id, slate in shown.items():
        stored = kept[slate_id]
        assert stored.items == [i["item"] for i in slate["items"]]
        assert stored.propensities == [i["propensity"] for i in slate["items"]]
        assert stored.policy == slate["policy"]
        assert stored.arms == slate["experiments"]
    assert any(p < 1 for s in kept.values() for p in s.propensities if p is not None)
    # the log is one that estimators take
    table = export_log(store)
    impressions = table.filter([k == "impression" for k in table.column("kind").to_pylist()])
    chance = np.array(impressions.column("propensity").to_pylist()).reshape(-1, 5)
    SlateLog(np.zeros_like(chance), np.zeros_like(chance), chance, np.arange(len(chance)))
    assert table.column("slate").to_pylist().count(first["slate_id"]) == 6
    out = tmp_path / "log.parquet"
    run = CliRunner().invoke(
        app, ["export", str(trial.bundle), "--store", str(trial.store), "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    assert pq.read_table(out).num_rows == table.num_rows


def test_a_seed_makes_an_explored_slate_again(trial: Server) -> None:
    body = {"user": "u00009", "n": 6, "explore": 1.5, "seed": 12}
    one, two = (call(f"{trial.url}/v1/recommend", body)[1] for _ in range(2))
    assert [i["item"] for i in one["items"]] == [i["item"] for i in two["items"]]
    other = call(f"{trial.url}/v1/recommend", {**body, "seed": 13})[1]
    assert [i["item"] for i in one["items"]] != [i["item"] for i in other["items"]]
    status, answer = call(f"{trial.url}/v1/recommend", {**body, "seed": -1})
    assert (status, answer["field"]) == (422, "seed")
    status, answer = call(f"{trial.url}/v1/recommend", {**body, "explore": 99})
    assert (status, answer["field"]) == (422, "explore")


def test_the_command_writes_the_page(trial: Server, tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "page.json"
    arguments = ["experiment", "report", str(trial.bundle), "--store", str(trial.store)]
    run = CliRunner().invoke(app, [*arguments, "--html", str(page), "--json", str(out)])
    assert run.exit_code == 0, run.output
    assert "variety" in run.output
    said = json.loads(out.read_text())
    assert said[0]["experiment"] == "variety"
    assert "CUPED" in page.read_text()
    missing = CliRunner().invoke(
        app, ["experiment", "report", str(trial.bundle), "--store", str(tmp_path / "no.sqlite")]
    )
    assert missing.exit_code != 0


def test_interleaving_over_http(trial: Server, tmp_path: Path) -> None:
    duel = Server(Path(trial.bundle).parent / "duel", tmp_path / "duel.sqlite")
    try:
        for n in range(30):
            user = f"u{n:05d}"
            slate = call(f"{duel.url}/v1/recommend", {"user": user, "n": 6})[1]
            assert slate["experiments"]["duel"] == "interleaved"
            items = [i["item"] for i in slate["items"]]
            assert len(set(items)) == 6
            chosen = {
                "user": user,
                "item": items[0],
                "kind": "play",
                "value": 30.0,
                "slate_id": slate["slate_id"],
            }
            assert call(f"{duel.url}/v1/events", {"events": [chosen]})[0] == 200
    finally:
        duel.stop()
    store = EventStore(tmp_path / "duel.sqlite")
    drafted = [s for s in store.slates() if s.teams is not None]
    assert len(drafted) == 30
    assert all(sorted(s.teams or []) == [0, 0, 0, 1, 1, 1] for s in drafted)
    project = Recommender.load(Path(trial.bundle).parent / "duel").project
    outcome = next(o for o in report_experiments(project, store) if o.name == "duel")
    assert outcome.preference is not None
    assert outcome.facts["people_who_chose"] == 30

"""Placements over HTTP: slates, metrics and experiments are told apart by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shortlist.config.experiments import Experiment
from shortlist.experiments.assign import assign_arm
from shortlist.experiments.report import report_experiments
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.export import export_log
from support.cli import run
from support.embedded import EmbeddedServer
from support.http import call
from support.placements import with_placements


@pytest.fixture(scope="module")
def placed(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose project has placements and experiments."""
    return with_placements(recommender).save(tmp_path_factory.mktemp("placed") / "bundle")


@pytest.fixture(scope="module")
def url(placed: Path) -> Iterator[str]:
    server = EmbeddedServer(placed, placed.parent / "events.sqlite")
    yield server.url
    server.stop()


def recommend(url: str, **body: Any) -> dict[str, Any]:
    status, answer = call(f"{url}/v1/recommend", body)
    assert status == 200, answer
    return dict(answer)


def test_experiments_run_in_their_placements(url: str) -> None:
    arms = {
        name: Experiment.model_validate({"metric": "play", "arms": {"now": {}, second: {}}})
        for name, second in (("variety", "varied"), ("watching", "long"))
    }
    slates: dict[tuple[str, str], dict[str, Any]] = {}
    for number in range(12):
        user = f"u{number:05d}"
        for placement in ("home", "short"):
            slate = slates[user, placement] = recommend(url, user=user, placement=placement, explore=0)
            names = ["variety", "watching"] if placement == "home" else ["watching"]
            assert slate["experiments"] == {name: assign_arm(name, arms[name], user) for name in names}
    # an arm goes before the placement, and the request before the arm
    user = next(u for u, p in slates if p == "home" and slates[u, p]["experiments"]["variety"] == "varied")
    arm = slates[user, "home"]
    weights = {"seconds": 5.0 if arm["experiments"]["watching"] == "long" else 3.0}
    written = recommend(url, user=user, n=6, diversity=0.9, weights=weights, explore=0)
    assert [i["item"] for i in arm["items"]] == [i["item"] for i in written["items"]]
    own = recommend(url, user=user, n=6, diversity=0.0, placement="home", weights={"seconds": 0.0}, explore=0)
    plain = recommend(url, user=user, n=6, diversity=0.0, weights={"seconds": 0.0}, explore=0)
    assert [i["item"] for i in own["items"]] == [i["item"] for i in plain["items"]]


def test_slates_metrics_and_reports_know_the_placement(url: str, placed: Path, tmp_path: Path) -> None:
    home = recommend(url, user="u00100", placement="home")
    nowhere = recommend(url, user="u00100")
    assert call(f"{url}/v1/page", {"user": "u00100", "placement": "home", "rows": 2})[0] == 200
    listed = call(f"{url}/v1/rank", {"user": "u00100", "placement": "short", "items": ["m00001", "m00002"]})[
        1
    ]
    for slate in (home, nowhere):
        event = {"user": "u00100", "item": slate["items"][0]["item"], "kind": "play", "value": 60.0}
        event["slate_id"] = slate["slate_id"]
        assert call(f"{url}/v1/events", {"events": [event]})[0] == 200  # slates are written before events
    store = EventStore(placed.parent / "events.sqlite")
    kept = {slate.slate_id: slate.placement for slate in store.slates()}
    assert (kept[home["slate_id"]], kept[nowhere["slate_id"]]) == ("home", "")
    assert kept[listed["slate_id"]] == "short"
    assert {row.placement for row in store.slates() if "-row-" in row.policy} == {"home"}
    table = export_log(store).to_pylist()
    assert {row["placement"] for row in table if row["slate"] == home["slate_id"]} == {
        "home",
        None,
    }  # events have none
    exported = call(f"{url}/v1/users/u00100/export")[1]
    assert {slate["placement"] for slate in exported["slates"]} == {"home", "short", ""}

    text = call(f"{url}/metrics")[1]
    version = home["model_version"]
    for line in (
        f'shortlist_slates_total{{model="{version}",placement="home"}}',
        f'shortlist_slates_total{{model="{version}",placement=""}}',
        f'shortlist_pages_total{{model="{version}",placement="home"}} 1.0',
        'shortlist_request_seconds_count{path="/v1/recommend",placement="home"}',
        'shortlist_request_seconds_count{path="/v1/rank",placement="short"} 1.0',
        'shortlist_request_seconds_count{path="/v1/page",placement="home"} 1.0',
    ):
        assert line in text

    project = Recommender.load(placed).project
    together = report_experiments(project, store)
    assert [outcome.title for outcome in together] == [
        "variety", "watching", "watching in home", "watching in short", "watching in children"
    ]  # fmt: skip
    store.close()
    out = tmp_path / "report.json"
    command = ["experiment", "report", placed, "--store", placed.parent / "events.sqlite"]
    command += ["--placement", "home", "--html", tmp_path / "report.html", "--json", out]
    said = run(*command, cwd=tmp_path)
    assert "variety in home" in said
    assert [one["placement"] for one in json.loads(out.read_text())] == ["home", "home"]
    command[command.index("home")] = "hoem"
    assert "did you mean 'home'" in " ".join(run(*command, cwd=tmp_path, ok=False).split())


def test_pages_of_a_placement_under_experiments(url: str, placed: Path) -> None:
    """Neither what the arm nor what the placement fills counts: the client sends the same fields with each cursor."""
    body: dict[str, Any] = {"user": "u00101", "placement": "home"}
    slates: list[dict[str, Any]] = []
    for _ in range(3):
        slates.append(recommend(url, **body))
        body["cursor"] = slates[-1]["cursor"]
    items = [one["item"] for slate in slates for one in slate["items"]]
    assert len(set(items)) == len(items) == 18
    assert all(slate["experiments"] == slates[0]["experiments"] != {} for slate in slates)
    status, answer = call(f"{url}/v1/recommend", {**body, "placement": "short"})
    assert (status, answer["field"]) == (409, "cursor")
    event = {"user": "u00101", "item": items[-1], "kind": "play", "slate_id": slates[-1]["slate_id"]}
    assert call(f"{url}/v1/events", {"events": [event]})[0] == 200  # slates are written before events
    store = EventStore(placed.parent / "events.sqlite")
    kept = {slate.slate_id: (slate.placement, slate.first_position) for slate in store.slates()}
    assert [kept[slate["slate_id"]] for slate in slates] == [("home", 0), ("home", 6), ("home", 12)]
    [row] = [
        row
        for row in export_log(store).to_pylist()
        if row["slate"] and row["item_id"] == items[13] and row["user_id"] == "u00101"
    ]
    assert (row["position"], row["placement"]) == (13, "home")
    store.close()


def test_unknown_placements_are_refused_and_never_become_labels(url: str) -> None:
    for path, body in (
        ("recommend", {}),
        ("recommend?debug=timing", {}),
        ("page", {}),
        ("rank", {"items": ["m00001"]}),
        ("why", {"item": "m00001"}),
    ):
        status, answer = call(f"{url}/v1/{path}", {"placement": "hoem", **body})
        assert (status, answer["field"]) == (422, "placement")
        assert "did you mean 'home'" in answer["error"]
    assert call(f"{url}/v1/recommend", {"placement": "x" * 65})[0] == 422
    assert call(f"{url}/v1/recommend", {"placement": 3})[0] == 422
    assert "hoem" not in call(f"{url}/metrics")[1]


def test_the_page_is_told_the_placements(url: str) -> None:
    facts = call(f"{url}/v1/project")[1]["placements"]
    assert list(facts) == ["home", "short", "children"]
    assert facts["home"] == {"weights": {"seconds": 3.0}, "diversity": 0.4, "freshness": None}


def test_commands_take_a_placement(placed: Path, tmp_path: Path) -> None:
    out = tmp_path / "slate.json"
    run("recommend", placed, "--user", "u00003", "--placement", "home", "--json", out, cwd=tmp_path)
    assert len(json.loads(out.read_text())) == 6
    run("batch", placed, "--placement", "home", "--out", tmp_path / "all.parquet", cwd=tmp_path)
    assert pq.read_table(tmp_path / "all.parquet").num_rows == 6 * 600
    run(
        "batch",
        placed,
        "--placement",
        "home",
        "--out",
        tmp_path / "parts",
        "--users-per-part",
        400,
        cwd=tmp_path,
    )
    parts = pq.read_table(tmp_path / "parts")
    assert parts.num_rows == 6 * 600
    said = run(
        "batch", placed, "--placement", "short", "-n", 6, "--out", tmp_path / "parts", ok=False, cwd=tmp_path
    )
    assert "placement 'home' instead of 'short'" in " ".join(said.split())
    for command in ("recommend", "batch"):
        more = ["--out", tmp_path / "none"] if command == "batch" else ["--user", "u00003"]
        said = run(command, placed, "--placement", "hoem", *more, cwd=tmp_path, ok=False)
        assert "did you mean 'home'" in " ".join(said.split())
    assert not (tmp_path / "none").exists()

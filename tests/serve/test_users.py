"""Erasure and export of a user's data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shortlist.cli.main import app
from shortlist.config.data import DataSettings
from shortlist.recommender import Recommender
from shortlist.store.event_store import EventStore
from shortlist.store.merge import merge_store
from support.http import call
from support.servers import Server
from support.waiting import wait_for

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


def predicted(server: Server, **request: Any) -> dict[str, dict[str, float]]:
    answer = call(f"{server.url}/v1/recommend", {"n": 200, "explore": 0, **request})[1]
    return {item["item"]: item["predictions"] for item in answer["items"]}


def test_attributes_change_live_and_are_kept(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite")
    try:
        address = f"{server.url}/v1/users/new%2Fperson"
        status, answer = call(address, {"attributes": {"age_band": "65+"}}, method="PUT")
        assert (status, answer["user"]) == (200, "new/person")
        many = {
            "users": [
                {"user": "u00002", "attributes": {"country": "PT", "age_band": None}},
                {"user": "u00002", "attributes": {"country": "SE"}},
            ]
        }
        assert call(f"{server.url}/v1/users", many, method="PUT")[1]["users"] == 2
        for restarted in (False, True):
            if restarted:
                server.kill()
                server.start()
            stranger = predicted(server, user="another", context={"age_band": "65+"})
            assert_close(predicted(server, user="new/person"), stranger)
            export = call(f"{server.url}/v1/users/u00002/export")[1]
            assert (export["attributes"]["country"], export["attributes"]["age_band"]) == ("SE", None)
            assert [c["attributes"] for c in export["changes"]] == [u["attributes"] for u in many["users"]]
        for path, body, field in (
            ("/new", {"attributes": {"contry": "PT"}}, "attributes.contry"),
            ("/new", {"attributes": {}}, "attributes"),
            (
                "",
                {"users": [many["users"][0], {"user": "x", "attributes": {"contry": "P"}}]},
                "users.1.attributes.contry",
            ),
        ):
            status, answer = call(f"{server.url}/v1/users{path}", body, method="PUT")
            assert (status, answer["field"]) == (422, field)
        assert call(f"{server.url}/v1/users/u00002/export")[1]["attributes"]["country"] == "SE"
        # training from the store learns of the attributes, of new users too
        store = EventStore(server.store)
        merged = merge_store(Recommender.load(bundle).dataset, store, DataSettings())
        store.close()
        users = merged.dataset.users
        shown = {
            name: users.attributes[name].show(users.ids.code("new/person"))
            for name in ("age_band", "country")
        }
        assert shown == {"age_band": "65+", "country": None}
        assert users.attributes["country"].show(users.ids.code("u00002")) == "SE"
        # and erasure leaves none of them
        assert call(address, method="DELETE")[1]["erased"]["attributes"] == 1
        held = call(f"{address}/export")[1]
        assert (held["changes"], held["attributes"]) == ([], {})
        assert_close(predicted(server, user="new/person"), predicted(server, user="another"))
        assert b"new/person" not in b"".join(
            json.dumps(a).encode() for a in call(f"{server.url}/v1/admin/audit")[1] if a["what"] != "erase"
        )
    finally:
        server.stop()


def assert_close(found: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> None:
    common = set(found) & set(expected)
    assert len(common) > 150
    for item in common:
        assert found[item] == pytest.approx(expected[item], rel=1e-4, abs=1e-5)


def test_audience_and_similar_users(server: Server, recommender: Recommender) -> None:
    body = {"items": ["m00001", "m00002"], "n": 5, "cap": 1}
    status, answer = call(f"{server.url}/v1/audience", body)
    assert (status, answer["considered"]) == (200, recommender.audience(["m00001"], 1).considered)
    assert [m["item"] for m in answer["members"]] == ["m00001"] * 5 + ["m00002"] * 5
    assert len({m["user"] for m in answer["members"]}) == 10
    status, answer = call(f"{server.url}/v1/audience", {"n": 5})
    assert (status, answer["field"]) == (422, "items")
    status, answer = call(f"{server.url}/v1/users/u00002/similar?n=3")
    expected = recommender.similar_users("u00002", 3)
    assert len(expected) == 3
    assert [u["user"] for u in answer["users"]] == [s.user for s in expected]
    assert (answer["user_known"], answer["warnings"]) == (True, [])


def test_users_and_audiences_that_cannot_be(server: Server) -> None:
    answer = call(f"{server.url}/v1/users/U00003/similar")[1]
    assert (answer["user_known"], answer["users"]) == (False, [])
    assert answer["warnings"] == [
        "user: 'U00003' has no history, so no user is similar; did you mean 'u00003'?"
    ]
    answer = call(f"{server.url}/v1/users/u00003/similar")[1]  # of the log, which has only impressions
    assert (answer["user_known"], answer["users"]) == (True, [])
    assert answer["warnings"] == ["user: 'u00003' has no events that count, or no item that another user has"]
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({"items": ["m00001"]}, []),
        ({"items": ["m00001"], "users": []}, ["users: nobody is considered, because the list is empty"]),
        (
            {"filters": "genres contains 'Comdy'"},
            [
                "filters, genres: no item has the value 'Comdy'; did you mean 'Comedy'?",
                "filters: none of the 300 items is allowed",
            ],
        ),
    ]
    for wanted, warnings in asked:
        answer = call(f"{server.url}/v1/audience", wanted)[1]
        assert (bool(answer["members"]), answer["warnings"]) == (not warnings, warnings)
    for body, field in (
        ({"items": ["m00001"], "filters": "minutes < 90"}, "filters"),
        ({"items": ["m00001"], "users": [True]}, "users.0"),
        ({"items": ["m00001"], "n": "5"}, "n"),
        ({"items": ["m00001"], "cap": 0}, "cap"),
        ({"filters": "minuts < 90"}, "filters"),
    ):
        status, answer = call(f"{server.url}/v1/audience", body)
        assert (status, answer["field"]) == (422, field)


def test_audience_command(bundle: Path, tmp_path: Path) -> None:
    wanted, out = tmp_path / "items.txt", tmp_path / "a" / "audience.csv"
    wanted.write_text("m00001\n\nm00002\n")
    run = CliRunner().invoke(
        app, ["audience", str(bundle), "--items", str(wanted), "-n", "3", "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    lines = out.read_text().splitlines()
    assert lines[0].replace('"', "").startswith("item,user,score,prediction_play")
    assert len(lines) == 7
    run = CliRunner().invoke(app, ["audience", str(bundle), "--filter", "genres contains 'Comdy'"])
    assert "did you mean 'Comedy'" in run.output
    for arguments, words in (
        (["--filter", "genres contians 3"], "filters"),
        (["--item", "m00001", "--out", "a.txt"], ".parquet or .csv"),
        ([], "name the items"),
    ):
        run = CliRunner().invoke(app, ["audience", str(bundle), *arguments])
        assert words in str(run.exception)


def test_erase_and_export(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite")
    try:
        person = call(f"{server.url}/v1/users")[1]["users"][0]["user"]
        call(f"{server.url}/v1/events", {"events": [{**PLAY, "user": person}]})
        slate = call(f"{server.url}/v1/recommend", {"user": person})[1]
        export = f"{server.url}/v1/users/{person}/export"
        wait_for(lambda: call(export)[1]["slates"], "the slate is stored")
        held = call(export)[1]
        assert [e["item"] for e in held["events"]] == ["m00001"]
        assert [s["slate_id"] for s in held["slates"]] == [slate["slate_id"]]
        assert len(held["log"]) >= 2
        before = call(f"{server.url}/v1/users/{person}/history")[1]["events"]
        assert before >= 3
        status, answer = call(f"{server.url}/v1/users/{person}", method="DELETE")
        assert (status, answer["erased"]) == (200, {"events": 1, "slates": 1, "attributes": 0, "rejected": 0})
        for restarted in (False, True):
            if restarted:
                server.kill()
                server.start()
            after = call(f"{server.url}/v1/users/{person}/history")[1]
            assert (after["events"], after["known"]) == (0, False)
            held = call(f"{server.url}/v1/users/{person}/export")[1]
            assert (held["events"], held["slates"], held["log"], held["attributes"]) == ([], [], [], {})
        stranger = call(f"{server.url}/v1/recommend", {"n": 10})[1]["items"]
        erased = call(f"{server.url}/v1/recommend", {"user": person, "n": 10})[1]
        assert [i["item"] for i in erased["items"]] == [i["item"] for i in stranger], (
            "an erased user is unknown"
        )
        audit = call(f"{server.url}/v1/admin/audit")[1]
        assert [(a["what"], a["about"]) for a in audit] == [("erase", person)]
    finally:
        server.stop()
    table = tmp_path / "slates.parquet"
    pq.write_table(pa.table({"user": ["u00003", "u00004", "u00003"], "item": ["a", "b", "c"]}), table)
    arguments = ["erase", "u00003", "--store", str(server.store), "--export", str(table)]
    assert "2 rows erased" in " ".join(CliRunner().invoke(app, arguments).output.split())
    assert pq.read_table(table)["user"].to_pylist() == ["u00004"]

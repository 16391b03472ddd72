"""Erasure and export of a user's data."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from shortlist.cli.main import app
from support.http import call
from support.servers import Server
from support.waiting import wait_for

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


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
        assert (status, answer["erased"]) == (200, {"events": 1, "slates": 1, "rejected": 0})
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

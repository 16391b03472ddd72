"""Who may come in, what is let in, what is kept of people: keys, limits, headers, erasure; fuzzing of the API and of bundles."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from typer.testing import CliRunner

from shortlist.bundle.format import read_manifest
from shortlist.cli.main import app
from shortlist.errors import BundleError, ShortlistError
from shortlist.recommender import Recommender
from shortlist.serve.keys import make_key, revoke_key
from shortlist.serve.middleware.guard import scope_of
from shortlist.store.event_store import EventStore
from support.bundles import copy_bundle
from support.http import call
from support.servers import Server

PLAY = {"user": "u00002", "item": "m00001", "kind": "play", "value": 7.0}


@pytest.fixture(scope="module")
def locked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with keys, one for each scope and a slow one."""
    target = tmp_path_factory.mktemp("locked") / "e.sqlite"
    store = EventStore(target)
    keys = {
        scope: make_key(store, scope, [scope], 500) for scope in ("recommend", "events", "admin", "metrics")
    }
    keys["slow"] = make_key(store, "slow", ["recommend"], 1)
    store.close()
    server = Server(bundle, target, environment={"SHORTLIST_LOG": "json"})
    yield server, keys
    server.stop()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_each_scope_opens_its_own_doors(locked: tuple[Server, dict[str, str]]) -> None:
    server, keys = locked
    doors: dict[str, tuple[str, str, Any]] = {
        "recommend": ("POST", "/v1/recommend", {"user": "u00001", "n": 2}),
        "events": ("POST", "/v1/events", {"events": [PLAY]}),
        "admin": ("GET", "/v1/admin/audit", None),
        "metrics": ("GET", "/metrics", None),
    }
    for scope, (method, path, body) in doors.items():
        assert call(server.url + path, body, method=method)[0] == 401
        assert call(server.url + path, body, method=method, headers=bearer("sl_wrong"))[0] == 401
        assert call(server.url + path, body, method=method, headers={"Authorization": "Basic eDp5"})[0] == 401
        for name in ("recommend", "events", "admin", "metrics"):
            status = call(server.url + path, body, method=method, headers=bearer(keys[name]))[0]
            assert status == (200 if name == scope else 403), (path, name)
    for path in ("/", "/healthz", "/readyz", "/page/page.js", "/openapi.json"):
        assert call(server.url + path)[0] == 200


def test_every_address_asks_for_a_scope(locked: tuple[Server, dict[str, str]]) -> None:
    """An address that somebody adds and forgets to guard is found here."""
    server, _ = locked
    paths = call(f"{server.url}/openapi.json")[1]["paths"]
    open_ones = {(m, p) for p, methods in paths.items() for m in methods if scope_of(m.upper(), p) is None}
    assert open_ones == {("get", "/healthz"), ("get", "/readyz")}
    changing = {(m, p) for p, ms in paths.items() for m in ms if m in {"put", "delete", "patch"}}
    assert changing
    assert {scope_of(m.upper(), p) for m, p in changing} == {"admin"}


def test_a_key_that_asks_too_often_waits(locked: tuple[Server, dict[str, str]]) -> None:
    server, keys = locked
    statuses = [
        call(f"{server.url}/v1/recommend", {"n": 1}, headers=bearer(keys["slow"]))[0] for _ in range(5)
    ]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(3):
        headers = {**bearer(keys["slow"]), "Content-Type": "application/json"}
        connection.request("POST", "/v1/recommend", b'{"n": 1}', headers)
        answer = connection.getresponse()
        answer.read()
    assert (answer.status, answer.getheader("Retry-After")) == (429, "1")


def test_a_revoked_key_is_out(locked: tuple[Server, dict[str, str]]) -> None:
    server, _ = locked
    store = EventStore(server.store)
    secret = make_key(store, "guest", ["recommend"], 100)
    url, body = f"{server.url}/v1/recommend", {"n": 1}

    def until(status: int) -> None:
        for _ in range(60):
            if call(url, body, headers=bearer(secret))[0] == status:
                return
            time.sleep(0.1)
        raise AssertionError(f"never {status}")

    until(200)
    revoke_key(store, "guest")
    until(401)
    store.close()


def test_without_keys_only_this_machine_is_served(bundle: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["serve", str(bundle), "--host", "0.0.0.0", "--store", str(tmp_path / "e.sqlite")]
    )
    assert done.exit_code != 0
    assert isinstance(done.exception, ShortlistError)
    assert "shortlist keys add" in done.exception.message


def test_what_is_not_json_or_too_large_is_refused(server: Server) -> None:
    def send(headers: dict[str, str], body: Any, chunked: bool = False) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            connection.request("POST", "/v1/recommend", body, headers, encode_chunked=chunked)
            return connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            return 413
        finally:
            connection.close()

    assert send({"Content-Type": "text/plain"}, b'{"n": 1}') == 415
    assert send({"Content-Type": "application/x-www-form-urlencoded"}, b"n=1") == 415
    assert send({}, b'{"n": 1}') == 415
    assert send({"Content-Type": "application/json; charset=utf-8"}, b'{"n": 1}') == 200
    big = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert send(big, iter([b" " * 100_000] * 30), chunked=True) == 413, "counted as it arrives"
    assert send(big, iter([b'{"n"', b": 1}"]), chunked=True) == 200
    assert call(f"{server.url}/v1/recommend", {"history": ["m00001"] * 1001})[0] == 422
    deep = b'{"context": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert call(f"{server.url}/v1/recommend", raw=deep)[0] in {400, 422}


def test_headers_that_leave_with_every_answer(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for path in ("/", "/healthz", "/v1/project", "/nowhere"):
        connection.request("GET", path, headers={"X-Request-Id": "abc-1"})
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("X-Frame-Options") == "DENY"
        assert answer.getheader("X-Request-Id") == "abc-1"
    connection.request("GET", "/", headers={"X-Request-Id": "<script>"})
    answer = connection.getresponse()
    answer.read()
    assert answer.getheader("X-Request-Id") != "<script>"
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_logs_hold_no_values(bundle: Path, tmp_path: Path) -> None:
    import subprocess

    server = Server(bundle, tmp_path / "e.sqlite", environment={"SHORTLIST_LOG": "json"})
    server.stop()
    log = tmp_path / "log"
    opened = log.open("wb")
    popen = subprocess.Popen

    def logged(command: Any, **options: Any) -> Any:
        return popen(command, **{**options, "stderr": opened, "stdout": opened})

    subprocess.Popen = logged  # type: ignore[misc, assignment]
    try:
        server.start()
    finally:
        subprocess.Popen = popen  # type: ignore[misc]
    try:
        marked = {
            "user": "secret-person",
            "item": "secret-item",
            "kind": "secret-kind",
            "context": {"a": "secret-x"},
        }
        assert call(f"{server.url}/v1/events", {"events": [marked]})[0] == 422
        assert (
            call(f"{server.url}/v1/recommend", {"user": "secret-person"}, headers={"X-Request-Id": "r-7"})[0]
            == 200
        )
        assert call(f"{server.url}/v1/users/secret-person/history")[0] == 200
        time.sleep(0.3)
    finally:
        server.stop()
    text = log.read_text()
    assert "secret" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["message"] == "answered"]
    assert any(line["request_id"] == "r-7" and line["path"] == "/v1/recommend" for line in answered)
    assert {line["status"] for line in answered} >= {200, 422}


# ---------------------------------------------------------------- people and items


def test_erase_and_export(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite")
    try:
        person = call(f"{server.url}/v1/users")[1]["users"][0]["user"]
        call(f"{server.url}/v1/events", {"events": [{**PLAY, "user": person}]})
        slate = call(f"{server.url}/v1/recommend", {"user": person})[1]
        time.sleep(0.8)
        held = call(f"{server.url}/v1/users/{person}/export")[1]
        assert [e["item"] for e in held["events"]] == ["m00001"]
        assert [s["slate_id"] for s in held["slates"]] == [slate["slate_id"]]
        assert len(held["log"]) >= 2
        before = call(f"{server.url}/v1/users/{person}/history")[1]["events"]
        assert before >= 3
        status, gone = call(f"{server.url}/v1/users/{person}", method="DELETE")
        assert (status, gone["erased"]) == (200, {"events": 1, "slates": 1})
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
            "who was erased is a stranger"
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


def test_items_come_change_and_go(bundle: Path, tmp_path: Path) -> None:
    server = Server(bundle, tmp_path / "e.sqlite")
    project = Recommender.load(bundle).project
    assert project.items is not None
    try:
        history = ["m00003", "m00010", "m00020"]

        def shown(n: int = 200) -> set[str]:
            return {
                i["item"]
                for i in call(f"{server.url}/v1/recommend", {"history": history, "n": n})[1]["items"]
            }

        def found() -> list[str]:
            asked = {"history": history, "n": 1, "filters": {"items": {"any": ["new-film"]}}}
            return [i["item"] for i in call(f"{server.url}/v1/recommend", asked)[1]["items"]]

        first = call(f"{server.url}/v1/recommend", {"history": history, "n": 1})[1]["items"][0]["item"]
        assert call(f"{server.url}/v1/items/{first}", method="DELETE")[0] == 200
        assert first not in shown()
        assert call(f"{server.url}/v1/items/{first}", {"retired": False}, method="PUT")[0] == 200
        assert first in shown()
        # a new item that is described like the best one is found by its description, at once
        like = Recommender.load(bundle).dataset.items
        code = like.ids.code(first)
        said = {name: a.show(code) for name, a in like.attributes.items()}
        started = time.monotonic()
        status, answer = call(
            f"{server.url}/v1/items/new-film", {"title": "A new film", "attributes": said}, method="PUT"
        )
        assert (status, answer["added"]) == (200, True)
        assert found() == ["new-film"]
        assert time.monotonic() - started < 1.0
        play = {"user": "w", "item": "new-film", "kind": "play", "value": 5.0}
        assert call(f"{server.url}/v1/events", {"events": [play]})[0] == 200
        assert call(f"{server.url}/v1/users/w/history")[1]["history"][0]["title"] == "A new film"
        for body, field in (
            ({"attributes": {"colour": 1}}, "attributes.colour"),
            ({"attributes": {"genres": 5}}, "attributes.genres"),
            ({"surprise": 1}, "surprise"),
        ):
            status, answer = call(f"{server.url}/v1/items/m00001", body, method="PUT")
            assert (status, answer["field"]) == (422, field)
        assert call(f"{server.url}/v1/items/none", method="DELETE")[0] == 404
        many = {"items": [{"item": "m00001", "retired": True}, {"item": "bad", "attributes": {"x": 1}}]}
        status, answer = call(f"{server.url}/v1/items", many, method="PUT")
        assert (status, answer["field"]) == (422, "items.1.attributes.x")
        assert "m00001" in {r.item for r in Recommender.load(bundle).similar("m00003", 200)} | {"m00001"}
        server.kill()
        server.start()
        assert found() == ["new-film"]
        why = call(f"{server.url}/v1/why", {"history": history, "item": "new-film", "n": 200})[1]
        assert {k: why["steps"][3][k] for k in ("stage", "passed")} == {"stage": "retrieve", "passed": True}
        assert "content" in why["steps"][3]["sentence"]
    finally:
        server.stop()


def test_why_an_item_is_not_there(server: Server, recommender: Recommender) -> None:
    who = call(f"{server.url}/v1/users")[1]["users"][0]["user"]
    slate = call(f"{server.url}/v1/recommend", {"user": who, "n": 5})[1]["items"]
    on, url = slate[0]["item"], f"{server.url}/v1/why"
    assert call(url, {"user": who, "n": 5, "item": on})[1]["shown"]
    mine = call(f"{server.url}/v1/users/{who}/history")[1]["history"][0]["item"]
    seen = call(url, {"user": who, "item": mine})[1]
    assert (seen["shown"], seen["stage"]) == (False, "history")
    filters = {"items": {"none": [on]}}
    ruled = call(url, {"user": who, "item": on, "filters": filters})[1]
    assert (ruled["stage"], ruled["sentence"]) == ("rules", "The filter on items takes it out.")
    far = call(f"{server.url}/v1/recommend", {"user": who, "n": 200})[1]["items"][-1]["item"]
    low = call(url, {"user": who, "n": 5, "item": far})[1]
    assert low["stage"] == "rank"
    assert "by utility" in low["sentence"]
    assert [s["stage"] for s in low["steps"]] == ["catalogue", "rules", "history", "retrieve", "rank"]
    assert call(url, {"item": "none"})[0] == 422


def test_timing_of_one_request(server: Server) -> None:
    answer = call(f"{server.url}/v1/recommend?debug=timing", {"user": "u00001"})[1]
    timing = answer["timing"]
    assert set(timing) == {"request", "retrieve", "features", "rank", "rerank", "slate", "total"}
    assert 0 < sum(v for k, v in timing.items() if k != "total") <= timing["total"]
    assert call(f"{server.url}/v1/recommend?debug=all", {"user": "u00001"})[0] == 422
    text = call(f"{server.url}/metrics")[1]
    for name in (
        "stage_seconds_bucket",
        "batch_size_count",
        "shown_items_total",
        "slates_total",
        "event_lag_seconds",
    ):
        assert f"shortlist_{name}" in text


# ---------------------------------------------------------------- fuzzing


def test_the_api_keeps_to_its_description(server: Server) -> None:
    """schemathesis makes requests from the OpenAPI, right and wrong ones: no 5xx, and answers are as described."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = list(schema.get_all_operations())
    assert len(operations) >= 20
    skipped = {"/metrics"}
    for result in operations:
        operation = result.ok()
        if operation.path in skipped:
            continue

        strategy = operation.as_strategy()

        def run(case: Any) -> None:
            answer = case.call()
            assert answer.status_code < 500, (case.as_curl_command(), answer.text[:300])
            if answer.status_code >= 400:
                assert set(answer.json()) >= {"error", "field"}

        given(case=strategy)(
            settings(
                max_examples=int(os.environ.get("SHORTLIST_FUZZ", "12")),
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(run)
        )()


def test_a_bundle_that_was_tampered_with_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Truncated files, flipped bits and names from outside: each time a refusal in a sentence, and nothing is run."""
    rng = random.Random(4)
    names = sorted(json.loads((bundle / "manifest.json").read_text())["files"])
    refused = 0
    for number in range(60):
        broken = tmp_path / f"b{number}"
        shutil.copytree(bundle, broken)
        path = broken / rng.choice([*names, "manifest.json"])
        data = bytearray(path.read_bytes())
        if number % 2 and len(data) > 1:
            data = data[: rng.randrange(len(data))]
        elif data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        if bytes(data) == path.read_bytes():
            continue
        path.write_bytes(bytes(data))
        try:
            Recommender.load(broken)
        except BundleError:
            refused += 1
        else:  # a bit of the manifest that says nothing about a file: a name, a time
            assert path.name == "manifest.json"
        shutil.rmtree(broken)
    assert refused >= 50


def test_a_bundle_whose_checksums_fit_is_still_read_with_care(bundle: Path, tmp_path: Path) -> None:
    """Whoever makes a hostile bundle makes its checksums too: what is inside must not crash or run anything either."""
    rng = random.Random(9)
    names = [n for n in sorted(json.loads((bundle / "manifest.json").read_text())["files"])]
    marker = tmp_path / "ran"
    for number in range(40):
        name = names[number % len(names)]

        def edit(folder: Path, name: str = name, number: int = number) -> None:
            path = folder / name
            data = bytearray(path.read_bytes())
            if number % 3 == 0:
                data = data[: len(data) // 2]
            elif number % 3 == 1:
                data = bytearray(f"c__import__('pathlib').Path({str(marker)!r}).touch()".encode())
            else:
                for _ in range(3):
                    data[rng.randrange(len(data))] ^= 255
            path.write_bytes(bytes(data))

        hostile = copy_bundle(bundle, tmp_path / f"h{number}", "h", 1, edit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ShortlistError):
                Recommender.load(hostile).recommend(history=[], n=3)
        assert not marker.exists()
        shutil.rmtree(hostile)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "data/../../outside", "a\x00b", "x" * 5000, "", "."]
)
def test_names_that_lead_outside(bundle: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "b"
    shutil.copytree(bundle, broken)
    (tmp_path / "outside").write_text("secret")
    path = broken / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError):
        read_manifest(broken)
    link = tmp_path / "c"
    shutil.copytree(bundle, link)
    file = link / "profile.json"
    file.unlink()
    file.symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match="outside"):
        read_manifest(link)

"""Several tenants on one server: found by path, loaded on demand within a limit, and apart from each other."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from shortlist.errors import ShortlistError
from shortlist.recommender import Recommender
from shortlist.serve.keys import make_key
from shortlist.serve.memory import byte_size, collect_what_was_kept, mapped_bytes
from shortlist.serve.settings import ServerSettings
from shortlist.serve.tenants.app import OPERATORS, make_tenants_app
from shortlist.serve.tenants.folder import TenantFolder, holds_tenants
from shortlist.serve.tenants.pool import TenantPool, TenantUnavailableError, UnknownTenantError
from shortlist.store.event_store import EventStore
from support.cli import run
from support.embedded import EmbeddedServer
from support.http import bearer, call
from support.servers import Server
from support.waiting import wait_for

NAMES = ("acme", "zenith")


@pytest.fixture(scope="module")
def models(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tenants, whose projects have their names, and one that has no bundle."""
    folder = tmp_path_factory.mktemp("tenants")
    for name in NAMES:
        project = recommender.project.model_copy(update={"name": f"shop of {name}"})
        recommender.with_project(project).save(folder / name / "bundle")
    (folder / "empty").mkdir()
    return folder


def copied(models: Path, folder: Path) -> Path:
    """The same tenants with stores of their own."""
    return Path(shutil.copytree(models, folder / "tenants", copy_function=_link))


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


@pytest.fixture(scope="module")
def locked(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A server as on an address that others can reach, behind the path prefix /recs; each tenant has an admin key."""
    folder = copied(models, tmp_path_factory.mktemp("locked"))
    keys = {}
    for name, path in (*((n, folder / n / "events.sqlite") for n in NAMES), ("", folder / OPERATORS)):
        store = EventStore(path)
        keys[name] = make_key(store, f"key of {name}", ["recommend", "events", "admin", "metrics"], 1_000)
        store.close()
    settings = ServerSettings(root_path="/recs", keyed=True)
    server = EmbeddedServer.of(lambda: make_tenants_app(TenantFolder(folder), settings))
    yield server.url, keys
    server.stop()


def test_each_tenant_has_a_server_of_its_own(locked: tuple[str, dict[str, str]]) -> None:
    url, keys = locked
    for prefix in ("", "/recs"):  # a proxy may remove its prefix or leave it
        for name in NAMES:
            mine = bearer(keys[name])
            facts = call(f"{url}{prefix}/t/{name}/v1/project", headers=mine)[1]
            assert facts["name"] == f"shop of {name}"
            assert "Shortlist" in call(f"{url}{prefix}/t/{name}/")[1]
            assert call(f"{url}{prefix}/t/{name}/page/main.js")[0] == 200
            document = call(f"{url}{prefix}/t/{name}/openapi.json")[1]
            assert document["servers"] == [{"url": f"/recs/t/{name}"}]
    with urllib.request.urlopen(f"{url}/t/acme") as answer:
        assert answer.url == f"{url}/recs/t/acme/", "the addresses in the page are relative"


def test_keys_of_one_tenant_are_refused_by_the_other(locked: tuple[str, dict[str, str]]) -> None:
    url, keys = locked
    doors: tuple[tuple[str, str, Any], ...] = (
        ("POST", "/v1/recommend", {"user": "u00001"}),
        ("POST", "/v1/events", {"events": []}),
        ("PUT", "/v1/items/m00001", {"retired": True}),
        ("DELETE", "/v1/users/u00001", None),
        ("GET", "/v1/users/u00001/export", None),
        ("GET", "/v1/admin/audit", None),
        ("GET", "/metrics", None),
        ("GET", "/v1/project", None),
    )
    for other in ("zenith", "", "nobody"):
        wrong = bearer(keys.get(other, "sl_wrong"))
        for method, path, body in doors:
            assert call(f"{url}/t/acme{path}", body, method=method, headers=wrong)[0] == 401, (other, path)
    for path in ("/metrics", "/v1/admin/tenants"):
        assert call(url + path, headers=bearer(keys["acme"]))[0] == 401
        assert call(url + path, headers=bearer(keys[""]))[0] == 200
    assert call(f"{url}/t/acme/v1/admin/audit", headers=bearer(keys["acme"]))[1] == []


def test_what_one_tenant_does_is_not_seen_by_the_other(locked: tuple[str, dict[str, str]]) -> None:
    url, keys = locked

    def ask(name: str, path: str, body: Any = None, method: str | None = None) -> Any:
        status, answer = call(f"{url}/t/{name}{path}", body, method=method, headers=bearer(keys[name]))
        assert status == 200, answer
        return answer

    secret = "a-secret-of-acme"
    ask("acme", f"/v1/items/{secret}", {"title": "Secret film", "attributes": {"minutes": 90}}, "PUT")
    slate = ask("acme", "/v1/recommend", {"user": secret, "n": 3})
    played = {"user": secret, "item": slate["items"][0]["item"], "kind": "play", "value": 900.0}
    ask("acme", "/v1/events", {"events": [{**played, "slate_id": slate["slate_id"]}]})
    ask("acme", "/v1/users/u00002", None, "DELETE")
    assert ask("acme", f"/v1/users/{secret}/history")["events"] == 1
    assert ask("acme", "/v1/items?q=secret")["total"] == 1

    assert ask("zenith", f"/v1/users/{secret}/history")["events"] == 0
    assert ask("zenith", "/v1/items?q=secret")["total"] == 0
    assert ask("zenith", "/v1/admin/audit") == []
    assert ask("zenith", "/v1/users/u00002/history")["events"] > 0
    exported = ask("zenith", f"/v1/users/{secret}/export")
    assert (exported["events"], exported["slates"], exported["log"]) == ([], [], [])
    same = {"user": "u00003", "n": 5, "explore": 0}
    assert secret not in json.dumps(ask("zenith", "/v1/recommend", same))
    assert not ask("zenith", "/v1/recommend", {"user": secret})["user_known"]

    own = ask("acme", "/metrics")
    assert 'shortlist_events_total{kind="play"} 1.0' in own
    assert "shortlist_events_total{" not in ask("zenith", "/metrics")
    assert "zenith" not in own
    together = call(f"{url}/metrics", headers=bearer(keys[""]))[1]
    assert 'shortlist_events_total{kind="play",tenant="acme"} 1.0' in together
    assert 'shortlist_events_total{kind="play",tenant="zenith"}' not in together
    assert 'name="shop of zenith",tenant="zenith"' in together
    assert together.count("# TYPE shortlist_slates_total counter") == 1
    for name, other in (NAMES, NAMES[::-1]):
        for path, body in (("recommend", {"weights": {"x": 1}}), ("why", {"item": "x"}), ("nothing", {})):
            answer = call(f"{url}/t/{name}/v1/{path}", body, headers=bearer(keys[name]))
            assert answer[0] >= 400
            assert other not in json.dumps(answer[1])
            assert "tenants" not in json.dumps(answer[1]), "no path of the machine"


def test_unknown_tenants_are_refused_without_a_list(locked: tuple[str, dict[str, str]]) -> None:
    url, keys = locked
    for name in (
        "nobody",
        "empty",
        "ACME",
        "ac%6de",
        "%61cme",
        "..",
        ".",
        "acme%2F..%2Fzenith",
        "",
        "operators.sqlite",
    ):
        for path in ("/v1/project", "/v1/recommend", "/metrics", ""):
            status, answer = call(f"{url}/t/{name}{path}", headers=bearer(keys["acme"]))
            assert status == 404, (name, path)
            assert "acme" not in json.dumps(answer)
            assert "zenith" not in json.dumps(answer)
    assert call(f"{url}/t/nobody/v1/project")[1]["error"] == "there is no such tenant"
    assert call(f"{url}/healthz")[1] == {"status": "ok"}
    for path in ("/", "/docs", "/openapi.json", "/t"):
        assert call(url + path)[0] in {401, 404}
    assert call(f"{url}/v1/recommend", {"user": "u00001"}, headers=bearer(keys["acme"]))[0] == 401


def pool(folder: Path, limit: int | None = None) -> TenantPool:
    return TenantPool(TenantFolder(folder), ServerSettings(memory_limit=limit))


def test_tenants_are_loaded_on_demand_within_the_limit(models: Path, tmp_path: Path) -> None:
    """What a tenant kept is in its store when it is unloaded, and counts when it comes back; nothing else stays of it."""
    folder = copied(models, tmp_path)
    size = TenantFolder(folder).all()[0].size()
    assert size > 1_000_000

    async def go() -> None:
        tenants = pool(folder, int(1.5 * size))
        async with tenants.use("acme") as app:
            service = app.state.service
            slate = service.slates.answer([_request("u00007")])[0].slate
            seen = weakref.ref(service.live.serving.recommender)
            assert list(tenants.loaded) == ["acme"]
        del app, service
        async with tenants.use("zenith"):
            assert list(tenants.loaded) == ["zenith"]
        store = EventStore(folder / "acme" / "events.sqlite")
        assert [kept.slate_id for kept in store.slates()] == [slate.slate_id]
        store.close()
        assert seen() is None, "the model of an unloaded tenant is freed at once"
        async with tenants.use("acme") as app:
            assert list(tenants.loaded) == ["acme"]
            assert app.state.service.writer.fault is None
        assert tenants.counts == {"loaded": 3, "unloaded": 2}
        await tenants.close()
        assert not tenants.loaded
        with pytest.raises(TenantUnavailableError):
            async with tenants.use("acme"):
                pass

    asyncio.run(go())


def _request(user: str) -> Any:
    from shortlist.requests import RecommendRequest

    return RecommendRequest(user, 4)


def taken(process: psutil.Process, folder: Path) -> int:
    """Return the memory of a process that is its own, and that of the files of a folder, bytes."""
    return sum(
        one.rss if one.path.startswith(str(folder)) else one.anonymous for one in process.memory_maps()
    )


def test_what_a_tenant_takes_is_measured(models: Path, tmp_path: Path) -> None:
    """Against what the system says of the whole process; the first one, which loads libraries, counts with its bundle."""
    folder, process = copied(models, tmp_path), psutil.Process()
    shutil.copytree(folder / "acme", folder / "third")

    async def go() -> None:
        tenants = pool(folder)
        async with tenants.use("acme"):
            pass
        assert tenants.size == TenantFolder(folder).all()[0].size()
        grown = []
        for name in ("zenith", "third"):
            collect_what_was_kept()
            before = taken(process, folder / name)
            async with tenants.use(name):
                pass
            collect_what_was_kept()
            grown.append(taken(process, folder / name) - before)
        for name, growth in zip(("zenith", "third"), grown, strict=True):
            assert abs(tenants.loaded[name].size - growth) < 0.3 * abs(growth) + 8e6, (name, growth)
        files = mapped_bytes(folder / "third")
        assert 0 < files <= tenants.loaded["third"].tenant.size() + 400_000  # whole pages
        assert mapped_bytes(folder / "nobody") == 0
        await tenants.close()

    asyncio.run(go())


def test_a_tenant_that_is_used_stays(models: Path, tmp_path: Path) -> None:
    """The limit is kept again when the request has ended; many requests load a tenant once."""
    folder = copied(models, tmp_path)
    size = TenantFolder(folder).all()[0].size()

    async def go() -> None:
        tenants = pool(folder, int(1.5 * size))

        async def ask(name: str) -> str:
            async with tenants.use(name) as app:
                await asyncio.sleep(0)
                return str(app.state.service.live.serving.recommender.project.name)

        found = await asyncio.gather(*(ask("acme") for _ in range(5)))
        assert set(found) == {"shop of acme"}
        assert tenants.counts["loaded"] == 1
        async with tenants.use("acme"):
            assert await ask("zenith") == "shop of zenith"
            assert list(tenants.loaded) == ["acme", "zenith"], (
                "a tenant that answers a request is not unloaded"
            )
        looking = asyncio.create_task(tenants.run())
        while len(tenants.loaded) > 1:
            await asyncio.sleep(0.05)
        assert list(tenants.loaded) == ["zenith"], "acme was used longest ago"
        # a client that leaves while its tenant is loaded
        leaving = asyncio.create_task(ask("acme"))
        await asyncio.sleep(0.01)
        leaving.cancel()
        assert await ask("acme") == "shop of acme"
        shutil.rmtree(folder / "acme")
        while "acme" in tenants.loaded:
            await asyncio.sleep(0.05)
        with pytest.raises(UnknownTenantError):
            await ask("acme")
        looking.cancel()
        await tenants.close()

    asyncio.run(go())


def test_a_tenant_that_cannot_be_loaded_does_not_stop_the_others(models: Path, tmp_path: Path) -> None:
    folder = copied(models, tmp_path)
    manifest = folder / "acme" / "bundle" / "manifest.json"
    manifest.unlink()  # it is a hard link
    manifest.write_text("{}")
    server = EmbeddedServer.of(lambda: make_tenants_app(TenantFolder(folder)))
    try:
        for _ in range(2):
            status, answer = call(f"{server.url}/t/acme/v1/project")
            assert status == 503
            assert answer["error"] == "this tenant cannot be served at the moment; the server's log says why"
        assert call(f"{server.url}/t/zenith/v1/project")[0] == 200
        text = call(f"{server.url}/metrics")[1]
        assert 'shortlist_tenant_changes_total{result="failed"} 1.0' in text, "it is not tried again at once"
        loaded = call(f"{server.url}/v1/admin/tenants")[1]["loaded"]
        assert [one["tenant"] for one in loaded] == ["zenith"]
        # a new tenant needs no restart
        shutil.copytree(models / "acme", folder / "later")
        assert call(f"{server.url}/t/later/v1/project")[1]["name"] == "shop of acme"
    finally:
        server.stop()


def test_the_command(models: Path, tmp_path: Path) -> None:
    """A real server loads tenants; what they took is in their stores when it has stopped."""
    folder = copied(models, tmp_path)
    shutil.copytree(folder / "acme", folder / "Acme Ltd")
    server = Server(
        folder, str(folder / "{tenant}.sqlite"), "--memory-limit", "1GB", output=tmp_path / "said.txt"
    )
    histories: list[str] = []
    try:
        for name in NAMES:
            event = {"user": name, "item": "m00001", "kind": "play", "value": 60.0}
            assert call(f"{server.url}/t/{name}/v1/events", {"events": [event]})[0] == 200
            histories.append(f"{server.url}/t/{name}/v1/users/{name}/history")
        wait_for(lambda: all(call(one)[1]["events"] == 1 for one in histories), "the events count")
    finally:
        server.stop()
    assert "Acme Ltd is not served: the name of a tenant has" in (tmp_path / "said.txt").read_text()
    for name in NAMES:
        store = EventStore(folder / f"{name}.sqlite")
        assert [event.user for event in store.events()] == [name]
        store.close()


def test_wrong_options_are_refused(models: Path, bundle: Path, tmp_path: Path) -> None:
    for words, said in (
        ((models, "--store", "one.sqlite"), "write {tenant} where the name of the tenant belongs"),
        ((models, "--report", "report.html"), "a report is of one tenant"),
        ((models, "--memory-limit", "5 apples"), "'5 apples' is not a size; write for example 4GB"),
        ((bundle, "--memory-limit", "1GB"), "is no folder of tenants"),
    ):
        assert said in " ".join(run("serve", *words, cwd=tmp_path, ok=False).split())


def test_folders(models: Path, bundle: Path, tmp_path: Path) -> None:
    assert holds_tenants(models)
    assert not holds_tenants(bundle)
    assert not holds_tenants(bundle.parent / "nothing")
    several = tmp_path / "models"
    shutil.copytree(bundle, several / "one")
    assert not holds_tenants(several), "it is a folder of bundles"
    tenants = TenantFolder(models, "postgresql://host/events_{tenant}")
    assert [(one.name, one.trained) for one in tenants.all()] == [
        ("acme", True),
        ("empty", False),
        ("zenith", True),
    ]
    assert tenants.all()[0].store == "postgresql://host/events_acme"
    assert tenants.misnamed() == []
    shutil.copytree(several, tmp_path / "t" / "acme" / "models")
    shutil.copytree(bundle, tmp_path / "t" / "Bad Name" / "bundle")
    (tmp_path / "t" / "Not a tenant").mkdir()
    assert TenantFolder(tmp_path / "t").misnamed() == ["Bad Name"]
    [acme] = TenantFolder(tmp_path / "t").all()
    assert (acme.bundle.name, acme.trained) == ("models", True)
    for text, size in (("4GB", 4 * 10**9), ("1.5 mb", 1_500_000), ("2k", 2_000), ("300", 300), ("7B", 7)):
        assert byte_size(text, "x") == size
    for text in ("", "GB", "0", "-1GB", "4 XB", "1e9"):
        with pytest.raises(ShortlistError, match="is not a size"):
            byte_size(text, "x")

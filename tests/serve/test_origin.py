"""Pages of other sites can neither read from a server on this machine nor change anything; allowed origins can."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.serve.middleware.origin import OriginPolicy
from support.http import call
from support.servers import Server

SHOP = "https://shop.example"
JSON = {"Content-Type": "application/json"}


def send(
    server: Server, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "::1", "10.1.2.3", "a.localhost:1", ""],
)
def test_hosts_that_are_this_machine(host: str) -> None:
    assert OriginPolicy().host_fault({b"host": host.encode()}, locked=False) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "127.0.0.1:80:80", "x"]
)
def test_other_host_names_are_refused(host: str) -> None:
    headers = {b"host": host.encode()}
    assert "--allowed-host" in str(OriginPolicy().host_fault(headers, locked=False))
    assert OriginPolicy().host_fault(headers, locked=True) is None, "a server with keys needs no names"
    assert OriginPolicy(hosts=["shop.example"]).host_fault(headers, locked=True) is not None
    assert OriginPolicy(hosts=["*"]).host_fault(headers, locked=False) is None
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    assert OriginPolicy(hosts=[name.upper()]).host_fault(headers, locked=False) is None


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:3000"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"origin": "null"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "http://localhost:8000"}, False),
        ({"sec-fetch-site": "cross-site", "origin": SHOP}, False),
    ],
)
def test_changes_by_pages(headers: dict[str, str], refused: bool) -> None:
    given = {b"host": b"localhost:8000", **{k.encode(): v.encode() for k, v in headers.items()}}
    assert (OriginPolicy(origins=[SHOP + "/"]).change_fault(given) is not None) == refused


def test_a_page_of_another_site_changes_nothing(server: Server) -> None:
    cross = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/v1/admin/models/rollback", "/v1/events", "/v1/recommend"):
        assert send(server, "POST", path, cross).status == 403
        assert send(server, "POST", path, {**cross, **JSON}, "{}").status == 403
    assert send(server, "DELETE", "/v1/users/u00001", cross).status == 403
    assert send(server, "GET", "/v1/users?n=1", {"Host": "evil.example"}).status == 421
    # a client that is no browser has to say that it sends JSON, and models need a key
    assert send(server, "POST", "/v1/admin/models/rollback", {}).status == 415
    answer = call(f"{server.url}/v1/admin/models/rollback", {})
    assert answer[0] == 403
    assert "--admin-without-key" in answer[1]["error"]


@pytest.fixture(scope="module")
def open_server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a name, an allowed origin and a path prefix."""
    store = tmp_path_factory.mktemp("origin") / "e.sqlite"
    options = ("--cors-origin", SHOP, "--allowed-host", "recs.internal", "--root-path", "/recs")
    server = Server(bundle, store, *options, "--admin-without-key")
    yield server
    server.stop()


def test_an_allowed_origin_may_call(open_server: Server) -> None:
    preflight = send(
        open_server,
        "OPTIONS",
        "/v1/recommend",
        {
            "Origin": SHOP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.status == 200
    assert preflight.getheader("Access-Control-Allow-Origin") == SHOP
    answer = send(
        open_server,
        "POST",
        "/v1/recommend",
        {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "Host": "recs.internal", **JSON},
        '{"n": 1}',
    )
    assert answer.status == 200
    assert answer.getheader("Access-Control-Allow-Origin") == SHOP
    other = send(open_server, "POST", "/v1/recommend", {"Origin": "https://evil.example", **JSON}, '{"n": 1}')
    assert other.status == 403
    assert other.getheader("Access-Control-Allow-Origin") is None
    assert call(f"{open_server.url}/v1/admin/models/rollback", {})[0] != 403


def test_pages_load_nothing_from_elsewhere(open_server: Server) -> None:
    for path in ("/", "/docs"):
        connection = http.client.HTTPConnection("127.0.0.1", open_server.port)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        for quote in ('src="', 'href="', "url: '"):
            for part in text.split(quote)[1:]:
                assert not part.startswith(("/", "http")), part[:60]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert send(open_server, "GET", f"/docs/{name}", {}).status == 200
    assert call(f"{open_server.url}/openapi.json")[1]["servers"] == [{"url": "/recs"}]

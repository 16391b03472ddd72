"""Pages of other sites can neither read from a server on this machine nor change anything; allowed origins can."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import ShortlistError
from shortlist.serve.middleware.origin import OriginPolicy
from shortlist.serve.settings import ServerSettings
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
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.:1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::1]",
        "::1",
        "10.1.2.3",
        "a.localhost:1",
        "",
    ],
)
def test_hosts_that_are_this_machine(host: str) -> None:
    assert OriginPolicy().host_fault({b"host": host.encode()}, locked=False) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "127.0.0.1:80:80",
        "x",
        "[::1].evil.example",
        "[::1]evil.example:80",
        "[::1",
        "evil.example:127.0.0.1",
    ],
)
def test_other_host_names_are_refused(host: str) -> None:
    headers = {b"host": host.encode()}
    assert "--allowed-host" in str(OriginPolicy().host_fault(headers, locked=False))
    assert OriginPolicy().host_fault(headers, locked=True) is None, "a server with keys needs no names"
    assert OriginPolicy(hosts=["shop.example"]).host_fault(headers, locked=True) is not None
    assert OriginPolicy(hosts=["*"]).host_fault(headers, locked=False) is None


def test_an_allowed_host_has_any_port() -> None:
    policy = OriginPolicy(ServerSettings(hosts=("Recs.Internal.", "[fe80::1]")).hosts)
    for host in (b"recs.internal", b"RECS.internal:8000", b"recs.internal.:1", b"[fe80::1]:1"):
        assert policy.host_fault({b"host": host}, locked=True) is None


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


@pytest.mark.parametrize(
    ("options", "as_compared"),
    [
        ({"hosts": ("Recs.Internal.", "*", "::1")}, ("recs.internal", "*", "::1")),
        ({"origins": ("HTTPS://Shop.example/", "*")}, ("https://shop.example", "*")),
        (
            {"origins": ("https://a.example:443", "http://a.example:80", "http://a.example:443")},
            ("https://a.example", "http://a.example", "http://a.example:443"),
        ),
        (
            {"origins": ("capacitor://localhost", "http://[::1]:80")},
            ("capacitor://localhost", "http://[::1]"),
        ),
        ({"root_path": "/a/b.c/"}, "/a/b.c"),
        ({"root_path": "/"}, ""),
    ],
)
def test_settings_are_kept_as_they_are_compared(options: dict[str, Any], as_compared: Any) -> None:
    settings = ServerSettings.of(**options)
    assert getattr(settings, next(iter(options))) == as_compared


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"hosts": (host,)}, "allowed_host")
        for host in ("", "recs.internal:8000", "https://recs.internal", "a/b", "*.internal")
    ]
    + [
        ({"origins": (origin,)}, "cors_origin")
        for origin in ("", "null", "shop.example", "https://shop.example/page", "https://*.shop.example")
    ]
    + [({"root_path": path}, "root_path") for path in ("recs", "/recs//a", "/a%2Fb", "/..", "/a b", "/a?b")],
)
def test_settings_that_could_never_match_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ShortlistError) as error:
        ServerSettings.of(**options)
    assert error.value.field == field
    assert "such as" in error.value.message


@pytest.fixture(scope="module")
def open_server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a name, an allowed origin and a path prefix."""
    store = tmp_path_factory.mktemp("origin") / "e.sqlite"
    options = ("--cors-origin", f"{SHOP}/", "--allowed-host", "recs.internal", "--root-path", "/recs")
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
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    refused = send(open_server, "OPTIONS", "/v1/recommend", asks)
    assert refused.status == 400
    assert refused.getheader("Content-Type") == "application/json"
    assert refused.getheader("Access-Control-Allow-Origin") is None
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
    slash = send(open_server, "GET", "/recs", {})
    assert (slash.status, slash.getheader("Location")) == (307, "/recs/")

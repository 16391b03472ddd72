"""The TypeScript client in Chromium: a shop's page on an origin of its own, and a real server with a public key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from shortlist.serve.keys import make_key
from shortlist.serve.settings import ServerSettings
from shortlist.store.event_store import EventStore
from support.embedded import EmbeddedServer
from support.http import bearer, call
from support.paths import ROOT
from support.shell import code_blocks
from support.waiting import wait_for

pytestmark = pytest.mark.browser
CLIENT = ROOT / "src" / "shortlist" / "serve" / "page" / "client"
PAGE = """<!doctype html><title>A shop</title><script type="module">
import * as shortlist from "./client/index.js";
Object.assign(window, shortlist);
</script>"""


class Files(SimpleHTTPRequestHandler):
    """Serves the shop's files without a log."""

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the shop: a page that loads the client."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "index.html").write_text(PAGE)
    (folder / "client").symlink_to(CLIENT)
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[str]:
    """The origin of the shop."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(30)


@pytest.fixture(scope="module")
def recommendations(
    bundle: Path, shop: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a server that the shop's pages may call, and its keys."""
    target = tmp_path_factory.mktemp("events") / "e.sqlite"
    store = EventStore(target)
    keys = {
        "public": make_key(store, "web", ["public"], 500),
        "slow": make_key(store, "slow", ["public"], 1),
        "admin": make_key(store, "backend", ["recommend", "events", "admin"], 500),
    }
    store.close()
    server = EmbeddedServer(bundle, target, ServerSettings(origins=(shop,)))
    yield server.url, keys
    server.stop()


@pytest.fixture
def visit(
    browser: Browser, shop: str, recommendations: tuple[str, dict[str, str]]
) -> Iterator[Callable[..., Page]]:
    """Open the shop's page with a client of a visitor."""
    pages: list[Page] = []
    url, keys = recommendations

    def one(user: str, key: str = "public", options: str = "", origin: str = shop) -> Page:
        page = browser.new_page()
        pages.append(page)
        page.goto(origin)
        page.wait_for_function("window.ShortlistClient !== undefined")
        page.evaluate(
            f"window.client = new ShortlistClient({{url: {url!r}, key: {keys[key]!r}, user: {user!r}, {options}}})"
        )
        return page

    yield one
    for page in pages:
        page.close()


def stored(recommendations: tuple[str, dict[str, str]], user: str) -> list[dict[str, Any]]:
    """The events of a user as the server holds them."""
    url, keys = recommendations
    status, found = call(f"{url}/v1/users/{user}/export", headers=bearer(keys["admin"]))
    assert status == 200
    return list(found["events"])


SHOW_AND_CLICK = """async () => {
  const slate = await client.recommend({ n: 5 });
  const id = client.track("play", slate.items[2], { value: 60 });
  return [slate.items[2].item, slate.slate_id, id];
}"""


@pytest.mark.parametrize("leave", ["close", "navigate"])
def test_events_arrive_when_the_page_is_left(
    visit: Callable[..., Page], recommendations: tuple[str, dict[str, str]], leave: str
) -> None:
    """The queue would wait ten minutes: what arrives was handed to the browser as the page went."""
    user = f"v-{leave}"
    page = visit(user, options="flushInterval: 600000")
    item, slate, event_id = page.evaluate(SHOW_AND_CLICK)
    assert stored(recommendations, user) == []
    if leave == "close":
        page.close()
    else:
        page.goto("about:blank")
    wait_for(lambda: len(stored(recommendations, user)) > 0, "the event of the closed page")
    (event,) = stored(recommendations, user)
    assert (event["item"], event["slate"], event["event_id"]) == (item, slate, event_id)


def test_a_beacon_has_the_key_in_its_address(
    visit: Callable[..., Page], recommendations: tuple[str, dict[str, str]]
) -> None:
    """It is one request of plain text, which a browser sends to another origin without a preflight."""
    url, keys = recommendations
    page = visit("v-beacon", options="flushInterval: 600000")
    with page.expect_request("**/v1/events*") as sent:
        page.evaluate(f"({SHOW_AND_CLICK})().then(() => dispatchEvent(new Event('pagehide')))")
    assert (sent.value.resource_type, sent.value.url) == ("ping", f"{url}/v1/events?key={keys['public']}")
    assert sent.value.headers["content-type"].startswith("text/plain")
    assert "authorization" not in sent.value.headers
    wait_for(lambda: len(stored(recommendations, "v-beacon")) == 1, "the event of the beacon")


def test_a_batch_is_sent_again_after_503(
    visit: Callable[..., Page], recommendations: tuple[str, dict[str, str]], shop: str
) -> None:
    page = visit("v-again", options="flushInterval: 50")
    statuses: list[int] = []

    def fail_once(route: Route) -> None:
        if route.request.method == "POST" and not statuses:
            headers = {"Access-Control-Allow-Origin": shop}
            route.fulfill(status=503, headers=headers, json={"error": "not now", "field": None})
        else:
            route.continue_()

    page.route("**/v1/events", fail_once)
    page.on("response", lambda r: statuses.append(r.status) if r.request.method == "POST" else None)
    page.evaluate("client.track('play', 'm00001', { value: 60 })")
    page.wait_for_function("client.events.size === 0")
    assert statuses == [503, 200]
    assert [event["item"] for event in stored(recommendations, "v-again")] == ["m00001"]


def test_the_wait_that_the_server_demands_is_kept(visit: Callable[..., Page]) -> None:
    """The key allows one request a second, and the client reads `Retry-After` across origins."""
    page = visit("v-slow", key="slow", options="retries: 0")
    found = page.evaluate("""async () => {
      for (let i = 0; i < 9; i += 1) {
        try { await client.recommend({ n: 1 }); } catch (error) { return [error.status, error.retryAfter, error.message]; }
      }
    }""")
    assert found == [429, 1, "more than 1 requests a second with this key"]
    patient = """async () => {
      const patient = new ShortlistClient({ url: client.transport.url, key: client.transport.key });
      return (await patient.recommend({ n: 1 })).items.length;
    }"""
    assert page.evaluate(patient) == 1


def test_errors_have_a_status_and_a_field(visit: Callable[..., Page]) -> None:
    page = visit("v-errors")
    error_of = "async (run) => { try { await eval(run); } catch (e) { return [e.name, e.status, e.field]; } }"
    assert page.evaluate(error_of, "client.recommend({ weights: { fame: 1 } })") == [
        "ApiError",
        422,
        "weights.fame",
    ]
    for path in ("/v1/users/u00001/history", "/v1/admin/audit"):
        refused = f"client.request({{ method: 'GET', path: {path!r} }})"
        assert page.evaluate(error_of, refused) == ["ApiError", 403, None]


def test_a_page_of_another_origin_gets_nothing(visit: Callable[..., Page], shop: str) -> None:
    page = visit("v-foreign", options="retries: 0", origin=shop.replace("127.0.0.1", "localhost"))
    status = "client.recommend().then(() => 200, (error) => error.status)"
    assert page.evaluate(status) == 0


def test_a_visitor_keeps_an_id(visit: Callable[..., Page]) -> None:
    page = visit("unused")
    first = page.evaluate("visitorId()")
    page.reload()
    page.wait_for_function("window.visitorId !== undefined")
    assert page.evaluate("visitorId()") == first


def test_the_example_of_the_guide(
    browser: Browser, folder: Path, shop: str, recommendations: tuple[str, dict[str, str]]
) -> None:
    """A page loads the client from the server, shows a slate, and a click arrives."""
    url, keys = recommendations
    (example,) = code_blocks(ROOT / "docs" / "how-to" / "clients.md", "html")
    content = example.replace("https://recs.example", url).replace("slp_…", keys["public"])
    (folder / "guide.html").write_text(content)
    page = browser.new_page()
    page.goto(f"{shop}/guide.html")
    page.locator("#slate li").nth(2).click()
    user = page.evaluate("localStorage.getItem('shortlist-visitor')")
    page.close()
    wait_for(lambda: len(stored(recommendations, user)) == 1, "the click")

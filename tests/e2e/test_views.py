"""The product views in Chromium: a page of rows, a store, a feed, a shop with a basket."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from e2e.test_page import violations
from shortlist.recommender import Recommender
from shortlist.simulate.registry import WORLDS, make_world
from shortlist.simulate.world import World
from support.embedded import EmbeddedServer
from support.http import call
from support.paths import ROOT
from support.sizes import FULL, size
from support.worlds import quick

ARTIFACTS = ROOT / "artifacts"
pytestmark = pytest.mark.browser
Open = Callable[[str], tuple[Page, EmbeddedServer]]
IMAGES = "https://images.example.com"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
ELSEWHERE = "https://elsewhere.example.com"
LONG = "Höhenverstellbarer Kinderschreibtischstuhl mit Rückenlehnenverstellung und Sitzflächenbeschichtung"


def as_exported(world: World) -> World:
    """The shop as its owner exports it: nested categories, a long title, unknown prices, and pictures of most products."""
    items, n = world.items, world.items.num_rows
    titles = items["title"].to_pylist()
    pictures = [f"{IMAGES if k % 9 != 1 else ELSEWHERE}/{k}.png" if k % 3 else None for k in range(n)]
    links = ["javascript:alert(1)" if k % 2 else f"https://shop.example.com/p/{k}?a=<b>" for k in range(n)]
    prices = [None if k % 7 == 3 else price for k, price in enumerate(items["price"].to_pylist())]
    changed = {
        "title": pa.array([LONG if k % 50 == 5 else title for k, title in enumerate(titles)]),
        "kind": pc.binary_join_element_wise("Home > Living", items["kind"], " > "),
        "price": pa.array(prices, pa.float64()),
    }
    for name, column in changed.items():
        items = items.set_column(items.column_names.index(name), name, column)
    settings = world.settings
    own = {
        "items": {
            **settings["items"],
            "attributes": {**settings["items"]["attributes"], "image": "link", "url": "link"},
        },
        "page": {**settings["page"], "image": "image", "image_hosts": [IMAGES], "link": "url"},
    }
    items = items.append_column("image", pa.array(pictures)).append_column("url", pa.array(links))
    return replace(world, items=items, settings={**settings, **own})


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], EmbeddedServer]]:
    running: dict[str, EmbeddedServer] = {}

    def one(name: str) -> EmbeddedServer:
        if name not in running:
            folder = tmp_path_factory.mktemp(name)
            users, sessions = size(200, 400), size(1_500, 6_000)
            world = make_world(name, users=users, items=250, sessions=sessions, days=30, seed=1)
            world = as_exported(world) if name == "shop" else world
            if not FULL:  # the pages are tested here, not the model
                world = quick(world)
            bundle = Recommender(world.project()).fit(world.dataset()).save(folder / "bundle")
            running[name] = EmbeddedServer(bundle, folder / "events.sqlite")
        return running[name]

    yield one
    for server in running.values():
        server.stop()


def picture(route: Route) -> None:
    route.fulfill(body=PIXEL, content_type="image/png")


@pytest.fixture
def look(browser: Browser, servers: Callable[[str], EmbeddedServer]) -> Iterator[Open]:
    pages: list[tuple[Page, list[str]]] = []

    def one(name: str) -> tuple[Page, EmbeddedServer]:
        server = servers(name)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.route(f"{IMAGES}/**", picture)
        page.goto(server.url)
        expect(page.locator("#product-body [data-item]").first).to_be_visible()
        pages.append((page, complaints))
        return page, server

    yield one
    for page, complaints in pages:
        assert complaints == []
        page.close()


def shot(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / f"view-{name}.png"))
    if os.environ.get("SHORTLIST_VIEWS"):
        page.screenshot(path=str(Path(os.environ["SHORTLIST_VIEWS"]) / f"view-{name}.png"))


def items(page: Page) -> list[str]:
    return list(
        page.evaluate(
            "[...document.querySelectorAll('#product-body [data-item]')].map((b) => b.dataset.item)"
        )
    )


def person(page: Page) -> str:
    return (page.locator("#product-user option:checked").inner_text()).split(" ")[0]


def history(server: EmbeddedServer, user: str) -> list[tuple[str, str]]:
    status, found = call(f"{server.url}/v1/users/{user}/history")
    assert status == 200
    return [(event["item"], event["kind"]) for event in found["history"]]


@pytest.mark.parametrize("name", WORLDS)
def test_views_open_and_are_accessible(look: Open, name: str) -> None:
    page, _ = look(name)
    tab = page.locator("#tab-product")
    expect(tab).to_have_text({"movies": "Home", "video": "Feed", "shop": "Shop", "apps": "Store"}[name])
    expect(tab).to_have_attribute("aria-selected", "true")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, colours_only=True) == []
    page.emulate_media(color_scheme="light")
    shot(page, name)
    # nothing overflows on a phone
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # the arrow keys reach the other tabs
    tab.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-try")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#slate button").first).to_be_visible()


def test_movies_have_rows_and_continue_watching(look: Open) -> None:
    page, server = look("movies")
    shown = items(page)
    assert len(shown) == len(set(shown)) >= 20
    titles = page.locator("#product-body h2").all_inner_texts()
    assert "Picked for you" in titles
    assert any(t.startswith("Because you ") for t in titles)
    who = person(page)
    first = page.locator(".strip.picks .poster button").first
    item = first.get_attribute("data-item")
    first.click()
    expect(page.locator("#product-said")).to_contain_text("Watched")
    expect(page.locator(f"#product-body .picks [data-item='{item}']")).to_have_count(0)
    assert (item, "play") in history(server, who)
    # a film that was stopped in the middle is the first item of the page
    half = call(f"{server.url}/v1/recommend", {"user": who, "n": 1})[1]["items"][0]
    minutes = call(f"{server.url}/v1/items", [half["item"]])[1][0]["facts"]["minutes"]
    event = {"user": who, "item": half["item"], "kind": "play", "value": minutes * 60 * 0.5}
    assert call(f"{server.url}/v1/events", {"events": [event]})[0] == 200
    page.reload()
    expect(page.locator(".strip").first.locator("h2")).to_have_text("Go on where you were")
    expect(page.locator(".strip.continue progress").first).to_have_attribute("value", "0.5")
    page.locator("#product-visitor").click()
    expect(page.locator("#product-said")).to_contain_text("New here")
    expect(page.locator(".strip.because")).to_have_count(0)


def test_apps_can_be_installed(look: Open) -> None:
    page, server = look("apps")
    who = person(page)
    install = page.locator(".strip.picks .icon button").first
    expect(install).to_have_text("Install")
    item = install.get_attribute("data-item")
    install.click()
    expect(page.locator("#product-said")).to_contain_text("Installed")
    expect(page.locator(f"#product-body [data-item='{item}']")).to_have_count(0)
    assert (item, "install") in history(server, who)
    # another daytime gives another page
    before = items(page)
    page.locator("#product-daytime").select_option("night")
    for _ in range(100):
        if items(page) != before:
            break
        page.wait_for_timeout(50)
    assert items(page) != before


def test_a_feed_loads_more_and_has_up_next(look: Open) -> None:
    page, server = look("video")
    first = items(page)
    page.mouse.wheel(0, 20_000)
    expect(page.locator(f".feed li:nth-child({len(first) + 1}) [data-item]")).to_be_attached()
    later = items(page)
    assert later[: len(first)] == first
    assert len(later) == len(set(later))
    who = person(page)
    card = page.locator(".feed [data-item]").nth(1)
    item = card.get_attribute("data-item")
    card.click()
    expect(page.locator(".watching h2").first).to_be_visible()
    expect(page.locator(".next [data-item]")).to_have_count(6)
    assert item not in items(page)
    page.get_by_role("button", name="Not interested").click()
    expect(page.locator("#product-said")).to_contain_text("less like it")
    assert {(item, k) for k in ("click", "watch", "dismiss")} <= set(history(server, who))
    shot(page, "video-next")
    page.get_by_role("button", name="Back to the feed").click()
    expect(page.locator(".feed [data-item]").first).to_be_visible()


def test_a_feed_fills_a_tall_screen_and_restarts_for_another_user(look: Open) -> None:
    page, _ = look("video")
    page.set_viewport_size({"width": 1280, "height": 4_000})
    expect(page.locator(".feed li:nth-child(41) [data-item]")).to_be_attached()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.locator("#product-user").select_option("3")
    page.locator("#product-user").select_option("5")  # before the first answer
    expect(page.locator(".feed li:nth-child(9) [data-item]")).to_be_attached()
    shown = items(page)
    assert len(shown) == len(set(shown))


def test_a_shop_has_product_pages_and_a_basket(look: Open) -> None:
    page, server = look("shop")
    who = person(page)
    product = page.locator("#product-body .ware button:has(.price)").first
    item = product.get_attribute("data-item")
    product.click()
    expect(page.locator(".detail .price")).to_contain_text("€")
    expect(page.locator(".strip.alike .ware").first).to_be_visible()
    kind = call(f"{server.url}/v1/items", [item])[1][0]["facts"]["kind"]
    for at, same in ((".strip.alike", True), (".strip.together", False)):
        shown = [b.get_attribute("data-item") for b in page.locator(f"{at} [data-item]").all()]
        kinds = [fact["facts"]["kind"] for fact in call(f"{server.url}/v1/items", shown)[1]]
        if same:
            assert kinds.count(kind) >= len(kinds) / 2  # substitutes
        else:
            assert kind not in kinds  # complements
    page.get_by_role("button", name="Add to basket").click()
    expect(page.locator(".basket h2").first).to_have_text("Basket (1)")
    shot(page, "shop-basket")
    page.get_by_role("button", name="Buy").click()
    expect(page.locator("#product-said")).to_contain_text("Bought")
    expect(page.locator(".basket h2").first).to_have_text("Basket (0)")
    assert {(item, k) for k in ("click", "cart", "purchase")} <= set(history(server, who))


def test_a_shop_of_own_data_shows_what_it_knows(look: Open) -> None:
    """Pictures, prices and last levels of categories where they are known; nothing in their place where not."""
    page, server = look("shop")
    wares = page.locator("#product-body .ware")
    expect(page.locator(".art.pictured").first).to_be_visible()
    shown = wares.evaluate_all(
        """tiles => tiles.map(t => ({ item: t.querySelector("[data-item]").dataset.item, title: t.querySelector(".name").innerText,
        price: t.querySelector(".price")?.innerText, alt: t.querySelector("img")?.alt, lazy: t.querySelector("img")?.loading,
        initials: t.querySelector(".initials").textContent }))"""
    )
    known = {f["item"]: f for f in call(f"{server.url}/v1/items", [one["item"] for one in shown])[1]}
    for one in shown:
        facts = known[one["item"]]
        pictured = (facts["image"] or "").startswith(IMAGES)
        assert one.get("alt") == (f"Picture of {one['title']}" if pictured else None)
        assert one.get("lazy") == ("lazy" if pictured else None)
        assert one.get("price") == (None if facts["price"] is None else f"€{facts['price']:,.2f}")
        assert one["initials"].strip()
        assert all(">" not in tag for tag in facts["tags"])
    assert {one.get("alt") is None for one in shown} == {True, False}
    assert {one.get("price") is None for one in shown} == {True, False}
    looks = page.locator(".ware .art").evaluate_all("a => a.map(n => n.style.cssText + n.className)")
    assert len(set(looks)) > len(known) / 2  # the fallbacks differ
    # the reason of a row is its heading, and its items are of several kinds
    for row in page.locator(".strip.because").all():
        assert row.locator(".ware .quiet").count() == 0
        own = [b.get_attribute("data-item") or "" for b in row.locator("[data-item]").all()]
        assert len({known[item]["facts"]["kind"] for item in own}) > 1
    # a picture of a host that the project does not name is not asked for
    policy = page.request.get(server.url).headers["content-security-policy"]
    assert f"img-src 'self' data: {IMAGES};" in policy


def test_links_lead_to_pages_only_and_refused_pictures_are_named(look: Open) -> None:
    page, server = look("shop")
    page.get_by_role("tab", name="Catalogue").click()
    listed = [one["item"] for one in call(f"{server.url}/v1/items?q=&n=50")[1]["items"]]
    facts = call(f"{server.url}/v1/items", listed)[1]
    kinds = (("link", "https:"), ("link", "javascript:"), ("image", ELSEWHERE))
    for name, beginning in kinds:
        known = next(one for one in facts if (one[name] or "").startswith(beginning))
        item = known["item"]
        page.locator("#search").fill(str(item))
        page.locator("#found button", has_text=str(item)).first.click()
        expect(page.locator("#item h3")).to_have_text(known["title"])
        link = page.locator("#item h3 a")
        if known["link"].startswith("https:"):
            expect(link).to_have_attribute("href", known["link"].replace("<b>", "%3Cb%3E"))
            expect(link).to_have_attribute("rel", "noopener noreferrer")
        else:
            expect(link).to_have_count(0)  # javascript:
        refused = page.locator("#item", has_text="Its picture is not shown: image_hosts of [page]")
        expect(refused).to_have_count(1 if (known["image"] or "").startswith(ELSEWHERE) else 0)
    assert page.evaluate("document.querySelectorAll('[href^=\"javascript\" i]').length") == 0


CUT = """rows => rows.flatMap(row => { const box = row.getBoundingClientRect(); return [...row.children].map(t => t.getBoundingClientRect())
.filter(t => t.left < box.right - 1 && t.right > box.left + 1 && (t.left < box.left - 1 || t.right > box.right + 1)).length }).filter(Boolean)"""


def test_shelves_show_whole_tiles_and_have_arrows(look: Open) -> None:
    page, _ = look("shop")
    rows = page.locator(".tiles-row")
    for width in (1280, 760, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert rows.evaluate_all(CUT) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(reduced_motion="reduce")  # scrolls at once
    back, more = page.locator(".strip").first.locator(".arrow").all()
    expect(back).to_have_attribute("aria-disabled", "true")
    more.click()
    expect(back).to_have_attribute("aria-disabled", "false")
    assert rows.first.evaluate("e => e.scrollLeft") > 300
    assert rows.evaluate_all(CUT) == []
    back.click()
    expect(back).to_have_attribute("aria-disabled", "true")


def test_the_basket_is_within_reach_on_a_phone(look: Open) -> None:
    page, _ = look("shop")
    page.set_viewport_size({"width": 390, "height": 800})
    head = page.locator(".basket summary")
    expect(head).to_be_in_viewport()
    page.locator("#product-body .ware button:has(.price)").first.click()
    page.get_by_role("button", name="Add to basket").click()
    expect(head).to_contain_text("Basket (1)")
    expect(head).to_contain_text("€")
    expect(page.get_by_role("button", name="Buy")).not_to_be_visible()
    head.click()
    expect(page.get_by_role("button", name="Buy")).to_be_in_viewport()
    page.locator(".in-basket button").first.click()
    expect(head).to_contain_text("Basket (0)")

"""The page in a real Chromium: a click changes the slate, sliders re-rank, it fits a phone; screenshots are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import ROOT, Server
from shortlist.data.store import EventStore
from shortlist.serve.keys import make_key

ARTIFACTS = ROOT / "artifacts"

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url)
    expect(page.locator("#slate button")).to_have_count(12)
    yield page
    assert complaints == []
    page.close()


def slate(page: Page) -> list[str]:
    return [b.get_attribute("data-item") or "" for b in page.locator("#slate button").all()]


def wait_for_new_slate(page: Page, act: object) -> None:
    before = page.locator("#slate").get_attribute("data-slate")
    act()  # type: ignore[operator]
    page.wait_for_function("before => document.querySelector('#slate').dataset.slate !== before", arg=before)


def test_a_visitor_clicks_and_the_slate_changes(page: Page) -> None:
    expect(page.locator("#simulated")).to_be_visible()
    wait_for_new_slate(page, page.locator("#visitor").click)
    expect(page.locator("#known")).to_contain_text("New here")
    before = slate(page)
    title = page.locator("#slate button .cover").first.inner_text()
    wait_for_new_slate(page, page.locator("#slate button").first.click)
    after = slate(page)
    assert before[0] not in after
    assert after != before
    expect(page.locator("#history li").first).to_contain_text(title)
    expect(page.get_by_text(f"Because you watched {title}").first).to_be_visible()


def test_sliders_rerank(page: Page) -> None:
    before = slate(page)
    wait_for_new_slate(page, lambda: page.locator("#diversity").fill("1"))
    varied = slate(page)
    assert varied != before
    wait_for_new_slate(page, lambda: page.locator("#weight-play").fill("0"))
    assert slate(page) != varied
    expect(page.locator(".predictions").first).to_contain_text("play")


def test_keyboard_alone_is_enough(page: Page) -> None:
    page.locator("#slate button").first.focus()
    wait_for_new_slate(page, lambda: page.keyboard.press("Enter"))


def test_screenshots_wide_and_narrow(page: Page) -> None:
    page.locator("#user").select_option(index=3)
    page.wait_for_timeout(500)
    ARTIFACTS.mkdir(exist_ok=True)
    target = Path(os.environ.get("SHORTLIST_SCREENSHOT", str(ARTIFACTS / "page.png")))
    page.screenshot(path=target)
    assert target.stat().st_size > 20_000
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=ARTIFACTS / "page-phone.png")


def test_why_an_item_is_not_here(page: Page) -> None:
    """Followed through the stages, with the keyboard alone."""
    mine = page.locator("#slate button").first
    page.locator("#why-item").fill(mine.get_attribute("data-item") or "")
    page.keyboard.press("Enter")
    expect(page.locator("#why-sentence")).to_contain_text("it is on the slate")
    wait_for_new_slate(page, mine.click)
    page.locator("#why-item").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#why-sentence")).to_contain_text("own history")
    expect(page.locator("#why-steps li")).to_have_count(3)
    expect(page.locator("#why-steps .stopped")).to_have_count(1)
    page.locator("aside").screenshot(path=str(ARTIFACTS / "why.png"))


def test_a_locked_server_asks_for_a_key(browser: Browser, bundle: Path, tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    secret = make_key(store, "page", ["recommend", "events"], 100)
    store.close()
    server = Server(bundle, tmp_path / "e.sqlite")
    page = browser.new_page()
    try:
        page.goto(server.url)
        expect(page.locator("#key-form")).to_be_visible()
        expect(page.locator("#error")).to_contain_text("a key is needed")
        page.locator("#key").fill(secret)
        page.keyboard.press("Enter")
        expect(page.locator("#slate button")).to_have_count(12)
        expect(page.locator("#key-form")).to_be_hidden()
        assert secret not in page.content()
    finally:
        page.close()
        server.stop()

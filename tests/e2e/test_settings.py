"""The tab "Settings" in Chromium: change, see the price, propose, approve, undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shortlist.recommender import Recommender
from shortlist.serve.settings import ServerSettings
from support.embedded import EmbeddedServer
from support.http import call
from support.paths import ROOT

ARTIFACTS = ROOT / "artifacts"

pytestmark = pytest.mark.browser


@pytest.fixture
def server(bundle: Path, tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(bundle, tmp_path / "events.sqlite", ServerSettings(admin_without_key=True))
    yield server
    server.stop()


@pytest.fixture
def settings_tab(browser: Browser, server: EmbeddedServer) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}#edits")
    expect(page.locator("#edits-note")).to_have_text("The settings of the bundle serve.")
    yield page
    assert complaints == []
    page.close()


def first_item(server: EmbeddedServer) -> str:
    return str(call(f"{server.url}/v1/recommend", {"user": "u00007", "n": 10})[1]["items"][0]["item"])


def test_a_new_placement(settings_tab: Page, server: EmbeddedServer) -> None:
    page = settings_tab
    page.get_by_role("button", name="Add a placement").click()
    box = page.locator("#edits-placements .rule")
    expect(page.locator("#edits-price")).to_contain_text("Change something")
    box.get_by_label("Name").fill("checkout")
    box.get_by_label("Items", exact=True).fill("4")
    box.get_by_label("Only items that").fill("minuts < 100")
    expect(page.locator("#edits-error")).to_contain_text("did you mean 'minutes'")
    box.get_by_label("Only items that").fill("minutes < 100")
    box.get_by_label("Diversity").fill("0.4")
    expect(page.locator("#edits-placement")).to_have_value("checkout")
    expect(page.locator("#edits-price")).to_contain_text("of the slates in checkout would have other items")
    page.get_by_label("Why").fill("short films beside the basket")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "settings-placement.png", full_page=True)
    page.get_by_role("button", name="Propose").click()
    page.locator("#edits-history li").get_by_role("button", name="Approve").click()
    expect(page.locator("#edits-note")).to_have_text("Proposal 1 serves.")
    expect(page.locator("#edits-placements legend")).to_have_text("checkout")
    slate = call(f"{server.url}/v1/recommend", {"user": "u00007", "placement": "checkout"})[1]
    assert len(slate["items"]) == 4
    box.get_by_role("button", name="Remove").click()
    expect(page.locator("#edits-placement option")).to_have_count(1)


def test_pin_an_item_and_undo(settings_tab: Page, server: EmbeddedServer, recommender: Recommender) -> None:
    page = settings_tab
    before = first_item(server)
    other = recommender.recommend("u00007", 10).items[5].item
    page.get_by_label("Rating", exact=True).fill("2.5")
    expect(page.locator("#edits-price")).to_contain_text("of the slates would have other items")
    expect(page.locator("#edits-price tr", has_text="Rating")).to_contain_text("+")

    page.get_by_role("button", name="Pin an item").click()
    rule = page.locator("#edits-rules .rule")
    rule.get_by_label("Name").fill("tonight")
    rule.get_by_label("Items that").fill("minuts < 3")
    expect(page.locator("#edits-error")).to_contain_text("did you mean 'minutes'")
    rule.get_by_label("Items that").fill(f'id = "{other}"')
    expect(rule.locator("output")).to_contain_text("of the utility")
    expect(page.locator("#edits-error")).to_be_hidden()
    expect(rule.get_by_label("Amount")).to_be_hidden()
    page.get_by_label("Why").fill("a film for tonight")
    page.get_by_role("button", name="Propose").click()

    proposal = page.locator("#edits-history li")
    expect(proposal).to_contain_text("Proposal 1: a film for tonight")
    expect(proposal).to_contain_text("open · proposed by anybody")
    assert first_item(server) == before
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "settings-proposed.png", full_page=True)

    proposal.get_by_role("button", name="Approve").click()
    expect(page.locator("#edits-note")).to_have_text("Proposal 1 serves.")
    expect(page.get_by_label("Rating", exact=True)).to_have_value("2.5")
    expect(page.locator("#edits-weights")).to_contain_text("in the bundle")
    assert first_item(server) == other
    page.screenshot(path=ARTIFACTS / "settings-approved.png", full_page=True)

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#edits-note")).to_have_text("The settings of the bundle serve.")
    expect(page.locator("#edits-history li")).to_contain_text("undone by anybody")
    assert first_item(server) == before

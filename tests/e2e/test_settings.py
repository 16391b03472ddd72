"""The tab "Settings" in Chromium: change, see the price, propose, approve, undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

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


def approve_as_another(browser: Browser, server: EmbeddedServer) -> None:
    """Approve the open proposal of a placement on a page of one's own, whose price stays about the placement chosen there."""
    approver = browser.new_page()
    approver.goto(f"{server.url}#edits")
    approver.locator("#edits-history > li").get_by_role("button", name="Approve").click()
    expect(approver.locator("#edits-note")).to_have_text("Proposal 1 serves.")
    expect(approver.locator("#edits-placement option")).to_have_count(2)
    expect(approver.locator("#edits-placement")).to_have_value("")
    approver.close()


def test_a_new_placement(browser: Browser, settings_tab: Page, server: EmbeddedServer) -> None:
    """Its filter, weights and rules are inputs; an error stands under the input that it is about, with its place marked."""
    page = settings_tab
    page.get_by_role("button", name="Add a placement").click()
    box = page.locator("#edits-placements > .rule")
    expect(page.locator("#edits-price")).to_contain_text("Change something")
    box.get_by_label("Name").fill("checkout")
    box.get_by_label("Items", exact=True).fill("4")
    filters = box.get_by_label("Only items that").first
    filters.fill("minutes > 40 and minuts < 100")
    fault = page.locator(".fault-at")
    expect(fault).to_contain_text("did you mean 'minutes'")
    expect(fault.locator("mark")).to_have_text("minuts")
    expect(filters).to_have_attribute("aria-describedby", str(fault.get_attribute("id")))
    expect(page.locator("#edits-error")).to_be_hidden()
    save_picture(page, "settings-fault")
    filters.fill("minutes < 100")
    box.get_by_label("Rating").first.fill("2.5")
    box.get_by_label("Diversity").fill("0.4")
    expect(page.locator("#edits-placement")).to_have_value("checkout")
    expect(page.locator("#edits-price")).to_contain_text("of the slates in checkout would have other items")
    expect(fault).to_have_count(0)
    box.get_by_role("button", name="Add a rule").click()
    rule = box.locator(":scope > .boxes .rule")
    rule.get_by_label("Name").fill("short ones")
    rule.get_by_label("Items that").fill("minutes < (60")
    expect(rule.locator(".fault-at")).to_be_visible()
    rule.get_by_label("Items that").fill("minutes < 90")
    rule.get_by_label("Amount").fill("0.5")
    expect(rule.locator("output")).to_contain_text("of the utility")
    page.get_by_label("Why").fill("short films beside the basket")
    box.get_by_text("Guard-rails, experiments, rows of pages").click()
    box.get_by_role("button", name="Add a row").click()
    row = box.locator("details .rule")
    row.get_by_label("Kind").select_option("attribute")
    expect(page.locator(".fault-at")).to_contain_text("of = an attribute of items")
    row.get_by_role("textbox", name="Attribute").fill("genres")
    expect(page.locator(".fault-at")).to_have_count(0)
    save_picture(page, "settings-placement")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator("#edits-history > li")).to_contain_text("open")
    approve_as_another(browser, server)
    page.reload()
    expect(page.locator("#edits-note")).to_have_text("Proposal 1 serves.")
    expect(page.locator("#edits-placements > .rule > legend")).to_have_text("checkout")
    present = call(f"{server.url}/v1/admin/edits")[1]["present"]["placements"]["checkout"]
    assert present == {
        "n": 4,
        "filters": "minutes < 100",
        "weights": {"rating": 2.5},
        "diversity": 0.4,
        "rows": [{"kind": "attribute", "of": "genres"}],
        "rules": [
            {"name": "short ones", "when": "minutes < 90", "action": "boost", "amount": 0.5, "slot": 0}
        ],
    }
    slate = call(f"{server.url}/v1/recommend", {"user": "u00007", "placement": "checkout"})[1]
    assert len(slate["items"]) == 4
    box.get_by_role("button", name="Remove the placement").click()
    expect(page.locator("#edits-placement option")).to_have_count(1)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_forms_fit_and_their_colours_follow_the_system(
    browser: Browser, server: EmbeddedServer, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"{server.url}#edits")
    expect(page.locator("#edits-note")).to_have_text("The settings of the bundle serve.")
    page.get_by_role("button", name="Add a placement").click()
    box = page.locator("#edits-placements > .rule")
    box.get_by_label("Name").fill("checkout")
    box.get_by_role("button", name="Pin an item").click()
    box.locator(":scope > .boxes .rule").get_by_label("Name").fill("tonight")
    box.get_by_text("Guard-rails, experiments, rows of pages").click()
    box.get_by_role("button", name="Add a row").click()
    box.get_by_label("Title").fill("Short ones")
    box.get_by_label("Only items that").first.fill('genres in ["Comedy"] and not (minuts < 100)')
    expect(page.locator(".fault-at")).to_contain_text("did you mean 'minutes'")
    save_picture(page, f"settings-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
    assert (background == "rgb(16, 22, 21)") == (scheme == "dark")
    page.close()


def save_picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def test_pin_an_item_and_undo(settings_tab: Page, server: EmbeddedServer, recommender: Recommender) -> None:
    page = settings_tab
    before = first_item(server)
    other = recommender.recommend("u00007", 10).items[5].item
    page.get_by_label("Rating", exact=True).fill("2.5")
    expect(page.locator("#edits-price")).to_contain_text("of the slates would have other items")
    expect(page.locator("#edits-price tr", has_text="Rating")).to_contain_text("+")

    page.get_by_label("Diversity", exact=True).first.fill("0.6")
    expect(page.locator("#edits-strengths .setting", has_text="Diversity")).to_contain_text("of the utility")
    page.get_by_label("Diversity", exact=True).first.fill("0")
    page.locator("#edits-rules").get_by_role("button", name="Pin an item").click()
    rule = page.locator("#edits-rules .rule")
    rule.get_by_label("Name").fill("tonight")
    rule.get_by_label("Items that").fill("minuts < 3")
    expect(rule.locator(".fault-at")).to_contain_text("did you mean 'minutes'")
    rule.get_by_label("Find the item").fill(other)
    rule.locator(".suggested button").first.click()
    expect(rule.get_by_label("Items that")).to_have_value(f'id = "{other}"')
    expect(rule.get_by_label("Find the item")).to_have_value(
        recommender.recommend("u00007", 10).items[5].title
    )
    expect(rule.locator("output")).to_contain_text("of the utility")
    expect(page.locator(".fault-at")).to_have_count(0)
    expect(rule.get_by_label("Amount")).to_be_hidden()
    page.get_by_label("Why").fill("a film for tonight")
    page.get_by_role("button", name="Propose").click()

    proposal = page.locator("#edits-history > li")
    expect(proposal).to_contain_text("Proposal 1: a film for tonight")
    expect(proposal).to_contain_text("open · proposed by anybody")
    lines = [
        "Weight of Rating: 0.2 → 2.5",
        f'Rule added: tonight pins the item with id = "{other}" to slot 0',
    ]
    assert proposal.locator(".changes > li").all_text_contents() == lines
    assert first_item(server) == before
    save_picture(page, "settings-proposed")

    proposal.get_by_role("button", name="Approve").click()
    expect(page.locator("#edits-note")).to_have_text("Proposal 1 serves.")
    expect(page.get_by_label("Rating", exact=True)).to_have_value("2.5")
    expect(page.locator("#edits-weights")).to_contain_text("in the bundle")
    assert first_item(server) == other
    save_picture(page, "settings-approved")

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#edits-note")).to_have_text("The settings of the bundle serve.")
    expect(page.locator("#edits-history > li")).to_contain_text("undone by anybody")
    assert first_item(server) == before

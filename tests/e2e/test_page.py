"""The page in Chromium: clicks change the slate, sliders re-rank, the layout fits a phone; screenshots are stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from shortlist.config.experiments import Arm, Experiment
from shortlist.config.placements import Placement
from shortlist.data.dataset import Dataset
from shortlist.evaluate.protocol import evaluate
from shortlist.evaluate.report_page import evaluation_page
from shortlist.recommender import Recommender
from shortlist.serve.keys import make_key
from shortlist.simulate.movies import make_movies
from shortlist.store.event_store import EventStore
from support.embedded import EmbeddedServer
from support.http import call
from support.paths import ROOT
from support.servers import Server
from support.worlds import deterministic

ARTIFACTS = ROOT / "artifacts"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
"""The script of axe-core, the accessibility checker."""

pytestmark = pytest.mark.browser


def violations(page: Page, colours_only: bool = False) -> list[str]:
    """What axe-core finds against WCAG 2.1 A and AA. `colours_only`: the rules that depend on the colour scheme."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
    if colours_only:
        rules = {"runOnly": ["color-contrast", "link-in-text-block"]}
    found = page.evaluate("rules => axe.run(document, {...rules, resultTypes: ['violations']})", rules)
    assert len(found["passes"]) > (0 if colours_only else 10)
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:120]} {v['nodes'][0]['failureSummary']}"
        for v in found["violations"]
    ]


@contextmanager
def visit(browser: Browser, server: Server | EmbeddedServer, height: int) -> Iterator[Page]:
    """Open the page in a new window; console errors fail the test."""
    page = browser.new_page(viewport={"width": 1280, "height": height})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url)
    expect(page.locator("#slate button")).to_have_count(12)
    yield page
    assert complaints == []
    page.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with visit(browser, server, 860) as page:
        yield page


def slate(page: Page) -> list[str]:
    return [b.get_attribute("data-item") or "" for b in page.locator("#slate button").all()]


def wait_for_new_slate(page: Page, act: object) -> None:
    before = page.locator("#slate").get_attribute("data-slate")
    act()  # type: ignore[operator]
    page.wait_for_function("before => document.querySelector('#slate').dataset.slate !== before", arg=before)


def test_a_click_of_a_visitor_changes_the_slate(page: Page) -> None:
    expect(page.locator("#simulated")).to_be_visible()
    wait_for_new_slate(page, page.locator("#visitor").click)
    expect(page.locator("#known")).to_contain_text("New here")
    before = slate(page)
    title = page.locator("#slate button .name").first.inner_text()
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


def test_the_page_works_by_keyboard(page: Page) -> None:
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


def test_why_an_item_is_missing(page: Page) -> None:
    """An item is found by its id or title; the explanation names the stages; it is reached by keyboard."""
    mine = page.locator("#slate button").first
    title = mine.locator(".name").inner_text()
    page.locator("#why-item").press_sequentially(title[:-2])
    page.locator("#why-found button", has_text=title).first.click()
    expect(page.locator("#why-sentence")).to_have_text(f"{title}: it is on the slate.")
    expect(page.locator("#why-found button")).to_have_count(0)
    page.locator("#why-item").fill("no such thing")
    page.keyboard.press("Enter")
    expect(page.locator("#why-sentence")).to_contain_text('No item has "no such thing" in its title or id')
    page.locator("#why-item").fill(mine.get_attribute("data-item") or "")
    page.keyboard.press("Enter")
    expect(page.locator("#why-sentence")).to_contain_text("it is on the slate")
    wait_for_new_slate(page, mine.click)
    page.locator("#why-item").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#why-sentence")).to_contain_text("in the user's history")
    expect(page.locator("#why-steps li")).to_have_count(3)
    expect(page.locator("#why-steps .stopped")).to_have_count(1)
    page.locator(".side").screenshot(path=str(ARTIFACTS / "why.png"))


def test_an_empty_tab_says_how_to_fill_it(page: Page) -> None:
    for tab, example in (
        ("Quality", "shortlist evaluate --html report.html"),
        ("Experiments", "[experiments.more-variety]"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("pre:visible")).to_contain_text(example)
    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#live-drift")).to_contain_text("Measured a minute after the start")


def test_a_server_with_keys_requires_a_key(browser: Browser, bundle: Path, tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    secret = make_key(store, "page", ["recommend", "events"], 100)
    store.close()
    server = EmbeddedServer(bundle, tmp_path / "e.sqlite")
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


# ---------------------------------------------------------------- the other tabs

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
TABS = ["try", "quality", "live", "experiments", "catalogue"]


@pytest.fixture(scope="module")
def shop_window(
    recommender: Recommender, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A server with a report, a running experiment and traffic."""
    folder = tmp_path_factory.mktemp("window")
    project = recommender.project.model_copy(
        update={
            "experiments": {
                "more-variety": Experiment(
                    arms={"as now": Arm(), "varied": Arm(diversity=0.6)}, metric="play", people=500
                )
            },
            "placements": {"home": Placement(n=5, weights={"seconds": 2.5}, freshness=1.0)},
            "evaluate": recommender.project.evaluate.model_copy(update={"bootstrap": 200, "people": 200}),
            "rank": recommender.project.rank.model_copy(update={"trees": 20, "heads": "joint"}),
        }
    )
    other = Recommender.load(recommender.save(folder / "plain")).with_project(project)
    bundle = other.save(folder / "shop" / "bundle")
    small = deterministic(make_movies(users=200, items=80, sessions=1_200, days=60, seed=3))
    few = project.retrieve.model_copy(update={"sources": project.retrieve.sources[:2]})
    report = evaluate(project.model_copy(update={"retrieve": few}), small.dataset())
    (folder / "shop" / "report.html").write_text(evaluation_page(report), encoding="utf-8")
    server = EmbeddedServer(bundle, folder / "events.sqlite")
    people = other.some_users(60)
    for at, user in enumerate(people):
        slate = post(server, "/v1/recommend", {"user": user, "n": 6})
        if at % 2:
            event = {"user": user, "item": slate["items"][0]["item"], "kind": "play", "value": 3000.0}
            post(server, "/v1/events", {"events": [{**event, "slate_id": slate["slate_id"]}]})
    yield server
    server.stop()


def post(server: Server | EmbeddedServer, path: str, body: dict[str, object]) -> dict[str, Any]:
    status, answer = call(server.url + path, body)
    assert status == 200, answer
    return dict(answer)


@pytest.fixture
def window(browser: Browser, shop_window: EmbeddedServer) -> Iterator[Page]:
    with visit(browser, shop_window, 900) as page:
        yield page


def filled(page: Page, tab: str) -> None:
    """Wait until a tab has its content."""
    if tab == "try":
        expect(page.locator("#slate button")).to_have_count(12)
    elif tab == "quality":
        expect(page.locator("#quality-report h1")).to_be_visible()
    elif tab == "live":
        expect(page.locator("#live-tiles .tile")).to_have_count(8)
    elif tab == "experiments":
        expect(page.locator("#experiments-report .verdict")).to_be_visible()
    else:
        expect(page.locator("#found button")).to_have_count(50)


def test_quality_shows_the_latest_report(window: Page) -> None:
    window.get_by_role("tab", name="Quality").click()
    report = window.locator("#quality-report")
    expect(report.locator("h1")).to_be_visible()
    expect(report.get_by_text("shortlist").first).to_be_visible()
    assert report.locator("table").count() >= 1
    assert report.locator("svg").count() >= 1
    expect(window.locator("#quality-note")).to_contain_text("Written")
    # the report brings its own style sheet, and the page has no inline styles
    assert report.locator(".verdict").first.evaluate("n => getComputedStyle(n).borderLeftWidth") != "0px"
    assert window.url.endswith("#quality")
    window.reload()
    expect(window.locator("#quality-report h1")).to_be_visible()


def test_live_shows_the_traffic(window: Page, shop_window: EmbeddedServer) -> None:
    window.get_by_role("tab", name="Live").click()
    filled(window, "live")
    slates = window.locator(".tile", has_text="slates").first.locator("b")
    before = int(slates.inner_text().replace(",", ""))
    assert before >= 60
    for _ in range(5):
        post(shop_window, "/v1/recommend", {"user": "somebody", "n": 3})
    expect(slates).to_have_text(f"{before + 5:,}", timeout=10_000)
    expect(window.locator("#live-models")).to_contain_text("serves")
    expect(window.locator("#live-stages")).to_contain_text("retrieve")
    expect(window.locator("#live-requests svg")).to_have_attribute(
        "aria-label", re.compile("requests a second")
    )
    assert window.locator("#live-sources tr").count() >= 2


def test_experiments_show_their_results(window: Page) -> None:
    window.get_by_role("tab", name="Experiments").click()
    filled(window, "experiments")
    expect(window.locator("#experiments-report")).to_contain_text("more-variety")
    expect(window.locator("#experiments-report")).to_contain_text("varied")


def test_the_catalogue_can_be_searched_and_browsed(window: Page, dataset: Dataset) -> None:
    window.get_by_role("tab", name="Catalogue").click()
    filled(window, "catalogue")
    title = dataset.items.titles[7]
    window.locator("#search").fill(title.upper())
    expect(window.locator("#found button").first).to_contain_text(title)
    window.locator("#found button").first.click()
    expect(window.locator("#item h3")).to_contain_text(title)
    expect(window.locator("#item")).to_contain_text("genres")
    expect(window.locator("#item")).to_contain_text("people (log)")
    near = window.locator("#item .neighbours button").first
    name = near.inner_text()
    near.click()
    expect(window.locator("#item h3")).to_contain_text(name)
    window.locator("#search").fill("no such thing")
    expect(window.locator("#search-note")).to_contain_text("0 items")


def test_a_placement_is_chosen(window: Page) -> None:
    """Its number of items, weights and strengths hold, and the sliders show them."""
    wait_for_new_slate(window, lambda: window.get_by_label("Placement").select_option("home"))
    expect(window.locator("#slate button")).to_have_count(5)
    assert window.locator("#weight-seconds").input_value() == "2.5"
    assert window.locator("#freshness").input_value() == "1"
    expect(window.locator("#freshness-out")).to_have_text("1.00")
    wait_for_new_slate(window, lambda: window.get_by_label("Placement").select_option("none"))
    expect(window.locator("#slate button")).to_have_count(12)
    assert window.locator("#freshness").input_value() == "0"


def test_tabs_are_reached_by_keyboard(window: Page) -> None:
    window.get_by_role("tab", name="Try it").focus()
    for tab in [*TABS[1:], "try"]:
        window.keyboard.press("ArrowRight")
        expect(window.locator(f"#{tab}")).to_be_visible()
        expect(window.locator(f"#tab-{tab}")).to_be_focused()
        assert window.locator("[role=tabpanel]:visible").count() == 1
    window.keyboard.press("End")
    expect(window.locator("#catalogue")).to_be_visible()
    window.keyboard.press("Tab")
    expect(window.locator("#search")).to_be_focused()


@pytest.mark.parametrize("tab", TABS)
def test_tabs_are_accessible(window: Page, tab: str) -> None:
    """axe-core reports no violations of WCAG 2.1 A and AA in both colour schemes, and nothing overflows on a phone."""
    window.locator(f"#tab-{tab}").click()
    filled(window, tab)
    if tab == "catalogue":
        window.locator("#found button").first.click()
        expect(window.locator("#item h3")).to_be_visible()
    ARTIFACTS.mkdir(exist_ok=True)
    for scheme in SCHEMES:
        window.emulate_media(color_scheme=scheme)
        assert violations(window, colours_only=scheme == "dark") == []
        window.screenshot(path=ARTIFACTS / f"tab-{tab}-{scheme}.png")
    window.set_viewport_size({"width": 390, "height": 844})
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

"""The report pages in Chromium.

They load nothing from the network, are readable in light, dark, narrow and print, and begin with the verdict. Golden files hold
the pages of a fixed example.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

import shortlist
from shortlist.config.project import parse_project
from shortlist.evaluate.audit.past_experiments import audit_history
from shortlist.evaluate.audit.report import audit_page
from shortlist.evaluate.report_page import evaluation_page
from shortlist.experiments.analyse import ExposedPeople, analyse
from shortlist.experiments.report import experiments_page
from support.markup import check_markup
from support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"
ARTIFACTS = ROOT / "artifacts"
pytestmark = pytest.mark.browser


def example_report() -> shortlist.evaluate.Report:  # type: ignore[name-defined]
    """A fixed example: 200 users and three recommenders, one of which is good."""
    rng = np.random.default_rng(0)
    people, items = 200, 60
    popularity = 1 / np.arange(1, items + 1)
    weight = popularity / popularity.sum()
    wanted = [rng.choice(items, 4, replace=False, p=weight) for _ in range(people)]
    past = [rng.choice(items, rng.integers(1, 9), replace=False, p=weight) for _ in range(people)]

    def table(lists: list[list[int]]) -> pd.DataFrame:
        rows = [(f"u{p}", f"i{i}", r) for p, line in enumerate(lists) for r, i in enumerate(line, 1)]
        return pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])

    fresh = [[i for i in range(items) if i not in set(past[p].tolist())] for p in range(people)]
    good = [
        sorted(fresh[p], key=lambda i: i - 30 * (i in wanted[p] and i % 3 > 0))[:10] for p in range(people)
    ]
    test = pd.DataFrame(
        [(f"u{p}", f"i{i}") for p in range(people) for i in wanted[p]], columns=["user_id", "item_id"]
    )
    train = pd.DataFrame(
        [(f"u{p}", f"i{i}") for p in range(people) for i in past[p]], columns=["user_id", "item_id"]
    )
    train = train[
        ~train.set_index(["user_id", "item_id"]).index.isin(test.set_index(["user_id", "item_id"]).index)
    ]
    catalogue = pd.DataFrame(
        {"item_id": [f"i{i}" for i in range(items)], "genre": ["gold", "tin", "lead"] * (items // 3)}
    )
    return shortlist.evaluate(
        {
            "mine <new>": table(good),
            "popular": table([line[:10] for line in fresh]),
            "random": table([rng.permutation(line)[:10].tolist() for line in fresh]),
        },
        test=test,
        train=train,
        items=catalogue,
        draws=200,
        name="golden example",
    )


def steady(text: str) -> str:
    """Remove times and the last digits of floats, which differ between runs."""
    text = re.sub(r"seconds: <b>[^<]*</b>", "seconds: <b>…</b>", text)
    text = re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0', text)
    return re.sub(r"\d+\.\d{5,}", lambda m: f"{float(m[0]):.6g}", text)


def pages() -> dict[str, str]:
    rng = np.random.default_rng(1)
    arm, eager = rng.integers(0, 2, 900), rng.gamma(1.0, size=900)
    outcome = {
        "play": rng.poisson(3 * eager * (1 + 0.4 * arm)).astype(float),
        "rating": rng.normal(4, 1, 900),
    }
    before = {"play": rng.poisson(4 * eager).astype(float), "rating": np.zeros(900)}
    people = ExposedPeople(["now", "varied"], [1, 1], arm, outcome, before, np.zeros(900))
    lost = ExposedPeople(
        ["a", "b"],
        [1, 1],
        np.repeat([0, 1], [900, 600]),
        {"play": np.ones(1500)},
        {"play": np.ones(1500)},
        np.zeros(1500),
    )
    project = parse_project({"name": "golden example", "objectives": {"play": {"events": ["play"]}}})
    names = [f"policy {n}" for n in range(9)]
    true = np.linspace(30, 10, 9)
    history = pd.DataFrame(
        {
            "policy": names,
            "utility": true,
            "snips": true + rng.normal(0, 1, 9),
            "ndcg@10": -true,
            "recall@10": rng.random(9),
        }
    )
    import pyarrow as pa

    audit = audit_history(pa.Table.from_pandas(history), resamples=300)
    return {
        "report": evaluation_page(example_report()),
        "experiments": experiments_page(
            project,
            [analyse("variety", people, "play", ["rating"], 900), analyse("broken", lost, "play", [])],
        ),
        "audit": audit_page(audit),
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, text in pages().items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(text, encoding="utf-8")
    return found


def compare(name: str, text: str) -> None:
    """Compare with a golden file. With SHORTLIST_GOLDEN set, the file is rewritten; review the difference before committing."""
    path = GOLDEN / name
    if os.environ.get("SHORTLIST_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; SHORTLIST_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("name", ["report", "experiments", "audit"])
def test_pages_are_well_formed(name: str, written: dict[str, Path]) -> None:
    """Attributes are quoted and class names are plain, also for a verdict such as "can't tell"."""
    text = written[name].read_text(encoding="utf-8")
    check_markup(text)
    assert name != "experiments" or "can&#39;t tell" in text


@pytest.mark.parametrize("name", ["report", "experiments", "audit"])
def test_pages_equal_the_golden_files(name: str, written: dict[str, Path]) -> None:
    compare(f"{name}.html", steady(written[name].read_text(encoding="utf-8")))


def test_json_equals_the_golden_file() -> None:
    content = example_report().to_json()
    text = json.dumps(content, indent=1, default=str, allow_nan=False)
    compare("report.json", steady(text))


def open_(browser: Browser, path: Path, **look: object) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, **look)  # type: ignore[arg-type]
    requested: list[str] = []
    page.on("request", lambda r: requested.append(r.url) if not r.url.startswith("file:") else None)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri())
    assert requested == []  # nothing is loaded from the network
    assert complaints == []
    return page


LUMINANCE = """e => { const c = getComputedStyle(e); const parse = s => s.match(/[0-9.]+/g).map(Number);
const back = n => { while (n) { const b = getComputedStyle(n).backgroundColor; if (!/, 0\\)$|transparent/.test(b)) return parse(b); n = n.parentElement } return [255,255,255] };
const lum = v => { const f = v.slice(0,3).map(x => { x /= 255; return x <= .03928 ? x/12.92 : ((x+.055)/1.055)**2.4 }); return .2126*f[0]+.7152*f[1]+.0722*f[2] };
const a = lum(parse(c.color)), b = lum(back(e)); return (Math.max(a,b)+.05)/(Math.min(a,b)+.05) }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "experiments", "audit"])
def test_pages_are_readable(browser: Browser, written: dict[str, Path], name: str, scheme: str) -> None:
    page = open_(browser, written[name], color_scheme=scheme)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}-{scheme}.png", full_page=True)
    verdict = page.locator(".verdict").first
    assert verdict.is_visible()
    box, table = verdict.bounding_box(), page.locator("table").first.bounding_box()
    assert box is not None
    assert table is not None
    assert box["y"] < table["y"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for place in ("h1", ".verdict", "td", "tbody th", "small", ".facts li"):
        for element in page.locator(place).all()[:12]:
            if element.is_visible():
                assert element.evaluate(LUMINANCE) >= 4.5, f"{place} is hard to read in {scheme}"
    assert page.locator("figure svg").count() >= 1
    page.close()


@pytest.mark.parametrize("name", ["report", "experiments", "audit"])
def test_pages_fit_a_phone_and_paper(browser: Browser, written: dict[str, Path], name: str) -> None:
    page = open_(browser, written[name])
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    page.set_viewport_size({"width": 720, "height": 1000})  # A4 without its margins
    page.emulate_media(media="print", color_scheme="light")
    wide = page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > innerWidth).length"
    )
    assert wide == 0, "a table is cut off in print"
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.close()


def test_a_phone_shows_the_subject_beside_a_chosen_recommender(
    browser: Browser, written: dict[str, Path]
) -> None:
    page = open_(browser, written["report"])
    table = page.locator(".narrow").first
    assert not table.is_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    heads = "e => [...e.querySelectorAll('thead th')].filter(t => t.offsetWidth).map(t => t.innerText)"
    assert table.evaluate(heads) == ["mine <new>", "popular"]
    table.get_by_label("Beside it").select_option("random")
    assert table.evaluate(heads) == ["mine <new>", "random"]
    assert not page.locator(".broad").first.is_visible()
    # a table that compares no recommenders is a list, and texts of charts are at least 9 pixels high
    assert page.locator(".stack td[data-label]").first.evaluate("e => getComputedStyle(e).display") == "block"
    sizes = "[...document.querySelectorAll('figure svg')].map(s => 11 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
    assert min(page.evaluate(sizes)) >= 9
    page.close()


def test_names_are_escaped(written: dict[str, Path]) -> None:
    text = written["report"].read_text(encoding="utf-8")
    assert "mine &lt;new&gt;" in text
    assert "mine <new>" not in text

"""The documentation site builds strictly, loads nothing from other hosts, and documents every public name."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import shortlist
from support.paths import ROOT

REMOTE = re.compile(r"^(https?:)?//")
LOADING_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
}
SOURCE_TAGS = {"script", "img", "iframe", "source", "video", "audio", "embed"}


class Loads(HTMLParser):
    """Collects the addresses that a browser loads with a page; links that a reader follows are not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in SOURCE_TAGS and "src" in values:
            self.addresses.append(values["src"])
        if tag == "link" and LOADING_RELATIONS & set(values.get("rel", "").split()):
            self.addresses.append(values.get("href", ""))
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self.addresses += css_addresses(data)


def css_addresses(css: str) -> list[str]:
    """Return the addresses in `url(…)` and `@import` of a style sheet."""
    return re.findall(r"(?:url\(|@import\s+(?:url\()?)\s*[\"']?([^\"')\s;]+)", css)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_pages_and_style_sheets_load_nothing_from_other_hosts(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= 40
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.addresses
        assert not [address for address in loads.addresses if REMOTE.match(address)], page
    for sheet in site.rglob("*.css"):
        addresses = css_addresses(sheet.read_text(encoding="utf-8"))
        assert not [address for address in addresses if REMOTE.match(address)], sheet


def test_no_page_uses_mermaid(site: Path) -> None:
    """The theme loads mermaid from another host where a page has such a diagram."""
    assert not [
        page for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text(encoding="utf-8")
    ]


def test_the_api_reference_documents_every_public_name(site: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "api").rglob("*.html"))
    documented = {anchor.rpartition(".")[2] for anchor in re.findall(r'id="(shortlist\.[\w.]+)"', text)}
    public = set(shortlist.__all__) - {"__version__", "errors", "metrics"}
    assert public <= documented, public - documented


def test_the_api_reference_documents_every_method_of_a_recommender(site: Path) -> None:
    """Also those that it inherits: of users, and of what happens after the training."""
    text = (site / "api" / "recommender" / "index.html").read_text(encoding="utf-8")
    own = "shortlist.recommender.Recommender."
    documented = {name.removeprefix(own) for name in re.findall(r'id="(shortlist\.[\w.]+)"', text)}
    public = {name for name in dir(shortlist.Recommender) if not name.startswith("_")}
    assert public - {"get_params", "set_params"} <= documented


def test_every_command_is_in_the_command_line_reference(site: Path) -> None:
    from shortlist.cli.main import PANELS

    text = (site / "reference" / "command-line" / "index.html").read_text(encoding="utf-8")
    for commands in PANELS.values():
        for command in commands:
            assert f"shortlist {command.__name__}" in text, command.__name__


def test_diagrams_are_part_of_the_page_and_have_a_title(site: Path) -> None:
    diagrams = sorted((ROOT / "docs" / "assets" / "diagrams").glob("*.svg"))
    assert len(diagrams) >= 6
    concepts = "".join(page.read_text(encoding="utf-8") for page in (site / "concepts").rglob("*.html"))
    for diagram in diagrams:
        svg = diagram.read_text(encoding="utf-8")
        title = re.search(r"<title>(.+)</title>", svg)
        assert title is not None
        assert f"<title>{title[1]}</title>" in concepts, diagram.name

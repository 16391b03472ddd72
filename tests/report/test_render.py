"""Rendering: texts are escaped, and the page is well-formed."""

from __future__ import annotations

from shortlist.metrics.significance import Estimate
from shortlist.report import charts
from shortlist.report.document import (
    Document,
    FactList,
    Figure,
    FigureGrid,
    Heading,
    Notice,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
    Verdict,
    estimate_cell,
    tone_of,
)
from shortlist.report.render import render_fragment, render_page
from support.markup import check_markup

HOSTILE = "<script>alert('x')</script>\" onload=\"x"


def document() -> Document:
    estimate = Estimate(0.5, 0.4, 0.6)
    cells: list[TableCell | str] = [
        estimate_cell(estimate, highlighted=True),
        TableCell(HOSTILE, HOSTILE, "worse", tooltip=HOSTILE),
        TableCell(HOSTILE, wraps=True, strong=True, chart=charts.share_bar(0.5)),
        HOSTILE,
    ]
    return Document(
        HOSTILE,
        [HOSTILE, Verdict(HOSTILE, bad=True)],
        [
            Heading(HOSTILE),
            Paragraph(HOSTILE),
            TableBlock(
                ["", HOSTILE, TableCell("b", "c"), "d", "e"], [TableRow(HOSTILE, cells, highlighted=True)]
            ),
            FigureGrid([Figure(HOSTILE, HOSTILE, charts.bars({HOSTILE: estimate}, HOSTILE))]),
            Notice(HOSTILE, [HOSTILE]),
            FactList({HOSTILE: HOSTILE, "n": 1234567, "inner": {"a_b": 1}}),
        ],
        simulated=True,
    )


def test_every_text_is_escaped() -> None:
    page = render_page(document())
    assert "<script" not in page
    check_markup(page)
    assert "1,234,567" in page
    assert "a b 1" in page


def test_a_page_needs_nothing_from_outside() -> None:
    page = render_page(document())
    for forbidden in ("src=", "href=", "http:", "https:", "@import", "url("):
        assert forbidden not in page


def test_a_fragment_is_the_content_without_the_page() -> None:
    fragment = render_fragment(document())
    assert "<html" not in fragment
    assert "<style" not in fragment
    check_markup(fragment)


def test_notices_and_figures_without_content_are_left_out() -> None:
    page = render_page(Document("empty", [], [Notice("Warnings", []), FigureGrid([])]))
    assert "Warnings" not in page
    assert "<figure" not in page


def test_an_interval_that_contains_zero_has_no_tone() -> None:
    assert tone_of(Estimate(0.1, -0.1, 0.3)) == ""
    assert tone_of(Estimate(0.2, 0.1, 0.3)) == "better"
    assert tone_of(Estimate(-0.2, -0.3, -0.1)) == "worse"


def test_a_document_has_a_short_repr() -> None:
    assert repr(Document("shop", ["v"], [Heading("h")])) == "Document('shop', 1 verdicts, 1 blocks)"

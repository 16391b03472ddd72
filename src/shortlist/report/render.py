"""Rendering of reports. All HTML of the project comes from the templates in `report/templates`, with autoescape."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shortlist.report import formats
from shortlist.report.document import Document, TableBlock

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(document: Document) -> str:
    """Render a report as one HTML file that needs no other file, font or script.

    Parameters
    ----------
    document : Document
        The report.

    Returns
    -------
    str
        The page. It adapts to light and dark colour schemes, to narrow screens and to print.
    """
    tables = [block for block in document.blocks if isinstance(block, TableBlock)]
    most_choices = max((len(table.choices) for table in tables), default=0)
    return render_template("page.html", document=document, most_choices=most_choices)


def render_fragment(document: Document) -> str:
    """Render the content of a report without the page around it, for notebooks (`_repr_html_`)."""
    return render_template("fragment.html", document=document)


def render_template(name: str, **context: object) -> str:
    """Render a template of this package by its file name; all values of the context are escaped."""
    return _environment().get_template(name).render(**context)


@cache
def _environment() -> Environment:
    # imported here: a server that renders no report does not load Jinja2
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("shortlist.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = formats.number
    environment.filters["words"] = formats.words
    environment.filters["fact"] = formats.fact
    return environment

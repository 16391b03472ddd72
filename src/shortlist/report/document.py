"""The parts of a report. A report is described with these types; the templates turn it into HTML.

    document = Document(
        title="shop: evaluation",
        verdicts=["shortlist is better than popular."],
        blocks=[
            Heading("All metrics"),
            TableBlock(["", "ndcg@10"], [TableRow("shortlist", [estimate_cell(estimate)])]),
        ],
    )
    html = render_page(document)

All texts are plain text: the templates escape them. Only charts (`shortlist.report.charts`) are markup already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from markupsafe import Markup

from shortlist.metrics.significance import Estimate, verdict
from shortlist.report.formats import NO_VALUE, number

STACKED = 4
"""Tables of more columns do not fit a narrow screen."""
Tone = Literal["", "better", "worse", "caution"]
"""How a text is coloured; also the name of its CSS class."""


@dataclass(frozen=True)
class TableCell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        The main content.
    detail : str
        Small print under the content, for example an interval.
    tone : Tone
        The colour of the cell.
    wraps : bool
        True for sentences: left-aligned, with line breaks. False for numbers.
    strong : bool
        Whether the content is bold.
    highlighted : bool
        Whether the cell belongs to the recommender that the report is about.
    tooltip : str
        Text that is shown when the pointer rests on the cell.
    chart : Markup, optional
        A small chart in front of the text.
    """

    text: str
    detail: str = ""
    tone: Tone = ""
    wraps: bool = False
    strong: bool = False
    highlighted: bool = False
    tooltip: str = ""
    chart: Markup | None = None

    @property
    def css_class(self) -> str:
        """The CSS classes of the cell, separated by spaces."""
        names = (self.tone, "text" if self.wraps else "", "own-cell" if self.highlighted else "")
        return " ".join(name for name in names if name)


@dataclass(frozen=True)
class TableRow:
    """A row of a table: its heading and its cells. A `str` stands for a cell with that text."""

    heading: TableCell | str
    cells: Sequence[TableCell | str]
    highlighted: bool = False


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Verdict:
    """A sentence that states a result; `bad` marks results that must not be trusted or shipped."""

    kind: ClassVar[str] = "verdict"
    text: str
    bad: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table.

    Attributes
    ----------
    columns : sequence of TableCell or str
        The headings, the first one of the column of row headings; "" is no heading.
    rows : sequence of TableRow
        The rows.
    subject : str
        The heading of the recommender that the report is about, if the columns are recommenders. On a narrow screen, the table
        shows this one beside another one, which readers choose.
    about_all : int
        How many of the first cells of a row are about all recommenders.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[TableCell | str]
    rows: Sequence[TableRow]
    subject: str = ""
    about_all: int = 0

    @property
    def fixed(self) -> list[int]:
        """The positions (of cells in a row) of the columns that a narrow screen always shows."""
        return [at for at, name in enumerate(self.columns[1:]) if at < self.about_all or name == self.subject]

    @property
    def choices(self) -> list[int]:
        """The positions of the columns of which readers choose one on a narrow screen; none where columns are no recommenders."""
        return [at for at in range(len(self.columns) - 1) if self.subject and at not in self.fixed]

    @property
    def is_stacked(self) -> bool:
        """Whether each row becomes a list on a narrow screen: the table is too wide for one, and its columns are no recommenders."""
        return not self.subject and len(self.columns) > STACKED


@dataclass(frozen=True)
class Figure:
    """A chart with a title and a caption."""

    title: str
    caption: str
    chart: Markup


@dataclass(frozen=True)
class FigureGrid:
    """Figures side by side, as many in a row as fit."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Notice:
    """A box with a title and a list of sentences; it is left out if there are none."""

    kind: ClassVar[str] = "notice"
    title: str
    points: Sequence[str]


@dataclass(frozen=True)
class FactList:
    """Names and values, for example the conditions of a measurement."""

    kind: ClassVar[str] = "facts"
    facts: Mapping[str, object]


Block = Heading | Paragraph | Verdict | TableBlock | FigureGrid | Notice | FactList


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes
    ----------
    title : str
        The title of the page.
    verdicts : sequence of Verdict or str
        The results, in sentences; they come first.
    blocks : sequence of Block
        Everything else, in order.
    simulated : bool
        Whether the numbers come from a simulated world; the page then says so.
    """

    title: str
    verdicts: Sequence[Verdict | str] = ()
    blocks: Sequence[Block] = field(default_factory=tuple)
    simulated: bool = False

    def __repr__(self) -> str:
        return f"Document({self.title!r}, {len(self.verdicts)} verdicts, {len(self.blocks)} blocks)"


def estimate_cell(estimate: Estimate, highlighted: bool = False) -> TableCell:
    """Make a cell with a number and its interval under it; a dash if there is no number, no interval if it is unknown."""
    if estimate.value != estimate.value:
        return TableCell(NO_VALUE, highlighted=highlighted)
    detail = f"{number(estimate.low)} to {number(estimate.high)}" if estimate.has_interval else ""
    return TableCell(number(estimate.value), detail, highlighted=highlighted)


def tone_of(difference: Estimate) -> Tone:
    """Return "better" or "worse" if the interval of a difference excludes zero, otherwise ""."""
    result = verdict(difference)
    if result == "better":
        return "better"
    return "worse" if result == "worse" else ""

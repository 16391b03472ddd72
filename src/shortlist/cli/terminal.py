"""Terminal output and options that several commands share.

Texts that come from data (titles, file names, error messages) are printed as they are. The console of this module interprets no
markup, since Rich would take a part in brackets, such as `[rerank]`, for markup, drop it or fail; style is given by `Text`. Control
characters are shown as �: a title cannot move the cursor, change the window's title or reverse the direction of writing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from shortlist.data import progress
from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    import pyarrow as pa

    from shortlist.config.project import Project
    from shortlist.data.check import Check
    from shortlist.data.dataset import Dataset
    from shortlist.data.progress import Progress as ProgressCallback
    from shortlist.data.slates import Slate
    from shortlist.evaluate.report import Report
    from shortlist.recommender import Recommender
    from shortlist.store.event_store import EventStore

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that change the direction of writing."""


class TextConsole(Console):
    """A console that prints texts as they are: no markup, no emoji codes, no control characters of a text."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render as Rich does, and replace control characters. Styles are added later, so none of them is touched."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(_CONTROL.sub("�", text), style)


console = TextConsole()

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", help="The project file, or the folder that contains it.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this JSON file.")]
PlacementOption = Annotated[
    str | None,
    typer.Option(help="Placement of the project: its settings hold for every option that is left out."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Number of threads (default: SHORTLIST_THREADS, or the cores that this process may use).",
    ),
]


def parse_bundle(given: str) -> Path:
    """Return the folder of a bundle; one of an object store is copied first, and the copy is checked."""
    if "://" not in given:
        return Path(given)
    from shortlist.bundle.remote import local_bundle

    try:
        return local_bundle(given)
    except ShortlistError as error:  # a ValueError, of which Typer shows nothing but the value
        raise typer.BadParameter(error.message) from None


BundleArgument = Annotated[
    Path,
    typer.Argument(
        parser=parse_bundle,
        metavar="BUNDLE",
        help="The bundle that `shortlist train` wrote, or a folder of bundles; also s3://….",
    ),
]
FunctionsOption = Annotated[
    Path | None,
    typer.Option("--functions", help="A Python file that registers custom features. It is executed."),
]


def paragraphs(command: Callable[..., None]) -> str:
    """Return a command's docstring with each paragraph on one line, so that the terminal's width decides where it wraps."""
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(command.__doc__ or "").split("\n\n"))


def load_functions(path: Path | None) -> None:
    """Execute the user's file of custom features, if one is given."""
    if path is not None:
        from shortlist.features.custom import load_functions as load

        load(path)


def print_text(text: str, style: str = "") -> None:
    """Print a text without interpreting markup, unwrapped."""
    console.print(Text(text, style=style), soft_wrap=True)


def print_labelled(label: str, text: str, style: str = "yellow", to: Console | None = None) -> None:
    """Print `label: text` with a coloured label."""
    (to or console).print(Text.assemble((f"{label}:", style), " ", text), soft_wrap=True)


def make_table(
    title: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    right: Container[str] = (),
) -> Table:
    """Return a table. Columns named in `right` are right-aligned."""
    heading = None if title is None else Text(title, style="bold")
    table = Table(
        title=heading, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left"
    )
    for at, column in enumerate(columns):  # a name is not broken where the terminal is narrow
        table.add_column(Text(column), justify="right" if column in right else "left", no_wrap=at == 0)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table


@contextmanager
def progress_bars(plan: Sequence[str] = ()) -> Iterator[ProgressCallback]:
    """Yield a progress callback (stage, fraction done) that draws one bar per stage on the terminal; see `data.progress`."""
    with progress.progress_bars(console, plan) as report:
        yield report


@contextmanager
def step(name: str) -> Iterator[None]:
    """Show the name of a step that has no finer progress while it runs, and its time afterwards."""
    with progress_bars() as report:
        report(name, 0.0)
        yield
        report(name, 1.0)


def write_json(path: Path | None, content: object) -> None:
    """Write a result as JSON, if a file is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")


def write_table(table: pa.Table, out: str) -> None:
    """Write a table to a file, also of an object store: as CSV where the name ends so, else as Parquet."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    from shortlist.engines.object_store import local_output

    with local_output(out) as path:
        if path.suffix == ".csv":
            csv.write_csv(table, path)
        else:
            pq.write_table(table, path)


def check_settings(project: Project) -> None:
    """Validate the settings of retrievers, features and the ranker, which the project holds as untyped tables.

    Raises
    ------
    ProjectError
        Names file, line and setting.
    """
    from shortlist.features.spec import FEATURE
    from shortlist.rank.registry import make_ranker
    from shortlist.retrieve import parse_sources

    make_ranker(project)
    parse_sources(project.retrieve.sources, project.where)
    for number in range(len(project.features)):
        project.parse(f"features.{number}", FEATURE)


def read_dataset(project: Project) -> Dataset:
    """Validate a project's settings, read its tables, and print the problems found."""
    from shortlist.data.dataset import Dataset

    check_settings(project)
    with step("reading tables"):
        dataset = Dataset.from_project(project)
    print_text(dataset.check.summary(), "dim")
    show_problems(dataset.check)
    return dataset


def show_problems(check: Check) -> None:
    """Print the problems of a data check."""
    for problem in check.problems:
        print_labelled(problem.level, str(problem))


def load_recommender(bundle: Path) -> Recommender:
    """Load a bundle or, from a folder of bundles, the one that serves.

    Raises
    ------
    BundleError
        If there is none, or it cannot be read.
    """
    from shortlist.recommender import Recommender

    return Recommender.load(bundle_path(bundle))


def bundle_path(bundle: Path) -> Path:
    """Return the folder of a bundle or, for a folder of bundles, of the one that serves."""
    from shortlist.bundle.registry import BundleRegistry, bundles_in

    several = bundle.is_dir() and not (bundle / "manifest.json").exists() and bundles_in(bundle)
    return BundleRegistry(bundle).current().path if several else bundle


def existing_store(target: str, field: str, hint: str) -> EventStore:
    """Open an event store that exists already.

    Raises
    ------
    ShortlistError
        If it is a file that does not exist; opening it would create an empty store.
    """
    from shortlist.store.event_store import EventStore

    if "://" not in target and not Path(target).exists():
        raise ShortlistError(f"{target}: no such file; {hint}", field=field)
    return EventStore(target)


def show_report(report: Report, html: Path, json_file: Path | None) -> None:
    """Print an evaluation report, and write it as HTML and JSON."""
    from shortlist.evaluate.report_page import evaluation_page
    from shortlist.evaluate.terminal import evaluation_table

    console.print(evaluation_table(report))
    for leak in report.leaks:
        print_labelled("leak", str(leak), "red")
    for caution in report.warnings:
        print_labelled("caution", str(caution))
    print_text(report.verdict(), "bold")
    html.write_text(evaluation_page(report), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, report.to_json())


def show_slate(slate: Slate, project: Project) -> None:
    """Print a slate with its predictions and reasons."""
    if slate.user is None:
        title = "For a visitor"
    else:
        title = f"For user {slate.user}{'' if slate.user_known else ' (not in the data)'}"
    objectives = list(slate.items[0].predictions) if slate.items else []
    kinds = {name: objective.kind for name, objective in project.objectives.items()}
    rows = []
    for item in slate.items:
        predictions = (
            f"{item.predictions[o]:.1%}" if kinds[o] == "probability" else f"{item.predictions[o]:.1f}"
            for o in objectives
        )
        rows.append((item.title, *predictions, item.reason))
    console.print(make_table(title, ("item", *objectives, "reason"), rows, right=objectives))
    for warning in slate.warnings:
        print_labelled("warning", warning)


def format_time(moment: int | None) -> str:
    """Return a time in ms since 1970 as `2025-01-31 12:00` (UTC), or an empty string."""
    import time

    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment / 1000))

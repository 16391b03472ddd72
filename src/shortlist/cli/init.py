"""`shortlist init`: write a project file from what the tables hold, and ask where that is not clear."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortlist.cli.terminal import console, make_table, print_text, show_problems, step
from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    import pyarrow as pa

    from shortlist.data.guess.choices import Ask, Choices
    from shortlist.data.tables import Tables

SAMPLE_ROWS = 5
"""Rows that a question shows."""
WIDEST = 30
"""Characters of a value that a question shows."""


def _column(what: str) -> typer.models.OptionInfo:
    return typer.Option(help=f"Column of the events with {what}.")  # type: ignore[no-any-return]


EventsArgument = Annotated[
    str,
    typer.Argument(
        help="The export: a .parquet, .csv, .tsv, .jsonl or .inter file, a .sql file with a query, or a MovieLens folder."
    ),
]
TimeFormatOption = Annotated[
    str | None, typer.Option(help='How text dates are written, for example "%d/%m/%Y %H:%M".')
]


def init(
    events: EventsArgument,
    items: Annotated[str | None, typer.Option(help="The items table.")] = None,
    users: Annotated[str | None, typer.Option(help="The users table.")] = None,
    out: Annotated[Path, typer.Option(help="The project file to write.")] = Path("shortlist.toml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing project file.")] = False,
    user: Annotated[str | None, _column("the user")] = None,
    item: Annotated[str | None, _column("the item")] = None,
    time: Annotated[str | None, _column("the time")] = None,
    time_format: TimeFormatOption = None,
    kind: Annotated[str | None, _column("the kind of event")] = None,
    value: Annotated[str | None, _column("the value: seconds, rating or price")] = None,
    quantity: Annotated[str | None, _column("the pieces, by which the value is multiplied")] = None,
    order: Annotated[str | None, _column("the number of the order")] = None,
    title: Annotated[str | None, typer.Option(help="Column with the title of an item.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is likeliest.")] = False,
) -> None:
    """Guess a project from its tables and write a commented shortlist.toml.

    Names of columns may be in several languages. On a terminal, init asks where it is unsure and shows some rows.
    """
    from shortlist.config.toml import write_toml
    from shortlist.data.check import Check
    from shortlist.data.guess.choices import Choices
    from shortlist.data.guess.project import guess
    from shortlist.data.unused import report_reading

    if out.exists() and not force:
        raise ShortlistError(f"{out} exists; --force overwrites it, --out writes elsewhere", field="out")
    sources = {
        role: source for role, source in (("events", events), ("items", items), ("users", users)) if source
    }
    tables, encoding = _read(out.parent, sources)
    roles = {
        "user": user,
        "item": item,
        "timestamp": time,
        "kind": kind,
        "value": value,
        "quantity": quantity,
    }
    ask = None if yes or not sys.stdin.isatty() else make_ask(tables.events)
    given = {role: column for role, column in roles.items() if column}
    choices = Choices(given, title, order, time_format, ask)
    name = _name_of(events)
    guessed = guess(tables.events, tables.items, tables.users, name, choices)
    settings = guessed.project.model_dump(exclude_unset=True)
    settings["data"] = _with_sources(settings["data"], out, sources, encoding)
    notes = _with_encoding(guessed.notes, encoding)
    out.parent.mkdir(parents=True, exist_ok=True)
    heading = f"A recommender for {name if '://' in events else Path(events).name}. Guessed by `shortlist init`; review and edit it."
    out.write_text(write_toml(settings, heading, notes), encoding="utf-8")
    _show_guess(out, settings, notes)
    _show_asked(choices)
    report = Check()
    report_reading(tables, guessed.project, report)
    show_problems(report)
    print_text("Next: shortlist check, then shortlist train and shortlist evaluate.")


def _name_of(events: str) -> str:
    """Return a name for the project: that of the file, or of the folder where an address has a pattern."""
    from shortlist.config.data import is_query

    if is_query(events):
        return "shortlist"
    if "://" not in events:
        return Path(events).resolve().stem
    parts = [
        part for part in events.partition("://")[2].partition("?")[0].split("/") if part and "*" not in part
    ]
    return Path(parts[-1]).stem if parts else "shortlist"


def _read(folder: Path, sources: Mapping[str, str]) -> tuple[Tables, str | None]:
    """Return the tables, and the encoding of text files that are not UTF-8."""
    from shortlist.config.data import DataSettings
    from shortlist.data.tables import read_tables
    from shortlist.engines.confined import QueryFiles

    encoding = _encoding(sources.values())
    data = DataSettings.model_validate({**sources, "encoding": encoding})
    with step("reading tables"):
        return read_tables(data, QueryFiles.of_project(folder, sources.values())), encoding


def _encoding(sources: Iterable[str]) -> str | None:
    """Return the encoding of the text files that are not UTF-8; None where all are."""
    from shortlist.config.data import is_query
    from shortlist.engines.confined import is_file
    from shortlist.engines.encoding import find_encoding

    found: dict[str, str] = {}
    for source in sources:
        if is_query(source) or not is_file(source) or not Path(source).is_file():
            continue
        if any(suffix in {".csv", ".tsv", ".txt"} for suffix in Path(source).suffixes[-2:]):
            encoding = find_encoding(Path(source))
            if encoding is not None:
                found[encoding] = source
    if len(found) > 1:
        told = ", ".join(f"{source} ({encoding})" for encoding, source in found.items())
        raise ShortlistError(
            f"the text files have several encodings: {told}; convert them to UTF-8", field="data.encoding"
        )
    return next(iter(found), None)


def _with_sources(
    data: dict[str, Any], out: Path, sources: Mapping[str, str], encoding: str | None
) -> dict[str, Any]:
    """Return `[data]` with the tables first, whose names are relative to the project file."""
    named = {role: _relative(out, source) for role, source in sources.items()}
    rest = {name: value for name, value in data.items() if name not in {"events", "items", "users"}}
    return {**named, **({"encoding": encoding} if encoding else {}), **rest}


def _with_encoding(notes: Mapping[str, str], encoding: str | None) -> dict[str, str]:
    """Return the reasons, with that of the encoding."""
    about = (
        "" if encoding is None else f"The text files are not UTF-8, and are read as {encoding} (encoding)."
    )
    data = "\n".join(filter(None, [about, notes.get("data")]))
    return {
        **({"data": data} if data else {}),
        **{name: note for name, note in notes.items() if name != "data"},
    }


def _relative(out: Path, source: str) -> str:
    """Return a file's name relative to the project file; queries and absolute names stay."""
    from shortlist.config.data import is_query

    if is_query(source) or Path(source).is_absolute() or not Path(source).exists():
        return source
    return os.path.relpath(source, out.parent)


def make_ask(events: pa.Table) -> Ask:
    """Return a function that asks a question on the terminal, with some rows of the columns that come into question."""
    from shortlist.data.guess.choices import Question

    def ask(question: Question) -> str | None:
        names = list(question.candidates)
        rows = events.select(names).slice(0, SAMPLE_ROWS).to_pylist()
        shown = [[str(row[name])[:WIDEST] for name in names] for row in rows]
        role = "time" if question.role == "timestamp" else question.role
        print_text(f"Which column is the {role}? ({question.why})")
        console.print(make_table(None, names, shown))
        while True:
            answer = str(typer.prompt(f"The {role} is", default=names[0])).strip()
            if answer in events.column_names:
                return answer
            print_text(
                f"There is no column {answer!r}. There are: {', '.join(events.column_names)}", "yellow"
            )

    return ask


def _show_asked(choices: Choices) -> None:
    if choices.ask is None:
        print_text(
            "Nothing was asked: the likeliest columns were taken. Options such as --user and --time name others.",
            "dim",
        )


def _show_guess(out: Path, settings: dict[str, Any], notes: Mapping[str, str]) -> None:
    rows = [("columns", ", ".join(f"{role} = {name}" for role, name in settings["data"]["columns"].items()))]
    for role in ("items", "users"):
        if role in settings:
            attributes = settings[role]["attributes"].items()
            rows.append((role, ", ".join(f"{name} ({kind})" for name, kind in attributes)))
    rows.append(("objectives", ", ".join(settings["objectives"])))
    rows.append(("features", ", ".join(feature["name"] for feature in settings["features"])))
    console.print(make_table(f"Guessed settings in {out}", ("section", "guess"), rows))
    for note in notes.values():
        for line in note.splitlines():
            print_text(line, "dim")

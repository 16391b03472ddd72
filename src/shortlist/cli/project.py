"""`shortlist init` and `shortlist check`: write a project file, and validate one with its tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    ThreadsOption,
    check_settings,
    console,
    load_functions,
    make_table,
    print_labelled,
    print_text,
    show_problems,
    step,
    write_json,
)
from shortlist.errors import ShortlistError
from shortlist.threads import set_threads


def init(
    events: Annotated[
        str, typer.Argument(help="A .parquet, .csv, .tsv or .inter file, or a MovieLens folder.")
    ],
    items: Annotated[str | None, typer.Option(help="The items table.")] = None,
    users: Annotated[str | None, typer.Option(help="The users table.")] = None,
    out: Annotated[Path, typer.Option(help="The project file to write.")] = Path("shortlist.toml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing project file.")] = False,
) -> None:
    """Guess a project from its tables and write a commented shortlist.toml."""
    from shortlist.config.data import DataSettings, is_query
    from shortlist.config.toml import write_toml
    from shortlist.data.check import Check
    from shortlist.data.guess import guess
    from shortlist.data.tables import read_tables
    from shortlist.data.unused import report_reading
    from shortlist.engines.confined import QueryFiles

    if out.exists() and not force:
        raise ShortlistError(f"{out} exists; --force overwrites it, --out writes elsewhere", field="out")
    files = QueryFiles.of_project(out.parent, (events, items, users))
    tables = read_tables(DataSettings(events=events, items=items, users=users), files)
    name = "shortlist" if is_query(events) else Path(events).resolve().stem
    guessed = guess(tables.events, tables.items, tables.users, name)
    settings = guessed.project.model_dump(exclude_unset=True)
    settings["data"]["events"] = _relative(out, events)
    for role, source in (("items", items), ("users", users)):
        settings["data"].pop(role, None)
        if source:
            settings["data"][role] = _relative(out, source)
    out.parent.mkdir(parents=True, exist_ok=True)
    title = f"A recommender for {Path(events).name}. Guessed by `shortlist init`; review and edit it."
    out.write_text(write_toml(settings, title, guessed.notes), encoding="utf-8")
    _show_guess(out, settings, guessed.notes)
    report = Check()
    report_reading(tables, guessed.project, report)
    show_problems(report)
    print_text("Next: shortlist check, then shortlist train and shortlist evaluate.")


def _relative(out: Path, source: str) -> str:
    """Return a file's name relative to the project file; queries and absolute names stay."""
    from shortlist.config.data import is_query

    if is_query(source) or Path(source).is_absolute() or not Path(source).exists():
        return source
    return os.path.relpath(source, out.parent)


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


def check(
    project: ProjectOption = Path("shortlist.toml"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Validate the project file and its tables, and report all problems."""
    set_threads(threads)
    load_functions(functions)
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.leaks import check_leaks
    from shortlist.features.validate import FeatureSchema, parse_features

    settings = read_project(project)
    check_settings(settings)
    with step("reading tables"):
        dataset = Dataset.from_project(settings)
    parse_features(settings.features, FeatureSchema.of_dataset(dataset), settings.where)
    report = dataset.check
    with step("looking for leaks"):
        leaks = check_leaks(dataset, settings.evaluate)
    for leak in leaks:
        print_labelled("leak", str(leak), "red")
    show_problems(report)
    for note in report.notes:
        print_text(note, "dim")
    print_text(report.summary())
    if not report.problems and not leaks:
        print_text("No problems found.", "green")
    write_json(json_file, {**report.to_json(), "leaks": [leak.to_json() for leak in leaks]})

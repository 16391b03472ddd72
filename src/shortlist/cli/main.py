"""The command line: `shortlist demo | init | check | train | evaluate | recommend | batch | serve | inspect`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from shortlist.cli.audit import audit
from shortlist.cli.demo import demo
from shortlist.cli.experiment import experiment_app, export
from shortlist.cli.operate import erase, keys_app, models_app
from shortlist.cli.preview import preview
from shortlist.cli.simulate import simulate
from shortlist.cli.terminal import (
    BundleArgument,
    FunctionsOption,
    JsonOption,
    ProjectOption,
    console,
    load_functions,
    progress_bars,
    read_dataset,
    run_server,
    show_problems,
    show_report,
    show_slate,
    write,
)
from shortlist.cli.train import train
from shortlist.cli.tune import tune_app
from shortlist.errors import DataError, ShortlistError

if TYPE_CHECKING:
    from shortlist.recommender import Recommender

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A recommender system: from an event log to a served slate.",
)
app.command()(demo)
app.command()(train)
app.command()(audit)
app.command()(simulate)
app.command()(preview)
app.command()(export)
app.command()(erase)
app.add_typer(keys_app, name="keys")
app.add_typer(models_app, name="models")
app.add_typer(tune_app, name="tune")
app.add_typer(experiment_app, name="experiment")


def main() -> None:
    """Run a command; what a person can mend is said in a sentence, without a stack trace."""
    try:
        app()
    except ShortlistError as error:
        Console(stderr=True).print(f"[red]error:[/] {error.message}", highlight=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def init(
    events: Annotated[
        str, typer.Argument(help="A .parquet, .csv, .tsv or .inter file, or a MovieLens folder.")
    ],
    items: Annotated[str | None, typer.Option(help="The items table.")] = None,
    users: Annotated[str | None, typer.Option(help="The users table.")] = None,
    out: Annotated[Path, typer.Option(help="Where to write the project file.")] = Path("shortlist.toml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing project file.")] = False,
) -> None:
    """Look at the tables, guess what they are, and write a commented shortlist.toml."""
    from shortlist.config.data import DataSettings, is_query
    from shortlist.config.project import Project
    from shortlist.config.toml import write_toml
    from shortlist.data.dataset import read_tables
    from shortlist.data.guess import guess_project

    if out.exists() and not force:
        raise ShortlistError(f"{out} exists; --force overwrites it, --out writes elsewhere", field="out")
    tables = read_tables(Project(data=DataSettings(events=events, items=items, users=users)))
    guess = guess_project(
        *tables[:3], name=Path(events).resolve().stem if not is_query(events) else "shortlist"
    )
    settings = guess.model_dump(exclude_unset=True)
    settings["data"]["events"] = _from(out, events)
    for role, given in (("items", items), ("users", users)):
        settings["data"].pop(role, None)
        if given:
            settings["data"][role] = _from(out, given)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        write_toml(
            settings,
            f"A recommender for {Path(events).name}. Written by `shortlist init`: a guess to correct.",
        ),
        encoding="utf-8",
    )
    table = Table(title=f"{out}: what was guessed")
    for title in ("what", "guess"):
        table.add_column(title)
    table.add_row(
        "columns", ", ".join(f"{role} = {column}" for role, column in settings["data"]["columns"].items())
    )
    for role in ("items", "users"):
        if role in settings:
            table.add_row(role, ", ".join(f"{n} ({k})" for n, k in settings[role]["attributes"].items()))
    table.add_row("objectives", ", ".join(settings["objectives"]))
    table.add_row("features", ", ".join(f["name"] for f in settings["features"]))
    console.print(table)
    console.print(
        "Next: [bold]shortlist check[/], then [bold]shortlist train[/] and [bold]shortlist evaluate[/]."
    )


def _from(out: Path, source: str) -> str:
    """A file's name relative to the project file; queries and absolute names stay."""
    from shortlist.config.data import is_query

    if is_query(source) or Path(source).is_absolute() or not Path(source).exists():
        return source
    return os.path.relpath(source, out.parent)


@app.command()
def check(
    project: ProjectOption = Path("shortlist.toml"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Read the tables and say everything that is wrong with them."""
    load_functions(functions)
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.leaks import check_leaks
    from shortlist.features.validate import parse_features

    settings = read_project(project)
    dataset = Dataset.from_project(settings)
    parse_features(settings, dataset.log.kinds)
    report = dataset.check
    leaks = check_leaks(dataset)
    for leak in leaks:
        console.print(f"[red]leak:[/] {leak}", highlight=False, soft_wrap=True)
    show_problems(report)
    for note in report.notes:
        console.print(f"[dim]{note}[/]")
    console.print(report.summary())
    if not report.problems and not leaks:
        console.print("[green]nothing to complain about[/]")
    write(json_file, {**report.to_json(), "leaks": [leak.to_json() for leak in leaks]})


@app.command()
def evaluate(
    project: ProjectOption = Path("shortlist.toml"),
    html: Annotated[Path, typer.Option(help="Where the report page goes.")] = Path("report.html"),
    json_file: JsonOption = None,
    train_table: Annotated[
        str | None,
        typer.Option("--train", help="Instead of a project: a table of user_id, item_id[, timestamp]."),
    ] = None,
    test_table: Annotated[
        str | None, typer.Option("--test", help="What came true after it, likewise.")
    ] = None,
    retriever: Annotated[
        str, typer.Option(help="With --train: which retriever; auto tunes, picks and blends by itself.")
    ] = "auto",
    k: Annotated[
        int, typer.Option("--k", min=1, max=1000, help="With --train: the length of the lists.")
    ] = 20,
    settings_given: Annotated[
        list[str] | None,
        typer.Option("--set", help="With --train: a setting of the retriever, as factors=256."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="time, rolling, leave_last, users or given, instead of the project's own."),
    ] = None,
    recommendations: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: judge lists made elsewhere (user, item, rank or score) against --test, or a project's test."
        ),
    ] = None,
    items: Annotated[str | None, typer.Option(help="With --recommendations: the items table.")] = None,
    users: Annotated[str | None, typer.Option(help="With --recommendations: the users table.")] = None,
    functions: FunctionsOption = None,
) -> None:
    """Train on the past, test on the future, compare with the baselines.

    With --recommendations: judge tables of recommendations made by any library. With --train and --test alone: fit one
    retriever (or the automatic blend) on a table and judge it on another.
    """
    load_functions(functions)
    if recommendations:
        from shortlist.cli.evaluate import judge_tables

        report = judge_tables(recommendations, project, train_table, test_table, items, users, k)
        show_report(report, html, json_file)
        return
    if train_table or test_table:
        from shortlist.cli.evaluate import evaluate_tables

        evaluate_tables(train_table, test_table, retriever, k, settings_given or [], json_file)
        return
    from shortlist.cli.evaluate import with_protocol
    from shortlist.config.project import read_project
    from shortlist.evaluate.protocol import evaluate as run

    settings = read_project(project)
    if protocol is not None:
        settings = with_protocol(settings, protocol)
    dataset = read_dataset(settings)
    with progress_bars() as progress:
        report = run(settings, dataset, progress)
    show_report(report, html, json_file)


@app.command()
def recommend(
    bundle: BundleArgument,
    user: Annotated[str | None, typer.Option(help="Who it is for.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Item ids instead of a user, oldest first, with commas.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many items.")] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """A slate for one person, with reasons."""
    load_functions(functions)
    from shortlist.recommender import Recommender

    recommender = Recommender.load(bundle)
    given = [part.strip() for part in history.split(",") if part.strip()] if history is not None else None
    slate = recommender.recommend(user=user, n=n, history=given)
    show_slate(slate, recommender.project)
    write(json_file, slate.to_arrow().to_pylist())


@app.command()
def batch(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="A .parquet or .csv file.")],
    n: Annotated[int, typer.Option("-n", help="How many items for each.")] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Slates for all users, as a table."""
    load_functions(functions)
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    from shortlist.recommender import Recommender

    if out.suffix not in {".parquet", ".csv"}:
        raise DataError(f"{out}: write to a .parquet or .csv file", field="out")
    recommender = Recommender.load(bundle)
    people = recommender.dataset.users.ids.values.to_pylist()
    started = time.perf_counter()
    parts = []
    with progress_bars() as progress:
        for start in range(0, len(people), 500):
            parts.append(recommender.recommend(users=people[start : start + 500], n=n).to_arrow())
            progress("slates", min(start + 500, len(people)) / len(people))
    table = pa.concat_tables(parts)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        csv.write_csv(table, out)
    else:
        pq.write_table(table, out)
    seconds = time.perf_counter() - started
    console.print(f"{len(people):,} slates ({len(people) / seconds:,.0f} a second) → {out}")
    write(json_file, {"users": len(people), "rows": table.num_rows, "seconds": seconds})


@app.command()
def serve(
    bundle: BundleArgument,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where events are kept: a SQLite file, or postgresql://… for several servers; a file beside the bundle without."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Which address to listen on; this machine only without.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="How many processes answer; each holds the model and takes a core."),
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(
            help="The page's Quality tab: what `shortlist evaluate --html` wrote; report.html beside the bundle without."
        ),
    ] = None,
    functions: FunctionsOption = None,
) -> None:
    """Serve recommendations, events and the page over HTTP.

    With a folder of bundles (`shortlist train --out models/`): the newest serves, and newer ones take over while it runs.
    """
    load_functions(functions)
    run_server(bundle, store, host, port, functions, workers, report)


@app.command()
def inspect(
    what: Annotated[str, typer.Argument(help="`features`, or a bundle to see as a whole.")],
    bundle: Annotated[Path | None, typer.Argument(help="The folder that `shortlist train` wrote.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="With features: the server's event store, for what has happened since."),
    ] = None,
    html: Annotated[Path, typer.Option(help="With features: where the page goes.")] = Path("features.html"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """What is in a bundle; `inspect features BUNDLE`: coverage, drift since training, importance, suspected leaks."""
    from shortlist.recommender import Recommender

    load_functions(functions)
    if what != "features" and bundle is not None:
        raise ShortlistError(
            f"inspect {what}: there is `inspect features BUNDLE` and `inspect BUNDLE`", field="what"
        )
    if what == "features" and bundle is None:
        raise ShortlistError(
            "inspect features: name the bundle, as in `shortlist inspect features bundle`", field="bundle"
        )
    recommender = Recommender.load(bundle or Path(what))
    if bundle is not None:
        _inspect_features(recommender, store, html, json_file)
        return
    dataset = recommender.dataset
    importance = {name: recommender.ranker.importance(name) for name in recommender.project.objectives}
    console.print(
        f"[bold]{recommender.project.name}[/] {recommender.version}: {len(dataset.items):,} items, {len(dataset.users):,} users, {len(dataset.log):,} events"
    )
    table = Table(title="share of each objective's trees")
    for title in ("feature", *importance):
        table.add_column(title, justify="left" if title == "feature" else "right")
    for name in sorted(
        recommender.ranker.columns, key=lambda c: -max(i.get(c, 0) for i in importance.values())
    ):
        table.add_row(name, *(f"{i.get(name, 0):.1%}" for i in importance.values()))
    console.print(table)
    write(
        json_file,
        {
            "model_version": recommender.version,
            "importance": importance,
            "calibration": {name: c.to_json() for name, c in recommender.ranker.calibration.items()},
        },
    )


def _inspect_features(
    recommender: Recommender, store: Path | None, html: Path, json_file: Path | None
) -> None:
    from shortlist.evaluate.feature_report import features_page, inspect_features
    from shortlist.store.event_store import EventStore

    if store is not None:
        if not store.exists():
            raise ShortlistError(
                f"{store}: no such file; `shortlist serve` keeps its events beside the bundle", field="store"
            )
        lost = recommender.replay(EventStore(store).all())
        if lost:
            console.print(f"[yellow]{lost:,} stored events are of items that this bundle does not have[/]")
    report = inspect_features(recommender)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    objectives = list(recommender.project.objectives)
    for title in (
        "feature",
        "known",
        "now",
        "median",
        "drift",
        *(f"{o}\ngain / alone" for o in objectives[:3]),
    ):
        table.add_column(title, justify="left" if title == "feature" else "right", no_wrap=True)
    for f in report.features:
        drift = "" if f.drift is None else f"{f.drift:.2f}"
        table.add_row(
            f.name[:24],
            f"{f.known:.0%}",
            "" if f.known_now is None else f"{f.known_now:.0%}",
            f"{f.quantiles[3]:.3g}" if f.quantiles else "",
            f"[red]{drift}[/]" if f.drift is not None and f.drift > 0.25 else drift,
            *(f"{f.importance[o]:.0%} / {f.alone[o]:.2f}" for o in objectives[:3]),
        )
    console.print(table)
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    if not report.warnings:
        console.print("[green]nothing to complain about[/]")
    html.write_text(features_page(report), encoding="utf-8")
    console.print(f"[dim]The page: {html}[/]")
    write(json_file, report.to_json())


if __name__ == "__main__":
    main()

"""The command line: `shortlist demo | init | check | train | evaluate | recommend | batch | serve | inspect`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from shortlist.errors import DataError, ShortlistError

if TYPE_CHECKING:
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.protocol import Report
    from shortlist.project import Project
    from shortlist.slate import Slate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A recommender system: from an event log to a served slate.",
)
console = Console()

ProjectOption = Annotated[Path, typer.Option("--project", "-p", help="The project file, or its folder.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]
BundleArgument = Annotated[Path, typer.Argument(help="The folder that `shortlist train` wrote.")]


def main() -> None:
    """Run a command; what a person can mend is said in a sentence, without a stack trace."""
    try:
        app()
    except ShortlistError as error:
        Console(stderr=True).print(f"[red]error:[/] {error.message}", highlight=False, soft_wrap=True)
        sys.exit(2)


@contextmanager
def progress_bars() -> Iterator[Any]:
    """A progress callback that draws one bar a stage."""
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as bars:

        def report(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=share)

        yield report


def _write(path: Path | None, content: Any) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")


def _dataset(project: Project) -> Dataset:
    from shortlist.data.dataset import Dataset

    dataset = Dataset.from_project(project)
    console.print(f"[dim]{dataset.check.summary()}[/]")
    for problem in dataset.check.problems:
        console.print(f"[yellow]{problem.level}:[/] {problem}", highlight=False, soft_wrap=True)
    return dataset


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="Which world.")] = "movies",
    folder: Annotated[Path, typer.Option(help="Where its files go.")] = Path("demo"),
    serve: Annotated[bool, typer.Option(help="Serve the page when ready.")] = True,
    port: Annotated[int, typer.Option()] = 8000,
    users: Annotated[int, typer.Option(help="People in the world.")] = 20_000,
    items: Annotated[int, typer.Option(help="Items in the world.")] = 5_000,
    sessions: Annotated[int, typer.Option(help="Sessions in the log, about 11 events each.")] = 80_000,
    json_file: JsonOption = None,
) -> None:
    """A simulated world, trained, evaluated and served; nothing else is needed."""
    from shortlist.evaluate.protocol import evaluate as run
    from shortlist.project import read_project
    from shortlist.recommender import Recommender
    from shortlist.simulate.movies import make_movies

    if name != "movies":
        raise ShortlistError(f"there is no world {name!r} yet; there is: movies", field="name")
    console.rule("A simulated world of films and people; nobody here is real")
    with console.status("making the world"):
        world = make_movies(users, items, sessions)
        path = world.write(folder / name)
    console.print(
        f"[dim]{world.events.num_rows:,} events, {world.items.num_rows:,} items, {world.users.num_rows:,} people → {folder / name}[/]"
    )
    project = read_project(path)
    dataset = _dataset(project)
    console.rule("How good is it? Trained on the past, tested on the future")
    with progress_bars() as progress:
        report = run(project, dataset, progress, world.truth)
    _show_report(report, folder / name / "report.html", json_file)
    console.rule("Now trained on everything, for serving")
    with progress_bars() as progress:
        recommender = Recommender.from_project(project).fit(dataset, progress)
        bundle = recommender.save(folder / name / "bundle")
    sizes = dataset.histories.indptr[1:] - dataset.histories.indptr[:-1]
    someone = dataset.users.ids.id(
        int((sizes >= 8).nonzero()[0][0]) if (sizes >= 8).any() else int(sizes.argmax())
    )
    _show_slate(recommender.recommend(user=someone, n=8), project)
    if serve:
        _serve(bundle, None, "127.0.0.1", port)
    else:
        console.print(f"Serve it with: [bold]shortlist serve {bundle}[/]")


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
    from shortlist.data.dataset import read_tables
    from shortlist.data.guess import guess_project
    from shortlist.project import Data, Project, is_query
    from shortlist.toml import write_toml

    if out.exists() and not force:
        raise ShortlistError(f"{out} exists; --force overwrites it, --out writes elsewhere", field="out")
    tables = read_tables(Project(data=Data(events=events, items=items, users=users)))
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
    from shortlist.project import is_query

    if is_query(source) or Path(source).is_absolute() or not Path(source).exists():
        return source
    return os.path.relpath(source, out.parent)


@app.command()
def check(project: ProjectOption = Path("shortlist.toml"), json_file: JsonOption = None) -> None:
    """Read the tables and say everything that is wrong with them."""
    from shortlist.data.dataset import Dataset
    from shortlist.features.checks import parse_features
    from shortlist.project import read_project

    settings = read_project(project)
    dataset = Dataset.from_project(settings)
    parse_features(settings, dataset.log.kinds)
    report = dataset.check
    for problem in report.problems:
        console.print(f"[yellow]{problem.level}:[/] {problem}", highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"[dim]{note}[/]")
    console.print(report.summary())
    if not report.problems:
        console.print("[green]nothing to complain about[/]")
    _write(json_file, report.to_json())


@app.command()
def train(
    project: ProjectOption = Path("shortlist.toml"),
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle"),
    warm: Annotated[
        Path | None, typer.Option(help="An earlier bundle whose factors training begins from.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Train on the whole log and write a bundle."""
    from shortlist.project import read_project
    from shortlist.recommender import Recommender

    settings = read_project(project)
    dataset = _dataset(settings)
    started = time.perf_counter()
    with progress_bars() as progress:
        earlier = Recommender.load(warm) if warm is not None else None
        recommender = Recommender.from_project(settings).fit(dataset, progress, earlier)
    recommender.save(out)
    seconds = time.perf_counter() - started
    console.print(
        f"model [bold]{recommender.version}[/] in {seconds:.1f} s → {out}. Next: [bold]shortlist serve {out}[/]"
    )
    _write(
        json_file,
        {
            "model_version": recommender.version,
            "bundle": str(out),
            "seconds": seconds,
            "check": dataset.check.to_json(),
        },
    )


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
) -> None:
    """Train on the past, test on the future, compare with the baselines.

    With --train and --test: fit one retriever (or the automatic blend) on a table and judge it on another."""
    if train_table or test_table:
        _evaluate_tables(train_table, test_table, retriever, k, settings_given or [], json_file)
        return
    from shortlist.evaluate.protocol import evaluate as run
    from shortlist.project import read_project

    settings = read_project(project)
    dataset = _dataset(settings)
    with progress_bars() as progress:
        report = run(settings, dataset, progress)
    _show_report(report, html, json_file)


def _evaluate_tables(
    train: str | None, test: str | None, retriever: str, k: int, given: list[str], json_file: Path | None
) -> None:
    from shortlist.evaluate.tables import evaluate_tables, read_pair
    from shortlist.evaluate.terminal import data_line, result

    if train is None or test is None:
        raise ShortlistError("--train and --test go together: name both tables", field="test")
    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ShortlistError(f"--set {text}: write name=value, as in --set factors=256", field="set")
        try:
            settings[name.strip()] = json.loads(value)
        except ValueError:
            settings[name.strip()] = value
    tables = read_pair(train, test)
    console.print(data_line(tables.facts))
    with progress_bars() as progress:
        report = evaluate_tables(tables, retriever, k, settings, progress)
    for part in result(report, Path(test).name):
        console.print(part, highlight=False)
    _write(json_file, report.to_json())


def _show_report(report: Report, html: Path, json_file: Path | None) -> None:
    from shortlist.evaluate.report import html_report, text_table

    console.print(text_table(report))
    console.print(f"[bold]{report.verdict()}[/]")
    html.write_text(html_report(report), encoding="utf-8")
    console.print(f"[dim]The whole report, with plots: {html}[/]")
    _write(json_file, report.to_json())


@app.command()
def recommend(
    bundle: BundleArgument,
    user: Annotated[str | None, typer.Option(help="Who it is for.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Item ids instead of a user, oldest first, with commas.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many items.")] = 10,
    json_file: JsonOption = None,
) -> None:
    """A slate for one person, with reasons."""
    from shortlist.recommender import Recommender

    recommender = Recommender.load(bundle)
    given = [part.strip() for part in history.split(",") if part.strip()] if history is not None else None
    slate = recommender.recommend(user=user, n=n, history=given)
    _show_slate(slate, recommender.project)
    _write(json_file, slate.to_arrow().to_pylist())


def _show_slate(slate: Slate, project: Project) -> None:
    who = f"user {slate.user}" if slate.user is not None else "a visitor"
    table = Table(title=f"For {who}{'' if slate.user_known or slate.user is None else ' (nobody we know)'}")
    objectives = list(slate.items[0].predictions) if slate.items else []
    kinds = {name: objective.kind for name, objective in project.objectives.items()}
    for title in ("item", *objectives, "why"):
        table.add_column(title, justify="right" if title in objectives else "left")
    for r in slate.items:
        table.add_row(
            r.title,
            *(
                f"{r.predictions[o]:.1%}" if kinds[o] == "probability" else f"{r.predictions[o]:.1f}"
                for o in objectives
            ),
            r.reason,
        )
    console.print(table)
    if slate.unknown_items:
        console.print(f"[yellow]not in the catalogue, ignored:[/] {', '.join(map(str, slate.unknown_items))}")


@app.command()
def batch(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="A .parquet or .csv file.")],
    n: Annotated[int, typer.Option("-n", help="How many items for each.")] = 10,
    json_file: JsonOption = None,
) -> None:
    """Slates for all users, as a table."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

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
    _write(json_file, {"users": len(people), "rows": table.num_rows, "seconds": seconds})


@app.command()
def serve(
    bundle: BundleArgument,
    store: Annotated[
        Path | None, typer.Option(help="The SQLite file for events; beside the bundle without.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Which address to listen on; this machine only without.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
) -> None:
    """Serve recommendations, events and the page over HTTP."""
    _serve(bundle, store, host, port)


def _serve(bundle: Path, store: Path | None, host: str, port: int) -> None:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from shortlist.bundle import read_manifest

    manifest = read_manifest(bundle)  # refuse here, in a sentence, rather than in a worker
    os.environ["SHORTLIST_BUNDLE"] = str(bundle)
    if store is not None:
        os.environ["SHORTLIST_STORE"] = str(store)
    console.print(
        f"model {manifest['model_version']} at [bold]http://{host}:{port}[/] · API at /docs · Ctrl-C stops"
    )
    Server(
        "shortlist.serve.api:app_from_environment",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        log_level=LogLevels.warning,
    ).serve()


@app.command()
def inspect(bundle: BundleArgument, json_file: JsonOption = None) -> None:
    """What is in a bundle: sizes, objectives with their calibration, and what the ranker rests on."""
    from shortlist.recommender import Recommender

    recommender = Recommender.load(bundle)
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
    _write(
        json_file,
        {
            "model_version": recommender.version,
            "importance": importance,
            "calibration": recommender.ranker.calibration,
        },
    )


if __name__ == "__main__":
    main()

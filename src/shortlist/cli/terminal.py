"""What the commands share: options, progress bars, and how things are shown in a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.data.dataset import Dataset
    from shortlist.data.log import Check
    from shortlist.data.slates import Slate
    from shortlist.evaluate.protocol import Report
    from shortlist.store.event_store import EventStore

console = Console()

ProjectOption = Annotated[Path, typer.Option("--project", "-p", help="The project file, or its folder.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]
BundleArgument = Annotated[Path, typer.Argument(help="The folder that `shortlist train` wrote.")]
FunctionsOption = Annotated[
    Path | None,
    typer.Option("--functions", help="A Python file that registers custom features; it is run."),
]


def load_functions(path: Path | None) -> None:
    """Run the file of custom features that the user named."""
    if path is not None:
        from shortlist.features.custom import load_functions as load

        load(path)


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


def write(path: Path | None, content: Any) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")


def read_dataset(project: Project) -> Dataset:
    from shortlist.data.dataset import Dataset

    dataset = Dataset.from_project(project)
    console.print(f"[dim]{dataset.check.summary()}[/]")
    show_problems(dataset.check)
    return dataset


def show_problems(check: Check) -> None:
    for problem in check.problems:
        console.print(f"[yellow]{problem.level}:[/] {problem}", highlight=False, soft_wrap=True)


def existing_store(target: str, field: str, way_out: str) -> EventStore:
    """A store that somebody has filled already; a new one would be empty and say nothing."""
    from shortlist.store.event_store import EventStore

    if "://" not in target and not os.path.exists(target):
        raise ShortlistError(f"{target}: no such file; {way_out}", field=field)
    return EventStore(target)


def show_report(report: Report, html: Path, json_file: Path | None) -> None:
    from shortlist.evaluate.report import html_report, text_table

    console.print(text_table(report))
    for leak in report.leaks:
        console.print(f"[red]leak:[/] {leak}", highlight=False, soft_wrap=True)
    for caution in report.cautions:
        console.print(f"[yellow]caution:[/] {caution}", highlight=False, soft_wrap=True)
    console.print(f"[bold]{report.verdict()}[/]", highlight=False)
    html.write_text(html_report(report), encoding="utf-8")
    console.print(f"[dim]The whole report, with plots: {html}[/]")
    write(json_file, report.to_json())


def show_slate(slate: Slate, project: Project) -> None:
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


def run_server(
    bundle: Path,
    store: str | None,
    host: str,
    port: int,
    functions: Path | None = None,
    workers: int = 1,
    report: Path | None = None,
) -> None:
    """Serve until stopped. Workers are processes of their own: what they must know goes through the environment."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from shortlist.bundle.format import read_manifest
    from shortlist.bundle.registry import Models
    from shortlist.serve.keys import all_keys
    from shortlist.store.event_store import EventStore, path_beside

    model = Models(bundle).current()
    read_manifest(model.path, thorough=False)  # refuse here, in a sentence, rather than in a worker
    target = store or os.environ.get("SHORTLIST_STORE") or str(path_beside(bundle))
    opened = EventStore(target)
    shown, keys = opened.shown_target, all_keys(opened)
    opened.close()
    if not keys and not is_loopback(host):
        raise ShortlistError(
            f"{host} can be reached from elsewhere, and nobody would be asked for a key; make one first: "
            f"`shortlist keys add app --scopes recommend,events --store {shown}`",
            field="host",
        )
    os.environ["SHORTLIST_BUNDLE"], os.environ["SHORTLIST_STORE"] = str(bundle), target
    if report is not None:
        os.environ["SHORTLIST_REPORT"] = str(report)
    if functions is not None:
        os.environ["SHORTLIST_FUNCTIONS"] = str(functions)
    guarded = (
        f"{len([k for k in keys if k.revoked is None])} keys" if keys else "no keys, open on this machine"
    )
    console.print(
        f"model {model.version} at [bold]http://{host}:{port}[/] · API at /docs · {guarded} · Ctrl-C stops"
    )
    Server(
        "shortlist.serve.app:app_from_environment",
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        factory=True,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

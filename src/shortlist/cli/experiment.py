"""`shortlist experiment report`: what a server's experiments say; `shortlist export`: its store as a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.terminal import BundleArgument, JsonOption, console, existing_store, write
from shortlist.errors import DataError

if TYPE_CHECKING:
    from shortlist.store.event_store import EventStore

experiment_app = typer.Typer(
    no_args_is_help=True, help="Experiments on live people: arms, exposures, verdicts."
)
StoreOption = Annotated[
    Path | None, typer.Option(help="The server's event store; the one beside the bundle without.")
]


@experiment_app.callback()
def experiment() -> None:
    """Experiments on live people: arms, exposures, verdicts."""


@experiment_app.command()
def report(
    bundle: BundleArgument,
    store: StoreOption = None,
    html: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("experiments.html"),
    json_file: JsonOption = None,
) -> None:
    """Read the event store and say what each experiment shows. Looking every day is safe."""
    from shortlist.bundle.format import read_bundled_project, read_manifest
    from shortlist.experiments.report import experiments_page, report_experiments

    read_manifest(bundle)
    project = read_bundled_project(bundle)
    outcomes = report_experiments(project, _there(store, bundle))
    for o in outcomes:
        console.print(
            f"[bold]{o.name}[/]: {', '.join(f'{n:,} in {arm}' for arm, n in o.arms.items())}", highlight=False
        )
        console.print(
            f"{'[red]' if o.broken else ''}{o.verdict()}{'[/]' if o.broken else ''}",
            highlight=False,
            soft_wrap=True,
        )
        for e in o.effects if not o.broken else ():
            if e.guard_rail and e.verdict != "worse":
                console.print(f"[dim]{e.sentence()}[/]", highlight=False, soft_wrap=True)
    html.write_text(experiments_page(project, outcomes), encoding="utf-8")
    console.print(f"[dim]The page: {html}[/]")
    write(json_file, [o.to_json() for o in outcomes])


def export(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="A .parquet file.")],
    store: StoreOption = None,
    json_file: JsonOption = None,
) -> None:
    """A server's store as a log: impressions with slate, position, propensity and policy, and what followed them."""
    import pyarrow.parquet as pq

    from shortlist.store.export import log_of

    if out.suffix != ".parquet":
        raise DataError(f"{out}: write to a .parquet file", field="out")
    table = log_of(_there(store, bundle))
    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out, compression="zstd")
    console.print(f"{table.num_rows:,} rows → {out}")
    write(json_file, {"rows": table.num_rows, "out": str(out)})


def _there(store: Path | None, bundle: Path) -> EventStore:
    from shortlist.store.event_store import path_beside

    way_out = "`shortlist serve` writes it, --store names it"
    return existing_store(str(store or path_beside(bundle)), "store", way_out)

"""`shortlist experiment`: results of the experiments on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from shortlist.cli.store import StoreFileOption, store_beside
from shortlist.cli.terminal import BundleArgument, JsonOption, console, print_text, write_json

if TYPE_CHECKING:
    from shortlist.experiments.analyse import ExperimentResult

experiment_app = typer.Typer(no_args_is_help=True, help="Analyse experiments on live traffic.")


@experiment_app.callback()
def experiment() -> None:
    """Analyse experiments on live traffic."""


@experiment_app.command()
def report(
    bundle: BundleArgument,
    store: StoreFileOption = None,
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("experiments.html"),
    placement: Annotated[
        str | None,
        typer.Option(
            help="Only what was shown in this placement (default: all, then each placement by itself)."
        ),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Report the result of each experiment from the event store.

    The intervals are confidence sequences: they stay valid however often the report is made.
    """
    from shortlist.bundle.format import read_bundled_project, read_manifest
    from shortlist.experiments.report import experiments_page, report_experiments

    read_manifest(bundle)
    project = read_bundled_project(bundle)
    outcomes = report_experiments(project, store_beside(store, bundle), placement)
    for outcome in outcomes:
        _show(outcome)
    html.write_text(experiments_page(project, outcomes), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, [outcome.to_json() for outcome in outcomes])


def _show(outcome: ExperimentResult) -> None:
    arms = ", ".join(f"{n:,} in {arm}" for arm, n in outcome.arms.items())
    console.print(Text.assemble((outcome.title, "bold"), f": {arms}"))
    print_text(outcome.verdict(), "red" if outcome.broken else "")
    for effect in () if outcome.broken else outcome.effects:
        if effect.guard_rail and effect.verdict != "worse":
            print_text(effect.sentence(), "dim")

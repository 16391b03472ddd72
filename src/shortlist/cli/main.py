"""The command line: registers all commands. Heavy libraries are imported by the commands that use them."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from shortlist.cli.audience import audience
from shortlist.cli.audit import audit
from shortlist.cli.demo import demo
from shortlist.cli.evaluate import evaluate
from shortlist.cli.experiment import experiment_app
from shortlist.cli.ingest import ingest, rejected
from shortlist.cli.init import init
from shortlist.cli.inspect import inspect
from shortlist.cli.keys import keys_app
from shortlist.cli.mcp import mcp
from shortlist.cli.models import models_app
from shortlist.cli.preview import preview
from shortlist.cli.project import check
from shortlist.cli.recommend import batch, recommend
from shortlist.cli.serve import serve
from shortlist.cli.simulate import simulate
from shortlist.cli.store import erase, export
from shortlist.cli.terminal import TextConsole, paragraphs, print_labelled
from shortlist.cli.train import train
from shortlist.cli.tune import tune_app
from shortlist.errors import ShortlistError, TrainingWarning
from shortlist.threads import set_threads

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"shortlist {version('shortlist')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A recommender system: from an event log to a served slate."""


PANELS = {
    "Start": (demo, init, check),
    "Train and evaluate": (train, evaluate, audit, simulate, preview),
    "Recommend": (recommend, batch, audience, serve, mcp),
    "Operate": (inspect, ingest, rejected, export, erase),
}
"""Panel of `shortlist --help` → its commands."""
for panel, commands in PANELS.items():
    for command in commands:
        app.command(help=paragraphs(command), rich_help_panel=panel)(command)
app.add_typer(tune_app, name="tune", rich_help_panel="Train and evaluate")
app.add_typer(keys_app, name="keys", rich_help_panel="Operate")
app.add_typer(models_app, name="models", rich_help_panel="Operate")
app.add_typer(experiment_app, name="experiment", rich_help_panel="Operate")


def main() -> None:
    """Run a command. An error that the user can correct is printed as a sentence, without a traceback; exit code 2."""
    with warnings.catch_warnings():
        _show_warnings_as_sentences()
        try:
            app()
        except ShortlistError as error:
            print_labelled("error", error.message, "red", TextConsole(stderr=True))
            sys.exit(2)
        finally:
            set_threads(None)


def _show_warnings_as_sentences() -> None:
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, TrainingWarning):
            print_labelled("warning", str(message))
        else:
            show_other(message, category, *rest, **options)

    warnings.showwarning = show


if __name__ == "__main__":
    main()

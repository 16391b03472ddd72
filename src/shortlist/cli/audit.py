"""`shortlist audit`: audit of which offline metrics predict the true outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import (
    JsonOption,
    ThreadsOption,
    console,
    print_text,
    progress_bars,
    step,
    write_json,
)
from shortlist.errors import ShortlistError
from shortlist.threads import set_threads


def audit(
    world: Annotated[str, typer.Argument(help="The world: video, movies, shop or apps.")] = "video",
    history: Annotated[
        Path | None,
        typer.Option(
            help="Audit past experiments in place of a world: a table with the columns policy, utility, and one per metric."
        ),
    ] = None,
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("audit.html"),
    users: Annotated[int, typer.Option(help="Number of simulated users.", min=100)] = 1_200,
    items: Annotated[int, typer.Option(help="Number of items.", min=50)] = 800,
    sessions: Annotated[int, typer.Option(help="Number of sessions in the log.", min=1_000)] = 30_000,
    days: Annotated[
        int, typer.Option(help="Days for which each policy serves the users.", min=2, max=365)
    ] = 15,
    explored: Annotated[
        int,
        typer.Option(help="Number of randomised sessions, for the off-policy estimates.", min=500),
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 0,
    json_file: JsonOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Audit which offline metrics predict the true outcome of a policy.

    A dozen policies, good and bad ones, are measured offline and from the log's propensities. Then each of them serves the same
    simulated users for days, which gives the true outcome. With --history, the audit uses your own past experiments.
    """
    set_threads(threads)
    from shortlist.evaluate.audit.past_experiments import audit_history
    from shortlist.evaluate.audit.report import audit_page, text_tables
    from shortlist.evaluate.audit.sentences import sentences
    from shortlist.evaluate.audit.simulation import audit_world
    from shortlist.simulate.registry import make_world

    if history is not None:
        if not history.exists():
            raise ShortlistError(f"{history}: no such file", field="history")
        found = audit_history(history)
    else:
        with step("simulating"):
            made = make_world(world, users, items, sessions, seed)
        console.rule(f"Simulated data: world {world}")
        with progress_bars() as progress:
            found = audit_world(made, days, explored, seed, progress=progress)
    for table in text_tables(found):
        console.print(table)
    for sentence in sentences(found):
        print_text(sentence, "bold")
    html.write_text(audit_page(found), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, {**found.to_json(), "sentences": sentences(found)})

"""`shortlist audit`: which metric should I believe?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import JsonOption, console, progress_bars, write
from shortlist.errors import ShortlistError


def audit(
    world: Annotated[str, typer.Argument(help="Which world: video, movies, shop or apps.")] = "video",
    history: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a world: a table of past experiments (policy, utility, one column a metric)."
        ),
    ] = None,
    html: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("audit.html"),
    users: Annotated[int, typer.Option(help="People in the world.", min=100)] = 1_200,
    items: Annotated[int, typer.Option(help="Items in the world.", min=50)] = 800,
    sessions: Annotated[int, typer.Option(help="Sessions in its log.", min=1_000)] = 30_000,
    days: Annotated[int, typer.Option(help="Days that people live with each policy.", min=2, max=365)] = 15,
    explored: Annotated[
        int, typer.Option(help="Sessions shown with chance, for the off-policy estimates.", min=500)
    ] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json_file: JsonOption = None,
) -> None:
    """Which metric should I believe? Policies good and bad, every metric, and what they truly bring.

    In a world, a dozen policies and more (some made to be bad) are measured offline and from the log's propensities, and then
    serve the same people for days. With --history, the same is asked of your own past experiments.
    """
    from shortlist.evaluate.audit.history import audit_history
    from shortlist.evaluate.audit.report import audit_page, sentences, text_tables
    from shortlist.evaluate.audit.world import audit_world
    from shortlist.simulate.registry import make_world

    if history is not None:
        if not history.exists():
            raise ShortlistError(f"{history}: no such file", field="history")
        found = audit_history(history)
    else:
        with console.status("making the world"):
            made = make_world(world, users, items, sessions, seed)
        console.rule(f"A simulated world ({world}); nobody here is real")
        with progress_bars() as progress:
            found = audit_world(made, days, explored, seed, progress=progress)
    for table in text_tables(found):
        console.print(table)
    for sentence in sentences(found):
        console.print(f"[bold]{sentence}[/]", highlight=False)
    html.write_text(audit_page(found), encoding="utf-8")
    console.print(f"[dim]The page, with plots: {html}[/]")
    write(json_file, {**found.to_json(), "sentences": sentences(found)})

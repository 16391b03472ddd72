"""`shortlist simulate`: a recipe lived with, against what it must beat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import JsonOption, console, progress_bars, write
from shortlist.errors import ShortlistError


def simulate(
    name: Annotated[str, typer.Argument(help="Which world: movies, video, shop or apps.")] = "movies",
    rounds: Annotated[
        int, typer.Option(help="Rounds; before each, everybody is trained anew.", min=1, max=100)
    ] = 10,
    seeds: Annotated[int, typer.Option(help="Worlds; intervals are over them.", min=1, max=100)] = 5,
    first_seed: Annotated[int, typer.Option(help="The first world's seed.", min=0)] = 0,
    days: Annotated[int, typer.Option(help="Days of one round.", min=1, max=30)] = 2,
    users: Annotated[int, typer.Option(help="People in the world.", min=50)] = 600,
    items: Annotated[int, typer.Option(help="Items in the world.", min=50)] = 500,
    sessions: Annotated[int, typer.Option(help="Sessions in the log they begin with.", min=500)] = 8_000,
    log_days: Annotated[int, typer.Option(help="Days of that log.", min=10)] = 30,
    only: Annotated[str | None, typer.Option(help="Some policies only, with commas between.")] = None,
    html: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("loop.html"),
    json_file: JsonOption = None,
) -> None:
    """The loop for real: serve → people respond → events → train again → serve; what a recipe truly brings, round by round.

    Against popular, matrix factorisation alone, random, and what follows clicks only; with and without a first audience for new items.
    """
    from shortlist.simulate.closed_loop.report import loop_page, sentences, text_tables
    from shortlist.simulate.closed_loop.run import simulate as run
    from shortlist.simulate.registry import WORLDS, make_world
    from shortlist.simulate.world import World

    if name not in WORLDS:
        raise ShortlistError(f"there is no world {name!r}; there are: {', '.join(WORLDS)}", field="name")

    def make(seed: int) -> World:
        return make_world(name, users, items, sessions, first_seed + seed, log_days, rounds * days)

    chosen = None if only is None else [part.strip() for part in only.split(",") if part.strip()]
    console.rule(f"A simulated world ({name}); nobody here is real")
    with progress_bars() as progress:
        loop = run(make, rounds, seeds, days, chosen, progress)
    for table in text_tables(loop):
        console.print(table)
    for sentence in sentences(loop):
        console.print(f"[bold]{sentence}[/]", highlight=False)
    html.write_text(loop_page(loop), encoding="utf-8")
    console.print(f"[dim]The page, with plots: {html}[/]")
    write(json_file, {**loop.to_json(), "sentences": sentences(loop)})

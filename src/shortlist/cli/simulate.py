"""`shortlist simulate`: closed-loop simulation of a recipe against baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import JsonOption, ThreadsOption, console, print_text, progress_bars, write_json
from shortlist.errors import ShortlistError, suggestion
from shortlist.threads import set_threads


def simulate(
    name: Annotated[str, typer.Argument(help="The world: movies, video, shop or apps.")] = "movies",
    rounds: Annotated[
        int, typer.Option(help="Number of rounds; every policy is retrained before each.", min=1, max=100)
    ] = 10,
    seeds: Annotated[
        int, typer.Option(help="Number of worlds; confidence intervals are over them.", min=1, max=100)
    ] = 5,
    first_seed: Annotated[int, typer.Option(help="Random seed of the first world.", min=0)] = 0,
    days: Annotated[int, typer.Option(help="Days per round.", min=1, max=30)] = 2,
    users: Annotated[int, typer.Option(help="Number of simulated users.", min=50)] = 600,
    items: Annotated[int, typer.Option(help="Number of items.", min=50)] = 500,
    sessions: Annotated[int, typer.Option(help="Number of sessions in the first log.", min=500)] = 8_000,
    log_days: Annotated[int, typer.Option(help="Days that the first log covers.", min=10)] = 30,
    only: Annotated[
        str | None, typer.Option(help="The policies to simulate, separated by commas (default: all).")
    ] = None,
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("loop.html"),
    json_file: JsonOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Simulate the closed loop of a recipe against baselines.

    In every round the policies serve, the users respond, and the policies are retrained on the events. The baselines are popularity,
    matrix factorisation alone, random, and a policy that maximises clicks; the recipe runs with and without exposure for new items.
    """
    set_threads(threads)
    from shortlist.simulate.closed_loop.loop import simulate as run
    from shortlist.simulate.closed_loop.report import loop_page, sentences, text_tables
    from shortlist.simulate.registry import WORLDS, make_world
    from shortlist.simulate.world import World

    if name not in WORLDS:
        raise ShortlistError(
            f"there is no world {name!r}{suggestion(name, WORLDS)}; there are: {', '.join(WORLDS)}",
            field="name",
        )

    def make(seed: int) -> World:
        return make_world(name, users, items, sessions, first_seed + seed, log_days, rounds * days)

    chosen = None if only is None else [part.strip() for part in only.split(",") if part.strip()]
    console.rule(f"Simulated data: world {name}")
    with progress_bars() as progress:
        loop = run(make, rounds, seeds, days, chosen, progress)
    for table in text_tables(loop):
        console.print(table)
    for sentence in sentences(loop):
        print_text(sentence, "bold")
    html.write_text(loop_page(loop), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, {**loop.to_json(), "sentences": sentences(loop)})

"""`shortlist demo`: a simulated world, trained, evaluated and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.expected import tell_evaluation, tell_training
from shortlist.cli.serve import ServerOptions, run_server
from shortlist.cli.terminal import (
    JsonOption,
    ThreadsOption,
    console,
    print_text,
    progress_bars,
    read_dataset,
    show_report,
    show_slate,
    step,
)
from shortlist.threads import set_threads

ENOUGH = 8
"""The slate that is printed is for the first user with a history at least this long."""


def demo(
    name: Annotated[str, typer.Argument(help="The world: movies, video, shop or apps.")] = "movies",
    folder: Annotated[Path, typer.Option(help="Folder for the demo's files.")] = Path("demo"),
    serve: Annotated[bool, typer.Option(help="Serve the page at the end.")] = True,
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8000,
    users: Annotated[
        int | None, typer.Option(help="Number of simulated users (default: set by the world).")
    ] = None,
    items: Annotated[int | None, typer.Option(help="Number of items (default: set by the world).")] = None,
    sessions: Annotated[
        int | None,
        typer.Option(help="Number of sessions in the log, about 11 events each (default: set by the world)."),
    ] = None,
    json_file: JsonOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Simulate data, then train, evaluate and serve a recommender on it."""
    set_threads(threads)
    from shortlist.cascade.train import STEPS
    from shortlist.config.project import read_project
    from shortlist.evaluate.protocol import evaluate
    from shortlist.recommender import Recommender
    from shortlist.simulate.registry import make_world

    with step("simulating"):
        world = make_world(name, users, items, sessions)
    console.rule(f"Simulated data: world {name}")
    files = folder / name
    with step("writing tables"):
        path = world.write(files)
    print_text(
        f"{world.events.num_rows:,} events, {world.items.num_rows:,} items, {world.users.num_rows:,} users → {files}",
        "dim",
    )
    project = read_project(path)
    dataset = read_dataset(project)
    console.rule("Evaluation: train on the past, test on the future")
    tell_evaluation(project, len(dataset.log))
    with progress_bars() as progress:
        report = evaluate(project, dataset, progress, world.truths)
    show_report(report, files / "report.html", json_file)
    console.rule("Training on all data, for serving")
    tell_training(project, len(dataset.log))
    with progress_bars(STEPS) as progress:
        recommender = Recommender.from_project(project).fit(dataset, progress=progress)
        bundle = recommender.save(files / "bundle")
    sizes = dataset.histories.indptr[1:] - dataset.histories.indptr[:-1]
    long = sizes >= ENOUGH
    user = dataset.users.ids.id(int(long.argmax() if long.any() else sizes.argmax()))
    show_slate(recommender.recommend(user=user, n=8), project)
    if serve:
        run_server(bundle, ServerOptions(port=port))
    else:
        print_text(f"Next: shortlist serve {bundle}")

"""`shortlist demo`: a world, trained, evaluated and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import (
    JsonOption,
    console,
    progress_bars,
    read_dataset,
    run_server,
    show_report,
    show_slate,
)


def demo(
    name: Annotated[str, typer.Argument(help="Which world.")] = "movies",
    folder: Annotated[Path, typer.Option(help="Where its files go.")] = Path("demo"),
    serve: Annotated[bool, typer.Option(help="Serve the page when ready.")] = True,
    port: Annotated[int, typer.Option()] = 8000,
    users: Annotated[int | None, typer.Option(help="People in the world.")] = None,
    items: Annotated[int | None, typer.Option(help="Items in the world.")] = None,
    sessions: Annotated[int | None, typer.Option(help="Sessions in the log, about 11 events each.")] = None,
    json_file: JsonOption = None,
) -> None:
    """A simulated world, trained, evaluated and served; nothing else is needed."""
    from shortlist.config.project import read_project
    from shortlist.evaluate.protocol import evaluate as run
    from shortlist.recommender import Recommender
    from shortlist.simulate.registry import make_world

    with console.status("making the world"):
        world = make_world(name, users, items, sessions)
    console.rule(f"A simulated world ({name}); nobody here is real")
    with console.status("writing its tables"):
        path = world.write(folder / name)
    console.print(
        f"[dim]{world.events.num_rows:,} events, {world.items.num_rows:,} items, {world.users.num_rows:,} people → {folder / name}[/]"
    )
    project = read_project(path)
    dataset = read_dataset(project)
    console.rule("How good is it? Trained on the past, tested on the future")
    with progress_bars() as progress:
        report = run(project, dataset, progress, world.truths)
    show_report(report, folder / name / "report.html", json_file)
    console.rule("Now trained on everything, for serving")
    with progress_bars() as progress:
        recommender = Recommender.from_project(project).fit(dataset, progress)
        bundle = recommender.save(folder / name / "bundle")
    sizes = dataset.histories.indptr[1:] - dataset.histories.indptr[:-1]
    someone = dataset.users.ids.id(
        int((sizes >= 8).nonzero()[0][0]) if (sizes >= 8).any() else int(sizes.argmax())
    )
    show_slate(recommender.recommend(user=someone, n=8), project)
    if serve:
        run_server(bundle, None, "127.0.0.1", port)
    else:
        console.print(f"Serve it with: [bold]shortlist serve {bundle}[/]")

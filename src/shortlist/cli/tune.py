"""`shortlist tune`: hyper-parameters; `shortlist tune weights`: what a weight buys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    console,
    load_functions,
    progress_bars,
    read_dataset,
    write,
)
from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.pareto import Front

tune_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    help="Find better hyper-parameters on the validation slice; `tune weights` draws what a weight buys.",
)
WorldOption = Annotated[
    str | None, typer.Option(help="A simulated world instead of a project, whose truth is then shown, too.")
]


@tune_app.callback()
def tune(
    context: typer.Context,
    project: ProjectOption = Path("shortlist.toml"),
    trials: Annotated[
        int, typer.Option(min=1, help="How many settings to try, beside those of before.")
    ] = 40,
    study: Annotated[
        Path, typer.Option(help="The SQLite file that keeps the trials; run again to go on.")
    ] = Path("study.sqlite"),
    out: Annotated[Path, typer.Option(help="Where the tuned project file goes.")] = Path("tuned.toml"),
    html: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("tuning.html"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Try settings of retrievers, ranker and re-rankers together, and say which mattered."""
    if context.invoked_subcommand is not None:
        return
    import json

    from shortlist.config.project import read_project
    from shortlist.config.toml import write_toml
    from shortlist.tuning.search import tune as run
    from shortlist.tuning.search import tuned_page

    load_functions(functions)
    settings = read_project(project)
    dataset = read_dataset(settings)
    study.parent.mkdir(parents=True, exist_ok=True)
    with progress_bars() as progress:
        tuned = run(settings, dataset, trials, study, progress)
    table = Table(title="what mattered", box=box.SIMPLE_HEAD, show_edge=False, title_justify="left")
    for title in ("setting", "share", "best"):
        table.add_column(title, justify="left" if title == "setting" else "right")
    for name, share in list(tuned.importance.items())[:10]:
        best = {n: v for n, v in tuned.best.items() if n == name or n.startswith(name.partition("+")[0])}
        table.add_row(name, f"{share:.0%}", ", ".join(_number(v) for v in best.values()))
    console.print(table)
    console.print(f"[bold]{tuned.sentence()}[/]", highlight=False)
    best_project = json.loads(tuned.project.model_dump_json(exclude_defaults=True))
    out.write_text(
        write_toml(best_project, f"{settings.name}, tuned by `shortlist tune` on the validation slice."),
        encoding="utf-8",
    )
    html.write_text(tuned_page(tuned, settings.name, settings.simulated), encoding="utf-8")
    console.print(
        f"[dim]The tuned project: {out}; the page: {html}. Next: [/][bold]shortlist evaluate -p {out}[/]"
    )
    write(json_file, tuned.to_json())


@tune_app.command()
def weights(
    project: ProjectOption = Path("shortlist.toml"),
    world: WorldOption = None,
    objectives: Annotated[
        str | None, typer.Option(help="Two of them, with a comma; those with the greatest weights without.")
    ] = None,
    points: Annotated[int, typer.Option(min=3, max=101, help="How many weightings.")] = 11,
    html: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("front.html"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Draw the front between two objectives: what each weighting brings of both, with intervals."""
    from shortlist.evaluate.pareto import front_page, pareto

    load_functions(functions)
    settings, dataset, truths = _source(project, world)
    named = None
    if objectives is not None:
        names = [part.strip() for part in objectives.split(",")]
        if len(names) != 2:
            raise ShortlistError(
                f"--objectives names two, with a comma; got {objectives!r}", field="objectives"
            )
        named = (names[0], names[1])
    with progress_bars() as progress:
        front = pareto(settings, dataset, named, points, progress, truths)
    console.print(_front_table(front))
    console.print(f"[bold]{front.sentence()}[/]", highlight=False)
    html.write_text(front_page(front), encoding="utf-8")
    console.print(f"[dim]The plot: {html}[/]")
    write(json_file, front.to_json())


def _source(project: Path, world: str | None) -> tuple[Project, Dataset, Any]:
    if world is None:
        from shortlist.config.project import read_project

        settings = read_project(project)
        return settings, read_dataset(settings), None
    from shortlist.simulate.registry import make_world

    made = make_world(world)
    dataset = made.dataset()
    return dataset.project, dataset, made.truths


def _front_table(front: Front) -> Table:
    table = Table(
        title=f"{front.name}: what a weight buys", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    a, b = front.objectives
    table.add_column("weights", no_wrap=True)
    for view in front.views():
        for name in (a, b):
            table.add_column(f"{view}\n{name}", justify="right", no_wrap=True)
    marks = {view: front.best(view) for view in front.views()}
    for at, point in enumerate(front.points):
        cells = []
        for view in front.views():
            for name in (a, b):
                text = f"{point.values[view][name].value:.3g}"
                cells.append(text if marks[view][at] else f"[dim]{text}[/]")
        table.add_row(f"{point.weights[a]:.1f} : {point.weights[b]:.1f}", *cells)
    table.caption = f"weights: {a} : {b}; dim: another weighting is better in both; intervals are in the page"
    return table


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

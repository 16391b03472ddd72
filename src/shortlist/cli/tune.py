"""`shortlist tune`: hyperparameters; `shortlist tune weights`: the trade-off between two objectives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from shortlist.cli.expected import tell_evaluation, tell_tuning
from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    ThreadsOption,
    console,
    load_functions,
    make_table,
    print_text,
    progress_bars,
    read_dataset,
    write_json,
)
from shortlist.errors import ShortlistError
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from rich.table import Table

    from shortlist.config.project import Project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.pareto import ParetoFront
    from shortlist.tuning.search import TuningResult

tune_app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    help="Tune hyperparameters, or the weights of two objectives.",
)
WorldOption = Annotated[
    str | None,
    typer.Option(help="A simulated world in place of a project; the true outcomes are then shown, too."),
]


@tune_app.callback()
def tune(
    context: typer.Context,
    project: ProjectOption = Path("shortlist.toml"),
    trials: Annotated[
        int, typer.Option(min=1, help="Number of trials, in addition to those that the study has.")
    ] = 40,
    study: Annotated[
        Path, typer.Option(help="SQLite file with the trials. Run again with the same file to continue.")
    ] = Path("study.sqlite"),
    out: Annotated[Path, typer.Option(help="The tuned project file to write.")] = Path("tuned.toml"),
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("tuning.html"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Tune the hyperparameters of retrievers, ranker and re-rankers together, on the validation slice.

    `shortlist tune weights` reports the trade-off between two objectives.
    """
    set_threads(threads)
    if context.invoked_subcommand is not None:
        return
    import json

    from shortlist.config.project import read_project
    from shortlist.config.toml import write_toml
    from shortlist.tuning.page import tuning_page
    from shortlist.tuning.search import tune as run

    load_functions(functions)
    settings = read_project(project)
    dataset = read_dataset(settings)
    study.parent.mkdir(parents=True, exist_ok=True)
    tell_tuning(settings, len(dataset.log), trials)
    with progress_bars() as progress:
        tuned = run(settings, dataset, trials, study, progress)
    _show_importance(tuned)
    print_text(tuned.sentence(), "bold")
    best_project = json.loads(tuned.project.model_dump_json(exclude_defaults=True))
    title = f"{settings.name}, tuned by `shortlist tune` on the validation slice."
    out.write_text(write_toml(best_project, title), encoding="utf-8")
    html.write_text(tuning_page(tuned, settings.name, settings.simulated), encoding="utf-8")
    print_text(f"Tuned project: {out}; report: {html}. Next: shortlist evaluate -p {out}", "dim")
    write_json(json_file, tuned.to_json())


def _show_importance(tuned: TuningResult) -> None:
    rows = []
    for name, share in list(tuned.importance.items())[:10]:
        best = [v for n, v in tuned.best.items() if n == name or n.startswith(name.partition("+")[0])]
        rows.append((name, f"{share:.0%}", ", ".join(_format(value) for value in best)))
    columns = ("setting", "importance", "best")
    console.print(make_table("Importance of the settings", columns, rows, right=columns[1:]))


@tune_app.command()
def weights(
    project: ProjectOption = Path("shortlist.toml"),
    world: WorldOption = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Two objectives, separated by a comma (default: the two with the largest weights)."
        ),
    ] = None,
    points: Annotated[int, typer.Option(min=3, max=101, help="Number of weightings.")] = 11,
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("front.html"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Compute the Pareto front of two objectives: the value of both under each weighting, with intervals."""
    set_threads(threads)
    from shortlist.evaluate.pareto import pareto
    from shortlist.evaluate.pareto_page import pareto_page

    load_functions(functions)
    settings, dataset, truths = _read_source(project, world)
    named = None
    if objectives is not None:
        names = [part.strip() for part in objectives.split(",")]
        if len(names) != 2:
            raise ShortlistError(
                f"--objectives {objectives}: name two objectives, separated by a comma", field="objectives"
            )
        named = (names[0], names[1])
    tell_evaluation(settings, len(dataset.log))
    with progress_bars() as progress:
        front = pareto(settings, dataset, named, points, progress, truths)
    console.print(_front_table(front))
    print_text(front.sentence(), "bold")
    html.write_text(pareto_page(front), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, front.to_json())


def _read_source(project: Path, world: str | None) -> tuple[Project, Dataset, Any]:
    if world is None:
        from shortlist.config.project import read_project

        settings = read_project(project)
        return settings, read_dataset(settings), None
    from shortlist.simulate.registry import make_world

    made = make_world(world)
    return made.project(), made.dataset(), made.truths


def _front_table(front: ParetoFront) -> Table:
    columns = ["weights", *(f"{view}\n{name}" for view in front.views() for name in front.objectives)]
    best = {view: front.best(view) for view in front.views()}
    a, b = front.objectives
    rows = []
    for number, point in enumerate(front.points):
        cells = [Text(f"{point.weights[a]:.1f} : {point.weights[b]:.1f}")]
        for view in front.views():
            style = "" if best[view][number] else "dim"
            cells += [Text(f"{point.values[view][name].value:.3g}", style) for name in front.objectives]
        rows.append(cells)
    table = make_table(f"{front.name}: objectives by weighting", columns, rows, right=columns[1:])
    table.caption = Text(
        f"weights: {a} : {b}; dim: another weighting is better in both objectives; intervals are in the report"
    )
    return table


def _format(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

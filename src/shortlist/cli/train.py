"""`shortlist train`: from the project's tables, or again, with what a server's store has gathered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    console,
    existing_store,
    load_functions,
    progress_bars,
    read_dataset,
    show_problems,
    write,
)
from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.recommender import Recommender

TURNED_DOWN = 3
"""The exit code where the gate turned the new model down: a timer's log shows it as a failure."""


def train(
    project: ProjectOption = Path("shortlist.toml"),
    out: Annotated[
        str,
        typer.Option(
            help="Where the bundle goes; a folder of bundles (models/) keeps each under its own name."
        ),
    ] = "bundle",
    warm: Annotated[
        Path | None, typer.Option(help="An earlier bundle whose factors training begins from.")
    ] = None,
    from_store: Annotated[
        str | None,
        typer.Option(
            help="A server's event store (a SQLite file or postgresql://…): learn also from what it holds, beginning from the "
            "model that serves; a new one that is clearly worse than it is turned down."
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="With --from-store: what it is added to, the project's `tables` or the `bundle`'s own log."
        ),
    ] = "tables",
    gate: Annotated[
        bool,
        typer.Option(
            help="With --from-store: compare with the model that serves, and turn down what is worse."
        ),
    ] = True,
    keep: Annotated[
        int, typer.Option(min=1, help="With --from-store: how many bundles stay in the folder.")
    ] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Train on the whole log and write a bundle.

    With --from-store: train again, on the log and all that a server has stored since; for a timer or cron.
    """
    load_functions(functions)
    if base not in {"tables", "bundle"}:
        raise ShortlistError(f"--base is tables or bundle, and not {base!r}", field="base")
    started = time.perf_counter()
    if from_store is not None:
        facts = _again(project, out, from_store, base, gate, keep)
    else:
        facts = _once(project, out, warm)
    seconds = time.perf_counter() - started
    console.print(
        f"model [bold]{facts['model_version']}[/] in {seconds:.1f} s → {facts['bundle']}. Next: [bold]shortlist serve {out}[/]",
        soft_wrap=True,
    )
    write(json_file, {**facts, "seconds": seconds})
    if facts.get("turned_down"):
        raise typer.Exit(TURNED_DOWN)


def _once(project: Path, out: str, warm: Path | None) -> dict[str, Any]:
    from shortlist.bundle.registry import new_path
    from shortlist.config.project import read_project
    from shortlist.recommender import Recommender

    settings = read_project(project)
    dataset = read_dataset(settings)
    with progress_bars() as progress:
        earlier = Recommender.load(warm) if warm is not None else None
        recommender = Recommender.from_project(settings).fit(dataset, progress, earlier)
    place = new_path(out, recommender.version)
    recommender.save(place)
    return {
        "model_version": recommender.version,
        "bundle": str(place),
        "check": dataset.check.to_json(),
    }


def _again(project: Path, out: str, target: str, base: str, gate: bool, keep: int) -> dict[str, Any]:
    from shortlist.bundle.registry import Models, new_path
    from shortlist.data.dataset import Dataset
    from shortlist.tuning.gate import Gate, grown, pass_gate, train_again

    present = _present(out)
    store = existing_store(target, "from_store", "`shortlist serve --store` writes it")
    settings = _settings(project, base, present)
    if base == "bundle":
        assert present is not None
        log = present.dataset
    else:
        log = Dataset.from_project(settings)
    more = grown(log, store, present)
    store.close()
    show_problems(more.dataset.check)
    console.print(
        f"[dim]{len(more.dataset.log):,} events, {more.new:,} of them from the store"
        f"{f'; {more.erased:,} people erased' if more.erased else ''}[/]"
    )
    if settings.rank.examples == "candidates" and (more.dataset.log.position >= 0).any():
        console.print(
            "[yellow]this log says what was shown, and the ranker learns from candidates: trained again and again on its own log it comes to "
            'copy itself; \\[rank] examples = "impressions" does not (docs/objectives.md)[/]',
            highlight=False,
            soft_wrap=True,
        )
    with progress_bars() as progress:
        # first of all the training that ships: the gate brings the present model's live state to another moment
        recommender = train_again(settings, more, present, progress)
        judged = pass_gate(settings, more.dataset, present, progress) if gate else Gate(None, "No gate.")
    console.print(
        f"{'' if judged.passed else '[red]turned down:[/] '}{judged.said}", highlight=False, soft_wrap=True
    )
    place = new_path(f"{out.rstrip('/')}/", recommender.version)
    place.parent.mkdir(parents=True, exist_ok=True)
    models = Models(place.parent)
    if not judged.passed:  # before it can be seen: servers look at the folder every second
        models.reject(recommender.version, judged.said)
    recommender.save(place)
    gone = models.prune(keep)
    if gone:
        console.print(f"[dim]{len(gone)} old bundles were removed; --keep says how many stay[/]")
    compared = judged.comparison
    return {
        "model_version": recommender.version,
        "bundle": str(place),
        "events": len(more.dataset.log),
        "from_store": more.new,
        "erased": more.erased,
        "turned_down": not judged.passed,
        "gate": {"said": judged.said, **({} if compared is None else compared.to_json())},
        "check": more.dataset.check.to_json(),
        "removed": [str(m.path) for m in gone],
    }


def _present(out: str) -> Recommender | None:
    """The model that serves from a folder of bundles; None where there is none yet."""
    from shortlist.bundle.registry import Models, bundles_in
    from shortlist.recommender import Recommender

    folder = Path(out)
    if (folder / "manifest.json").exists():
        raise ShortlistError(
            f"{out} is one bundle; with --from-store a folder of bundles is needed, where several stand beside each other: "
            "move it into one (mkdir models; mv bundle models/) and give --out models/",
            field="out",
        )
    if not folder.is_dir() or not bundles_in(folder):
        return None
    return Recommender.load(Models(folder).current().path)


def _settings(project: Path, base: str, present: Recommender | None) -> Project:
    from shortlist.config.project import read_project

    path = project / "shortlist.toml" if project.is_dir() else project
    if base == "tables" or path.exists():
        return read_project(project)
    if present is None:
        raise ShortlistError(
            "--base bundle begins from the log inside the model that serves, and there is none in --out yet; train the first "
            "one from the tables",
            field="base",
        )
    return present.project

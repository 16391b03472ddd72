"""`shortlist train`: from the project's tables, or again with the events that a server has stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortlist.cli.engine import EngineOption, MasterOption, RunEngine, check_engine
from shortlist.cli.expected import tell_evaluation, tell_training
from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    ThreadsOption,
    check_settings,
    existing_store,
    load_functions,
    parse_bundle,
    print_labelled,
    print_text,
    progress_bars,
    read_dataset,
    show_problems,
    step,
    write_json,
)
from shortlist.errors import ShortlistError
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.recommender import Recommender
    from shortlist.tuning.gate import GateResult

WarmOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_bundle,
        metavar="BUNDLE",
        help="An earlier bundle; training starts from its item factors.",
    ),
]
Once = Callable[[Path, str, Path | None], dict[str, Any]]
"""Trains a project, writes the bundle, and returns what is told of it."""
REJECTED = 3
"""Exit code if the gate rejected the new model, so that a timer's log shows a failure."""


@dataclass(frozen=True)
class Retraining:
    """Options of training with a server's event store.

    Attributes
    ----------
    store
        The event store.
    base
        What the store's events are added to: `tables` or `bundle`.
    gate
        Whether the new model is compared with the serving one.
    keep
        Number of bundles that stay in the folder.
    """

    store: str
    base: str
    gate: bool
    keep: int


def train(
    project: ProjectOption = Path("shortlist.toml"),
    out: Annotated[
        str,
        typer.Option(
            help="The bundle to write; with a trailing slash (models/), a folder of bundles, each under its version. Also s3://…."
        ),
    ] = "bundle",
    warm: WarmOption = None,
    from_store: Annotated[
        str | None,
        typer.Option(
            help="A server's event store (a SQLite file or postgresql://…). Its events are added to the log, training starts from the "
            "serving model, and a new model that is significantly worse is rejected."
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="With --from-store: the log to which the events are added: the project's `tables`, or the log in the `bundle`."
        ),
    ] = "tables",
    gate: Annotated[
        bool,
        typer.Option(
            help="With --from-store: compare with the serving model and reject the new one if it is worse."
        ),
    ] = True,
    engine: EngineOption = RunEngine.here,
    master: MasterOption = None,
    keep: Annotated[
        int, typer.Option(min=1, help="With --from-store: number of bundles that stay in the folder.")
    ] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Train on the whole log and write a bundle.

    With --from-store, train again on the log and on what a server has stored since; run it from a timer or cron. Exit code 3: the new
    model was rejected.
    """
    set_threads(threads)
    load_functions(functions)
    _check_base_and_place(base, out)
    check_engine(engine, master, {"from_store": from_store is not None, "warm": warm is not None})
    started = time.perf_counter()
    if from_store is not None:
        again = _train_again_in_store if "://" in out else _train_again
        facts = again(project, out, Retraining(from_store, base, gate, keep))
    else:
        once = partial(_train_on_spark, master) if engine is RunEngine.spark else _train_once
        facts = _train_into_store(project, out, warm, once) if "://" in out else once(project, out, warm)
    seconds = time.perf_counter() - started
    told = f"Model {facts['model_version']} in {seconds:.1f} s → {facts['bundle']}."
    print_text(f"{told} Next: shortlist serve {out}")
    write_json(json_file, {**facts, "seconds": seconds})
    if facts.get("turned_down"):
        raise typer.Exit(REJECTED)


def _train_once(project: Path, out: str, warm: Path | None) -> dict[str, Any]:
    from shortlist.bundle.registry import new_path
    from shortlist.cascade.train import STEPS
    from shortlist.config.project import read_project
    from shortlist.recommender import Recommender

    settings = read_project(project)
    dataset = read_dataset(settings)
    tell_training(settings, len(dataset.log))
    with progress_bars(STEPS) as progress:
        earlier = Recommender.load(warm) if warm is not None else None
        recommender = Recommender.from_project(settings).fit(dataset, progress=progress, earlier=earlier)
    bundle = new_path(out, recommender.version)
    with step("writing the bundle"):
        recommender.save(bundle)
    return {
        "model_version": recommender.version,
        "bundle": str(bundle),
        "check": dataset.check.to_json(),
    }


def _check_base_and_place(base: str, out: str) -> None:
    """Raise `ShortlistError` for a wrong --base, and for an --out where nothing can be written."""
    from shortlist.bundle.registry import check_place

    if base not in {"tables", "bundle"}:
        raise ShortlistError(f"--base {base}: must be tables or bundle", field="base")
    if "://" not in out:
        check_place(out)


def _train_on_spark(master: str | None, project: Path, out: str, warm: Path | None) -> dict[str, Any]:  # noqa: ARG001 - as `_train_once`
    """Train on the executors of a Spark cluster. The bundle is written by this process, whole or not at all."""
    from shortlist.bundle.registry import new_path
    from shortlist.config.project import read_project
    from shortlist.distributed.train import train_on_spark
    from shortlist.engines.spark_session import spark_session

    settings = read_project(project)
    check_settings(settings)
    with progress_bars() as progress:
        trained = train_on_spark(spark_session(master), settings, progress)
    print_text(trained.check.summary(), "dim")
    show_problems(trained.check)
    told = (
        "the driver had all of them, and without --engine spark one process does the same in less time"
        if trained.whole
        else f"{trained.on_driver:,} of them, of whole users, were on the driver"
    )
    print_text(f"{trained.events:,} events; {told} (spark.events = {settings.spark.events:,})", "dim")
    recommender = trained.recommender
    bundle = new_path(out, recommender.version)
    with step("writing the bundle"):
        recommender.save(bundle)
    return {
        "model_version": recommender.version,
        "bundle": str(bundle),
        "events": trained.events,
        "on_driver": trained.on_driver,
        "check": trained.check.to_json(),
    }


def _train_into_store(project: Path, out: str, warm: Path | None, once: Once) -> dict[str, Any]:
    """Train, and publish the bundle in an object store."""
    from tempfile import TemporaryDirectory

    from shortlist.bundle.remote import BundleMirror, publish_bundle

    BundleMirror(out).check_place()  # before hours of training
    with TemporaryDirectory(prefix="shortlist-") as folder:
        facts = once(project, f"{folder}/bundle", warm)
        with step("publishing the bundle"):
            return {**facts, "bundle": publish_bundle(Path(facts["bundle"]), out)}


def _train_again_in_store(project: Path, out: str, options: Retraining) -> dict[str, Any]:
    """Train again beside the bundles of an object store, on a local copy of the one that serves, and publish the new bundle."""
    from shortlist.bundle.remote import BundleMirror

    mirror = BundleMirror(out)
    if mirror.check_place():
        mirror.refresh()
    facts = _train_again(project, f"{mirror.folder}/", options)
    bundle = Path(facts["bundle"])
    with step("publishing the bundle"):
        if facts["turned_down"]:  # before the bundle is there, since servers look at the address
            mirror.publish_decisions()
        address = mirror.publish(bundle, bundle.name)
        removed = mirror.prune(options.keep)
    return {**facts, "bundle": address, "removed": removed}


def _train_again(project: Path, out: str, options: Retraining) -> dict[str, Any]:
    from shortlist.data.dataset import Dataset
    from shortlist.tuning.gate import GateResult, extend_log, retrain, run_gate

    present = _serving_model(out)
    store = existing_store(options.store, "from_store", "`shortlist serve --store` writes it")
    settings = _read_settings(project, options.base, present)
    if options.base == "bundle":
        assert present is not None
        log = present.dataset
    else:
        check_settings(settings)
        with step("reading tables"):
            log = Dataset.from_project(settings)
    with step("reading the store"):
        more = extend_log(log, store, settings.data, present)
    store.close()
    show_problems(more.dataset.check)
    erased = f"; {more.erased:,} users erased" if more.erased else ""
    print_text(f"{len(more.dataset.log):,} events, {more.new:,} of them from the store{erased}", "dim")
    if settings.rank.examples == "candidates" and (more.dataset.log.position >= 0).any():
        print_labelled(
            "warning",
            "the log has impressions, but the ranker learns from candidates; retrained on its own log, it imitates itself and gets "
            'worse. Set [rank] examples = "impressions" (docs/how-to/objectives.md).',
        )
    (tell_evaluation if options.gate else tell_training)(settings, len(more.dataset.log))
    with progress_bars() as progress:
        # train first: the gate moves the serving model's live state to another time
        recommender = retrain(settings, more, present, progress)
        judged = (
            run_gate(settings, more.dataset, present, progress)
            if options.gate
            else GateResult(None, "No gate.")
        )
    bundle, removed = _save(recommender, out, judged, options.keep)
    return {
        "model_version": recommender.version,
        "bundle": str(bundle),
        "events": len(more.dataset.log),
        "from_store": more.new,
        "erased": more.erased,
        "turned_down": not judged.passed,
        "gate": judged.to_json(),
        "check": more.dataset.check.to_json(),
        "removed": [str(path) for path in removed],
    }


def _save(recommender: Recommender, out: str, judged: GateResult, keep: int) -> tuple[Path, list[Path]]:
    """Write the bundle into the folder. Returns it, and the old bundles that were removed."""
    from shortlist.bundle.registry import BundleRegistry, new_path

    if judged.passed:
        print_text(judged.sentence)
    else:
        print_labelled("rejected", judged.sentence, "red")
    bundle = new_path(f"{out.rstrip('/')}/", recommender.version)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    models = BundleRegistry(bundle.parent)
    if not judged.passed:  # before the bundle exists, since servers look at the folder every second
        models.reject(recommender.version, judged.sentence)
    recommender.save(bundle)
    removed = [model.path for model in models.prune(keep)]
    if removed:
        print_text(f"{len(removed)} old bundles removed; --keep sets how many stay", "dim")
    return bundle, removed


def _serving_model(out: str) -> Recommender | None:
    """Load the model that serves from a folder of bundles; None if the folder has none yet."""
    from shortlist.bundle.registry import BundleRegistry, bundles_in
    from shortlist.recommender import Recommender

    folder = Path(out)
    if (folder / "manifest.json").exists():
        raise ShortlistError(
            f"{out} is a bundle, and --from-store needs a folder of bundles; move the bundle into one "
            "(mkdir models; mv bundle models/) and give --out models/",
            field="out",
        )
    if not folder.is_dir() or not bundles_in(folder):
        return None
    return Recommender.load(BundleRegistry(folder).current().path)


def _read_settings(project: Path, base: str, present: Recommender | None) -> Project:
    from shortlist.config.project import read_project

    path = project / "shortlist.toml" if project.is_dir() else project
    if base == "tables" or path.exists():
        return read_project(project)
    if present is None:
        raise ShortlistError(
            "--base bundle uses the log of the serving model, but --out contains no bundle yet; train the first model from the "
            "tables",
            field="base",
        )
    return present.project

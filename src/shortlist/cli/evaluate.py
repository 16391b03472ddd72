"""`shortlist evaluate`: a project, tables of recommendations from elsewhere, or one retriever on two tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from shortlist.cli.engine import EngineOption, MasterOption, RunEngine, check_engine
from shortlist.cli.expected import tell_evaluation
from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    ThreadsOption,
    check_settings,
    console,
    load_functions,
    progress_bars,
    read_dataset,
    show_report,
    step,
    write_json,
)
from shortlist.errors import ProjectError, ShortlistError, suggestion
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from shortlist.config.project import Project

RecommendationsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=FILE: evaluate a table of recommendations (user, item, rank or score) against --test, or against the "
        "project's test. Repeatable."
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="With --train: the longest time that auto may take to choose and fit retrievers, for example 60s or 10m "
        "(default: no limit)."
    ),
]
LENGTH = 20
"""Length of the evaluated lists if there is no project that states it."""
LengthOption = Annotated[
    int | None,
    typer.Option(
        "--k",
        min=1,
        max=1000,
        help=f"Length of the evaluated lists (default: evaluate.k of the project; {LENGTH} for tables).",
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="How the test is split off: time, rolling, leave_last, users or given (default: evaluate.protocol of the project)."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="With --train: a setting of the retriever, for example factors=256. Repeatable."
    ),
]
ONLY_WITH = {
    "project": {"retriever": "--train", "settings": "--train", "budget": "--train", "test": "--train", "items": "--recommendations", "users": "--recommendations"},
    "tables": {"html": "a project or --recommendations", "protocol": "a project", "items": "--recommendations", "users": "--recommendations"},
    "recommendations": {"retriever": "--train without --recommendations", "settings": "--train without --recommendations", "budget": "--train without --recommendations", "protocol": "a project without --recommendations"},
}  # fmt: skip
"""Subject of the evaluation → the options that have no meaning there, and what each needs."""


def evaluate(
    context: typer.Context,
    project: ProjectOption = Path("shortlist.toml"),
    html: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("report.html"),
    json_file: JsonOption = None,
    train: Annotated[
        str | None,
        typer.Option(help="Evaluate a retriever on tables: the training table (user_id, item_id[, timestamp])."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="The table of test events, with the same columns as --train.")
    ] = None,
    retriever: Annotated[
        str, typer.Option(help="With --train: the retriever; auto tunes, selects and blends retrievers, auto+transformer also networks.")
    ] = "auto",
    k: LengthOption = None,
    settings: SettingsOption = None,
    budget: BudgetOption = None,
    protocol: ProtocolOption = None,
    recommendations: RecommendationsOption = None,
    items: Annotated[str | None, typer.Option(help="With --recommendations: the items table.")] = None,
    users: Annotated[str | None, typer.Option(help="With --recommendations: the users table.")] = None,
    engine: EngineOption = RunEngine.here,
    master: MasterOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:  # fmt: skip
    """Train on the past, test on the future, and compare with the baselines.

    With --recommendations, evaluate tables of recommendations that any library made. With --train and --test, fit one retriever (or
    the automatic blend) on a table and evaluate it on another.
    """
    set_threads(threads)
    load_functions(functions)
    check_engine(
        engine,
        master,
        {"recommendations": bool(recommendations), "train": train is not None, "test": test is not None},
    )
    if recommendations:
        _refuse(context, "recommendations")
        tables = {"train": train, "test": test, "items": items, "users": users}
        _evaluate_recommendations(recommendations, project, tables, k or LENGTH, html, json_file)
    elif train is not None or test is not None:
        if train is None or test is None:
            raise ShortlistError("--train and --test go together: name both tables", field="test")
        _refuse(context, "tables")
        _evaluate_tables(train, test, retriever, k or LENGTH, settings or [], budget, json_file)
    else:
        _refuse(context, "project")
        chosen = _with_overrides(_read(project), protocol, k)
        if engine is RunEngine.spark:
            _evaluate_on_spark(chosen, master, functions, html, json_file)
        else:
            _evaluate_project(chosen, html, json_file)


def _refuse(context: typer.Context, mode: str) -> None:
    """Refuse options that would have no effect."""
    for name, needed in ONLY_WITH[mode].items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = {"settings": "set"}.get(name, name)
            raise ShortlistError(f"--{option} needs {needed}", field=option)


def _evaluate_project(project: Project, html: Path, json_file: Path | None) -> None:
    from shortlist.evaluate.protocol import evaluate as run

    dataset = read_dataset(project)
    tell_evaluation(project, len(dataset.log))
    with progress_bars() as progress:
        report = run(project, dataset, progress)
    show_report(report, html, json_file)


def _evaluate_on_spark(
    project: Project, master: str | None, functions: Path | None, html: Path, json_file: Path | None
) -> None:
    from shortlist.engines.spark_session import spark_session
    from shortlist.evaluate.on_spark import evaluate_on_spark

    check_settings(project)
    with progress_bars() as progress:
        report = evaluate_on_spark(spark_session(master), project, progress, functions)
    show_report(report, html, json_file)


def _read(path: Path) -> Project:
    from shortlist.config.project import read_project

    return read_project(path)


def _with_overrides(project: Project, protocol: str | None, k: int | None) -> Project:
    """Return the project with the protocol and list length of the command line."""
    from shortlist.config.evaluate import EvaluateSettings

    known = get_args(EvaluateSettings.model_fields["protocol"].annotation)
    if protocol is not None and protocol not in known:
        raise ProjectError(
            f"there is no protocol {protocol!r}{suggestion(protocol, known)}; there are: {', '.join(known)}",
            field="evaluate.protocol",
        )
    given = {"protocol": protocol, "k": k}
    update = {name: value for name, value in given.items() if value is not None}
    return project.model_copy(update={"evaluate": project.evaluate.model_copy(update=update)})


def _evaluate_recommendations(
    given: list[str],
    project: Path,
    tables: dict[str, str | None],
    k: int,
    html: Path,
    json_file: Path | None,
) -> None:
    """Evaluate tables of recommendations against a table of test events, or against the test of a project."""
    from shortlist.evaluate.external import evaluate_recommendations

    named: dict[str, Any] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals:
            name, file = Path(text).stem, text
        if name in named:
            raise ShortlistError(
                f"--recommendations {text}: two tables have the name {name!r}; write NAME=FILE",
                field="recommendations",
            )
        named[name] = file
    if tables["test"] is None and tables["train"] is not None:
        raise ShortlistError("--train needs --test, the table of test events", field="test")
    if tables["test"] is not None:
        with step("evaluating"):
            report = evaluate_recommendations(
                named,
                test=tables["test"],
                train=tables["train"],
                items=tables["items"],
                users=tables["users"],
                k=k,
            )
    else:
        from shortlist.config.project import read_project

        settings = read_project(project)
        dataset = read_dataset(settings)
        with step("evaluating"):
            report = evaluate_recommendations(named, dataset, project=settings, k=k, name=settings.name)
    show_report(report, html, json_file)


def _evaluate_tables(
    train: str,
    test: str,
    retriever: str,
    k: int,
    given: list[str],
    budget: str | None,
    json_file: Path | None,
) -> None:
    """Fit a retriever on one table and evaluate it on another."""
    from shortlist.config.base import duration_ms
    from shortlist.evaluate.terminal import retriever_tables, tables_summary
    from shortlist.evaluate.train_test import evaluate_retriever
    from shortlist.evaluate.train_test_tables import read_train_test

    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ShortlistError(
                f"--set {text}: write name=value, for example --set factors=256", field="set"
            )
        try:
            settings[name.strip()] = json.loads(value)
        except ValueError:
            settings[name.strip()] = value
    try:
        seconds = None if budget is None else duration_ms(budget) / 1000
    except ValueError as error:
        raise ShortlistError(f"--budget: {error}", field="budget") from None
    tables = read_train_test(train, test)
    console.print(tables_summary(tables.facts))
    with progress_bars() as progress:
        report = evaluate_retriever(tables, retriever, k, settings, progress, budget=seconds)
    for part in retriever_tables(report, Path(test).name):
        console.print(part, highlight=False)
    write_json(json_file, report.to_json())

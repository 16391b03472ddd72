"""The other ways of `shortlist evaluate`: recommendations made elsewhere, another protocol, one retriever on two tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortlist.cli.terminal import console, progress_bars, read_dataset, write
from shortlist.errors import ProjectError, ShortlistError

if TYPE_CHECKING:
    from shortlist.config.project import Project
    from shortlist.evaluate.protocol import Report


def judge_tables(
    given: list[str],
    project: Path,
    train: str | None,
    test: str | None,
    items: str | None,
    users: str | None,
    k: int,
) -> Report:
    """Tables of recommendations against a table of what came true, or against the test of a project."""
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.external import evaluate_recommendations

    tables: dict[str, Any] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals:
            name, file = Path(text).stem, text
        if name in tables:
            raise ShortlistError(
                f"--recommendations {text}: there are two named {name!r}", field="recommendations"
            )
        tables[name] = file
    if test is not None:
        with console.status("judging"):
            return evaluate_recommendations(tables, test=test, train=train, items=items, users=users, k=k)
    if train is not None:
        raise ShortlistError("--train without --test: name the table of what came true", field="test")
    dataset: Dataset = read_dataset(read_project(project))
    with console.status("judging"):
        return evaluate_recommendations(tables, dataset, k=k, name=dataset.project.name)


def with_protocol(project: Project, protocol: str) -> Project:
    """The project with another protocol. Raises `ProjectError` for one there is not."""
    names = ("time", "rolling", "leave_last", "users", "given")
    if protocol not in names:
        raise ProjectError(
            f"there is no protocol {protocol!r}; there are: {', '.join(names)}", field="evaluate.protocol"
        )
    evaluate = project.evaluate.model_copy(update={"protocol": protocol})
    return project.model_copy(update={"evaluate": evaluate})


def evaluate_tables(
    train: str | None, test: str | None, retriever: str, k: int, given: list[str], json_file: Path | None
) -> None:
    from shortlist.evaluate.tables import evaluate_tables as run
    from shortlist.evaluate.tables import read_pair
    from shortlist.evaluate.terminal import data_line, result

    if train is None or test is None:
        raise ShortlistError("--train and --test go together: name both tables", field="test")
    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ShortlistError(f"--set {text}: write name=value, as in --set factors=256", field="set")
        try:
            settings[name.strip()] = json.loads(value)
        except ValueError:
            settings[name.strip()] = value
    tables = read_pair(train, test)
    console.print(data_line(tables.facts))
    with progress_bars() as progress:
        report = run(tables, retriever, k, settings, progress)
    for part in result(report, Path(test).name):
        console.print(part, highlight=False)
    write(json_file, report.to_json())

"""`shortlist check`: validate a project file with its tables."""

from __future__ import annotations

from pathlib import Path

from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    ProjectOption,
    ThreadsOption,
    check_settings,
    load_functions,
    print_labelled,
    print_text,
    show_problems,
    step,
    write_json,
)
from shortlist.threads import set_threads


def check(
    project: ProjectOption = Path("shortlist.toml"),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Validate the project file and its tables, and report all problems."""
    set_threads(threads)
    load_functions(functions)
    from shortlist.config.project import read_project
    from shortlist.data.dataset import Dataset
    from shortlist.evaluate.leaks import check_leaks
    from shortlist.features.validate import FeatureSchema, parse_features

    settings = read_project(project)
    check_settings(settings)
    with step("reading tables"):
        dataset = Dataset.from_project(settings)
    parse_features(settings.features, FeatureSchema.of_dataset(dataset), settings.where)
    report = dataset.check
    with step("looking for leaks"):
        leaks = check_leaks(dataset, settings.evaluate)
    for leak in leaks:
        print_labelled("leak", str(leak), "red")
    show_problems(report)
    for note in report.notes:
        print_text(note, "dim")
    print_text(report.summary())
    if not report.problems and not leaks:
        print_text("No problems found.", "green")
    write_json(json_file, {**report.to_json(), "leaks": [leak.to_json() for leak in leaks]})

"""`shortlist inspect`: the contents of a bundle, and a report on its features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from shortlist.cli.terminal import (
    FunctionsOption,
    JsonOption,
    console,
    load_functions,
    load_recommender,
    make_table,
    print_labelled,
    print_text,
    write_json,
)
from shortlist.errors import ShortlistError

if TYPE_CHECKING:
    from shortlist.evaluate.feature_report import FeatureReport
    from shortlist.recommender import Recommender

DRIFT = 0.25
"""A population stability index above this is shown in red; the usual threshold for a significant shift."""


def inspect(
    what: Annotated[str, typer.Argument(help="`features`, or a bundle.")],
    bundle: Annotated[Path | None, typer.Argument(help="With features: the bundle.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="With features: the server's event store, to include the events since training."),
    ] = None,
    html: Annotated[Path, typer.Option(help="With features: the HTML report to write.")] = Path(
        "features.html"
    ),
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Show what a bundle contains, or report on its features.

    `shortlist inspect BUNDLE`: sizes, and the importance of each feature per objective. `shortlist inspect features BUNDLE`: coverage,
    drift since training, importance and suspected leaks.
    """
    load_functions(functions)
    if what != "features" and bundle is not None:
        raise ShortlistError(
            f"inspect {what}: write `shortlist inspect features BUNDLE` or `shortlist inspect BUNDLE`",
            field="what",
        )
    if what == "features" and bundle is None:
        raise ShortlistError(
            "inspect features: name the bundle, for example `shortlist inspect features bundle`",
            field="bundle",
        )
    recommender = load_recommender(bundle or Path(what))
    if bundle is not None:
        _inspect_features(recommender, bundle, store, html, json_file)
    else:
        _inspect_bundle(recommender, json_file)


def _inspect_bundle(recommender: Recommender, json_file: Path | None) -> None:
    dataset, ranker = recommender.dataset, recommender.model.ranker
    sizes = f"{len(dataset.items):,} items, {len(dataset.users):,} users, {len(dataset.log):,} events"
    console.print(
        Text.assemble((recommender.project.name, "bold"), f" {recommender.version}: {sizes}"), soft_wrap=True
    )
    importance = {name: ranker.importance(name) for name in recommender.project.objectives}
    columns = _joined(importance)
    by_importance = sorted(
        ranker.feature_names_,
        key=lambda column: -max(shares.get(column, 0) for shares in importance.values()),
    )
    rows = [
        (column, *(f"{shares.get(column, 0):.1%}" for shares in columns.values())) for column in by_importance
    ]
    console.print(
        make_table("Feature importance (share of gain)", ("feature", *columns), rows, right=columns)
    )
    if len(columns) < len(importance):
        print_text(
            f"One model predicts {', '.join(importance)} jointly, so they share the importance.", "dim"
        )
    calibration = {name: c.to_json() for name, c in ranker.calibration_.items()}
    write_json(
        json_file,
        {"model_version": recommender.version, "importance": importance, "calibration": calibration},
    )


def _joined(importance: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
    """One column for all objectives where one model predicts them jointly, else one for each."""
    shares = list(importance.values())
    if len(shares) > 1 and all(share == shares[0] for share in shares):
        return {"all objectives": shares[0]}
    return importance


def _inspect_features(
    recommender: Recommender, bundle: Path, store: Path | None, html: Path, json_file: Path | None
) -> None:
    from shortlist.evaluate.feature_report import features_page, inspect_features
    from shortlist.serve.live_models import LoadedModel
    from shortlist.store.event_store import EventStore

    if store is not None:
        if not store.exists():
            raise ShortlistError(
                f"{store}: no such file; `shortlist serve` writes its event store beside the bundle",
                field="store",
            )
        opened = EventStore(store)
        position = recommender.model.position.within(opened)
        loaded = LoadedModel(recommender, bundle, position.row, position.operation)
        loaded.read(opened.rows_since)
        opened.close()
        if loaded.not_replayed:
            print_labelled(
                "warning",
                f"{loaded.not_replayed:,} stored events are of items that are not in this bundle, or in the future; they are "
                "ignored",
            )
    report = inspect_features(recommender)
    _show_features(report, list(recommender.project.objectives)[:3])
    for warning in report.warnings:
        print_labelled("warning", str(warning))
    if not report.warnings:
        print_text("No problems found.", "green")
    html.write_text(features_page(report), encoding="utf-8")
    print_text(f"Report: {html}", "dim")
    write_json(json_file, report.to_json())


def _show_features(report: FeatureReport, objectives: list[str]) -> None:
    titles = ("feature", "known", "now", "median", "drift", *(f"{o}\ngain / alone" for o in objectives))
    rows: list[tuple[str | Text, ...]] = []
    for f in report.features:
        drift = "" if f.drift is None else f"{f.drift:.2f}"
        rows.append(
            (
                f.name[:24],
                f"{f.known:.0%}",
                "" if f.known_now is None else f"{f.known_now:.0%}",
                f"{f.quantiles[3]:.3g}" if f.quantiles else "",
                Text(drift, style="red" if f.drift is not None and f.drift > DRIFT else ""),
                *(f"{f.importance[o]:.0%} / {f.alone[o]:.2f}" for o in objectives),
            )
        )
    console.print(make_table(None, titles, rows, right=titles[1:]))

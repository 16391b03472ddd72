"""`shortlist preview`: the effect and cost of re-ranking settings, before they are live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.terminal import (
    BundleArgument,
    JsonOption,
    PlacementOption,
    ProjectOption,
    ThreadsOption,
    console,
    load_recommender,
    make_table,
    print_text,
    step,
    write_json,
)
from shortlist.errors import ShortlistError
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from shortlist.cascade.rerank_cost import SlatePreview

UNCHANGED = 5e-4
"""A smaller change of predicted utility is reported as none."""


def preview(
    bundle: BundleArgument,
    project: ProjectOption = Path("shortlist.toml"),
    people: Annotated[
        int, typer.Option(help="Number of users whose slates are compared.", min=1, max=5000)
    ] = 300,
    n: Annotated[
        int | None,
        typer.Option(
            "-n", help="Number of items per slate (default: the placement's, or 10).", min=1, max=200
        ),
    ] = None,
    placement: PlacementOption = None,
    json_file: JsonOption = None,
    threads: ThreadsOption = None,
) -> None:
    r"""Preview the \[rerank] section and the weights of a project file, or the rules and strengths of a placement, on a trained bundle.

    Reports which slates would change, by how much each objective would, and how much predicted utility each part of the settings costs.
    Nothing is trained or served.
    """
    set_threads(threads)
    from shortlist.config.project import read_project

    settings = read_project(project)
    recommender = load_recommender(bundle)
    attributes = recommender.dataset.items.attributes
    for name, attribute, _ in settings.rerank.attributes():
        if attribute is not None and attribute not in attributes:
            where = settings.where(name) or f"{project}: "
            raise ShortlistError(
                f"{where}{name} = {attribute!r}: the bundle's items have no such attribute; train the bundle again with it",
                field=name,
            )
    users = recommender.some_users(people)
    with step("making slates"):
        found = recommender.preview(settings, users, n, placement)
    _show(found)
    write_json(json_file, found.to_json())


def _show(found: SlatePreview) -> None:
    print_text(
        f"Of {found.people:,} users' slates, {found.changed:.0%} would contain other items; {_change_of_utility(found)}."
    )
    changes = [
        (name, f"{change.value:+.2%}", f"{change.low:+.2%} to {change.high:+.2%}")
        for name, change in found.objectives.items()
    ]
    heads = ("objective", "change", "95 %")
    console.print(make_table("Change of each predicted objective", heads, changes, right=heads[1:]))
    if found.parts:
        rows = [
            (
                part.part,
                f"{part.price.value:.2%}",
                f"{part.price.low:.2%} to {part.price.high:.2%}",
                f"{part.changed:.0%}",
            )
            for part in found.parts
        ]
        columns = ("part", "cost", "95 %", "slates changed")
        console.print(make_table("Cost of each part, in predicted utility", columns, rows, right=columns[1:]))
    for title, moved in (("shown more often", found.gains), ("shown less often", found.losses)):
        if moved:
            print_text(f"{title}: {'; '.join(f'{name} ({slates:+d})' for name, slates in moved[:6])}")


def _change_of_utility(found: SlatePreview) -> str:
    cost = found.price
    if abs(cost.value) < UNCHANGED:
        return "predicted utility is unchanged"
    if cost.value > 0:
        return f"predicted utility falls by {cost.value:.1%} ({cost.low:.1%} to {cost.high:.1%})"
    return f"predicted utility rises by {-cost.value:.1%} ({-cost.high:.1%} to {-cost.low:.1%})"

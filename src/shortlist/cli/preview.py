"""`shortlist preview`: what would these rules change?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from shortlist.cli.terminal import BundleArgument, JsonOption, ProjectOption, console, write
from shortlist.errors import ShortlistError


def preview(
    bundle: BundleArgument,
    project: ProjectOption = Path("shortlist.toml"),
    people: Annotated[int, typer.Option(help="So many people's slates are made.", min=1, max=5000)] = 300,
    n: Annotated[int, typer.Option("-n", help="Items on a slate.", min=1, max=200)] = 10,
    json_file: JsonOption = None,
) -> None:
    """A dry run of the [rerank] section of a project file on a trained bundle: what it would change, and what each part of it costs.

    Nothing is trained and nothing is served with it. Edit the file, run this, look; then train, or serve.
    """
    from shortlist.bundle.registry import Models
    from shortlist.config.project import read_project
    from shortlist.evaluate.rerank_cost import preview as run
    from shortlist.recommender import Recommender

    settings = read_project(project).rerank
    recommender = Recommender.load(Models(bundle).current().path)
    own = recommender.dataset.items.attributes
    for name, attribute, _ in settings.attributes():
        if attribute is not None and attribute not in own:
            raise ShortlistError(
                f"{project}: {name} = {attribute!r}: the bundle's items have no such attribute; train it again with it",
                field=name,
            )
    chosen = recommender.some_users(people)
    with console.status("making slates"):
        found = run(recommender, settings, chosen, n)
    cost = found.price
    if abs(cost.value) < 5e-4:
        said = "predicted utility stays as it is"
    elif cost.value > 0:
        said = f"predicted utility falls by [bold]{cost.value:.1%}[/] ({cost.low:.1%} to {cost.high:.1%})"
    else:
        said = f"predicted utility rises by [bold]{-cost.value:.1%}[/] ({-cost.high:.1%} to {-cost.low:.1%})"
    console.print(
        f"Of {found.people:,} people's slates, [bold]{found.changed:.0%}[/] would have other items; {said}.",
        highlight=False,
    )
    if found.parts:
        table = Table(
            title="The price of each part of these settings",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            title_justify="left",
        )
        for name in ("part", "costs", "95 %", "changes slates"):
            table.add_column(name, justify="left" if name == "part" else "right")
        for part in found.parts:
            table.add_row(
                part.part,
                f"{part.price.value:.2%}",
                f"{part.price.low:.2%} to {part.price.high:.2%}",
                f"{part.changed:.0%}",
            )
        console.print(table)
    for title, moved in (("shown more", found.gains), ("shown less", found.losses)):
        if moved:
            console.print(
                f"[bold]{title}[/]: {'; '.join(f'{name} ({slates:+d})' for name, slates in moved[:6])}",
                highlight=False,
            )
    write(json_file, found.to_json())

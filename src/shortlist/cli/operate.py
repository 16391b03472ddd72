"""What operators do from a terminal: `shortlist keys`, `shortlist models`, `shortlist erase`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shortlist.cli.terminal import JsonOption, console, write
from shortlist.errors import DataError, ShortlistError

keys_app = typer.Typer(no_args_is_help=True, help="API keys: who may ask a server for what.")
models_app = typer.Typer(no_args_is_help=True, help="A folder of bundles: which one serves.")
StoreOption = Annotated[
    str | None,
    typer.Option(help="The server's event store: a SQLite file or postgresql://…; SHORTLIST_STORE without."),
]
FolderArgument = Annotated[Path, typer.Argument(help="The folder of bundles, as given to `shortlist serve`.")]


def opened(store: str | None) -> Any:
    from shortlist.store.event_store import EventStore

    target = store or os.environ.get("SHORTLIST_STORE")
    if not target:
        raise ShortlistError("which store? Give --store, as to `shortlist serve`", field="store")
    return EventStore(target)


@keys_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose key it is; shown in logs and in the audit log.")],
    scopes: Annotated[
        str, typer.Option(help="Of recommend, events, admin, metrics; with commas.")
    ] = "recommend,events",
    rate: Annotated[float, typer.Option(help="Requests a second that it may make.")] = 100.0,
    store: StoreOption = None,
) -> None:
    """Make a key. It is shown once; the store keeps only its hash."""
    from shortlist.serve.keys import make_key

    secret = make_key(opened(store), name, [s.strip() for s in scopes.split(",") if s.strip()], rate)
    console.print(f"[bold]{secret}[/]", soft_wrap=True, highlight=False)
    console.print("[dim]Keep it: it is not shown again. Send it as Authorization: Bearer …[/]")


@keys_app.command("list")
def list_keys(store: StoreOption = None, json_file: JsonOption = None) -> None:
    """All keys, without their secrets."""
    from shortlist.serve.keys import all_keys

    found = all_keys(opened(store))
    table = Table()
    for title in ("name", "scopes", "requests a second", "made", "revoked"):
        table.add_column(title)
    for key in found:
        table.add_row(
            key.name, ", ".join(sorted(key.scopes)), f"{key.rate:g}", _day(key.created), _day(key.revoked)
        )
    console.print(table if found else "no keys: the server answers anybody on this machine, and nobody else")
    write(
        json_file,
        [
            {"name": k.name, "scopes": sorted(k.scopes), "rate": k.rate, "revoked": k.revoked is not None}
            for k in found
        ],
    )


@keys_app.command("revoke")
def revoke(name: Annotated[str, typer.Argument()], store: StoreOption = None) -> None:
    """End a key; servers notice within a second or two."""
    from shortlist.serve.keys import revoke_key

    revoke_key(opened(store), name)
    console.print(f"{name} is revoked")


@models_app.command("list")
def list_models(folder: FolderArgument, json_file: JsonOption = None) -> None:
    """All bundles, oldest first, and what was decided about them."""
    from shortlist.bundle.registry import Models

    models = Models(folder)
    state, current = models.state(), models.current().version
    table = Table()
    for title in ("model", "made", "", "why not"):
        table.add_column(title)
    rows = []
    for model in models.list():
        roles = [
            role
            for role, there in {
                "serves": model.version == current,
                "pinned": model.version == state["pinned"],
                f"canary {state['canary'].get('share', 0):.0%}": model.version
                == state["canary"].get("version"),
                "shadow": model.version == state["shadow"],
            }.items()
            if there
        ]
        table.add_row(model.version, _day(model.made), ", ".join(roles), model.rejected)
        rows.append(
            {"version": model.version, "made": model.made, "roles": roles, "rejected": model.rejected}
        )
    console.print(table)
    write(json_file, rows)


@models_app.command()
def promote(folder: FolderArgument, version: Annotated[str, typer.Argument()]) -> None:
    """Pin a model: it serves until another is promoted."""
    from shortlist.bundle.registry import Models

    console.print(f"{Models(folder).promote(version).version} is pinned; servers take it over within seconds")


@models_app.command()
def rollback(folder: FolderArgument) -> None:
    """Back to the model that served before."""
    from shortlist.bundle.registry import Models

    console.print(f"{Models(folder).rollback().version} is pinned; servers take it over within seconds")


@models_app.command()
def follow(folder: FolderArgument) -> None:
    """Release the pin: the newest model serves again."""
    from shortlist.bundle.registry import Models

    models = Models(folder)
    models.release()
    console.print(f"the newest serves: {models.current().version}")


@models_app.command()
def canary(
    folder: FolderArgument,
    version: Annotated[str, typer.Argument()],
    share: Annotated[float, typer.Option(help="Of the people, 0 to 1; 0 ends it.")] = 0.05,
) -> None:
    """Let a model answer a share of the people."""
    from shortlist.bundle.registry import Models

    model = Models(folder).try_on(version, share)
    console.print(
        f"{model.version} answers {share:.0%} of the people" if share else f"{model.version} is no canary now"
    )


@models_app.command()
def shadow(
    folder: FolderArgument, version: Annotated[str | None, typer.Argument(help="None ends it.")] = None
) -> None:
    """Ask a model beside the one that serves, and compare: shortlist_shadow_overlap at /metrics."""
    from shortlist.bundle.registry import Models

    Models(folder).shadow(version)
    console.print(f"{version} is the shadow" if version else "no shadow now")


def erase(
    user: Annotated[str, typer.Argument(help="The person's id.")],
    store: StoreOption = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(help="A table of slates (`shortlist batch`) to clean as well; may be repeated."),
    ] = None,
) -> None:
    """Erase a person: stored events and slates, the live state of every server on the store, and exported tables."""
    gone = opened(store).erase(user, int(time.time() * 1000), "terminal")
    console.print(f"erased: {gone['events']:,} events, {gone['slates']:,} slates")
    for path in export or []:
        console.print(f"{path}: {_cleaned(path, user):,} rows erased")


def _cleaned(path: Path, user: str) -> int:
    """Write a table of slates again without a person; how many rows went."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import csv

    if path.suffix not in {".parquet", ".csv"} or not path.exists():
        raise DataError(
            f"{path}: a .parquet or .csv file that `shortlist batch` wrote is expected", field="export"
        )
    table = pq.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    if "user" not in table.column_names:
        raise DataError(f"{path}: there is no column user", field="export")
    kept = table.filter(pc.not_equal(table.column("user").cast(pa.string()), user))
    fresh = path.with_name(f".{path.name}.fresh")
    if path.suffix == ".parquet":
        pq.write_table(kept, fresh)
    else:
        csv.write_csv(kept, fresh)
    os.replace(fresh, path)
    return int(table.num_rows - kept.num_rows)


def _day(moment: int | None) -> str:
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment / 1000))

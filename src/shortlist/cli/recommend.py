"""`shortlist recommend` and `shortlist batch`: slates for one user, or for all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.terminal import (
    BundleArgument,
    FunctionsOption,
    JsonOption,
    ThreadsOption,
    load_functions,
    load_recommender,
    print_text,
    progress_bars,
    show_slate,
    write_json,
)
from shortlist.errors import DataError
from shortlist.threads import set_threads

BATCH = 500
"""Users per request of `shortlist batch`."""


def recommend(
    bundle: BundleArgument,
    user: Annotated[str | None, typer.Option(help="The user's id.")] = None,
    history: Annotated[
        str | None,
        typer.Option(help="Item ids in place of a user's history, oldest first, separated by commas."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of items.")] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Recommend items to one user or for one history, with reasons."""
    load_functions(functions)
    recommender = load_recommender(bundle)
    items = [part.strip() for part in history.split(",") if part.strip()] if history is not None else None
    slate = recommender.recommend(user=user, n=n, history=items)
    show_slate(slate, recommender.project)
    write_json(json_file, slate.to_arrow().to_pylist())


def batch(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="The .parquet or .csv file to write.")],
    n: Annotated[int, typer.Option("-n", help="Number of items per user.")] = 10,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Recommend items to all users and write the slates as a table."""
    set_threads(threads)
    load_functions(functions)
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    if out.suffix not in {".parquet", ".csv"}:
        raise DataError(f"{out}: the file name must end in .parquet or .csv", field="out")
    recommender = load_recommender(bundle)
    users = recommender.dataset.users.ids.values.to_pylist()
    started = time.perf_counter()
    parts = []
    with progress_bars() as progress:
        for start in range(0, len(users), BATCH):
            parts.append(recommender.recommend(users=users[start : start + BATCH], n=n).to_arrow())
            progress("slates", min(start + BATCH, len(users)) / len(users))
    table = pa.concat_tables(parts)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        csv.write_csv(table, out)
    else:
        pq.write_table(table, out)
    seconds = time.perf_counter() - started
    print_text(f"{len(users):,} slates ({len(users) / seconds:,.0f} per second) → {out}")
    write_json(json_file, {"users": len(users), "rows": table.num_rows, "seconds": seconds})

"""`shortlist recommend` and `shortlist batch`: slates for one user, or for all."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.engine import EngineOption, MasterOption, RunEngine, check_engine
from shortlist.cli.terminal import (
    BundleArgument,
    FunctionsOption,
    JsonOption,
    PlacementOption,
    ThreadsOption,
    bundle_path,
    load_functions,
    load_recommender,
    print_text,
    progress_bars,
    show_slate,
    write_json,
    write_table,
)
from shortlist.errors import DataError
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from shortlist.data.progress import Progress
    from shortlist.distributed.part_folder import PartFolder
    from shortlist.distributed.slate_parts import SlateJob
    from shortlist.recommender import Recommender


def recommend(
    bundle: BundleArgument,
    user: Annotated[str | None, typer.Option(help="The user's id.")] = None,
    history: Annotated[
        str | None,
        typer.Option(help="Item ids in place of a user's history, oldest first, separated by commas."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", help="Number of items (default: the placement's, or 10).")
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="What an item must fulfil, for example 'price < 20 and not (genres contains \"Horror\")'.",
        ),
    ] = None,
    after: Annotated[str | None, typer.Option(help="Id of the item that the user is looking at.")] = None,
    placement: PlacementOption = None,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Recommend items to one user or for one history, with reasons."""
    load_functions(functions)
    recommender = load_recommender(bundle)
    items = [part.strip() for part in history.split(",") if part.strip()] if history is not None else None
    slate = recommender.recommend(
        user=user, n=n, history=items, filters=filters, after=after, placement=placement
    )
    show_slate(slate, recommender.project)
    write_json(json_file, slate.to_arrow().to_pylist())


def batch(
    bundle: BundleArgument,
    out: Annotated[
        str,
        typer.Option(
            help="The .parquet or .csv file to write (also s3://…), or a folder of Parquet parts that a stopped job goes on with."
        ),
    ],
    n: Annotated[
        int | None,
        typer.Option("-n", min=1, help="Number of items per user (default: the placement's, or 10)."),
    ] = None,
    placement: PlacementOption = None,
    engine: EngineOption = RunEngine.here,
    master: MasterOption = None,
    users_per_part: Annotated[int, typer.Option(min=1, help="Users per part of a folder.")] = 10_000,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Recommend items to all users and write the slates as a table, or as a folder of parts."""
    set_threads(threads)
    load_functions(functions)
    check_engine(engine, master)
    whole = engine is RunEngine.here and out.endswith((".parquet", ".csv"))
    if not whole:
        _check_folder(out, engine)
    path = bundle_path(bundle)
    recommender = load_recommender(path)
    started = time.perf_counter()
    users = len(recommender.dataset.users)
    facts: dict[str, float] = {"users": users}
    if whole:
        done = users
        facts["rows"] = _write_file(recommender, out, n, placement)
    else:
        from shortlist.distributed.part_folder import PartFolder
        from shortlist.distributed.slate_parts import SlateJob

        folder, job = PartFolder(out), SlateJob.of(recommender, n, users_per_part, placement)
        with progress_bars() as progress:
            if engine is RunEngine.here:
                done = _write_parts(recommender, folder, job, progress)
            else:
                from shortlist.distributed.batch import batch_on_spark
                from shortlist.engines.spark_session import spark_session

                done = batch_on_spark(spark_session(master), path, folder, job, functions, progress)
    seconds = time.perf_counter() - started
    before = f"; {users - done:,} were there" if done < users else ""
    print_text(f"{done:,} slates ({done / seconds:,.0f} per second) → {out}{before}")
    write_json(json_file, {**facts, "written": done, "seconds": seconds})


def _check_folder(out: str, engine: RunEngine) -> None:
    """Raise `DataError` where slates are to be written as parts, and `out` names a file."""
    if Path(out).suffix or Path(out).is_file():
        file = (
            "; without --engine spark it may be a .parquet or .csv file"
            if engine is RunEngine.spark
            else ", or a .parquet or .csv file"
        )
        raise DataError(f"{out}: name a folder (or s3://…) for parts{file}", field="out")


def _write_file(recommender: Recommender, out: str, n: int | None, placement: str | None) -> int:
    """Write the slates of all users as one table, and return the number of its rows."""
    from shortlist.distributed.slate_parts import slate_table
    from shortlist.requests import RecommendRequest

    users = recommender.dataset.users.ids.values.to_pylist()
    with progress_bars() as progress:
        request = RecommendRequest(n=n, placement=placement)
        table = slate_table(recommender, users, request, partial(progress, "slates"))
    write_table(table, out)
    return int(table.num_rows)


def _write_parts(recommender: Recommender, folder: PartFolder, job: SlateJob, progress: Progress) -> int:
    """Write the parts that are missing, one after the other, and return the number of users in them."""
    done = 0
    job, missing = folder.begin(job)
    for part in missing:
        done += folder.write_part(recommender, job, part)
        progress("slates", (part + 1) / job.parts)
    folder.end()
    return done

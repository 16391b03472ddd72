"""`shortlist audience`: the best users for items, or for what a filter permits."""

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
    ThreadsOption,
    bundle_path,
    load_functions,
    load_recommender,
    print_labelled,
    print_text,
    progress_bars,
    write_json,
    write_table,
)
from shortlist.errors import DataError
from shortlist.threads import set_threads

if TYPE_CHECKING:
    from shortlist.cascade.audience import Audience, AudienceRequest
    from shortlist.recommender import Recommender

SHOWN = 10
"""Users that are printed."""
PartsOption = Annotated[
    str | None,
    typer.Option(
        help="With --engine spark: a folder that all machines share (also s3://…), for the scores of the users, a file a part. A job that "
        "was stopped goes on with it."
    ),
]
UsersPerPartOption = Annotated[int, typer.Option(min=1, help="With --engine spark: users per part.")]


def audience(
    bundle: BundleArgument,
    item: Annotated[
        list[str] | None, typer.Option(help="An item that users are wanted for. Repeatable.")
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(
            help="A text file with one item id a line: many items at once.", exists=True, dir_okay=False
        ),
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="In place of items: what is wanted, for example 'genres contains \"Drama\"'. A user counts by the best item that it "
            "permits.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of users per audience.")] = 100,
    cap: Annotated[
        int | None, typer.Option(min=1, help="Number of audiences that one user may be in (default: any).")
    ] = None,
    engine: EngineOption = RunEngine.here,
    master: MasterOption = None,
    parts: PartsOption = None,
    users_per_part: UsersPerPartOption = 10_000,
    out: Annotated[
        str | None,
        typer.Option(
            help="The .parquet or .csv file to write, also s3://… (default: print the first users)."
        ),
    ] = None,
    json_file: JsonOption = None,
    functions: FunctionsOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Find the best users for items: whom to tell of them. Users are ordered by calibrated predictions."""
    set_threads(threads)
    load_functions(functions)
    check_engine(engine, master, there={"parts": parts is not None})
    if out is not None and not out.endswith((".parquet", ".csv")):
        raise DataError(f"{out}: the file name must end in .parquet or .csv", field="out")
    wanted = [*(item or []), *(_lines(items) if items is not None else [])]
    path = bundle_path(bundle)
    recommender = load_recommender(path)
    started = time.perf_counter()
    if engine is RunEngine.here:
        with progress_bars() as progress:
            found = recommender.audience(wanted or None, n, cap=cap, filters=filters, progress=progress)
    else:
        from shortlist.cascade.audience import AudienceRequest
        from shortlist.requests import RecommendRequest

        request = AudienceRequest(wanted or None, n, cap, like=RecommendRequest(filters=filters))
        place = (parts, users_per_part)
        found = _on_spark(master, path, recommender, request, place, functions)
    seconds = time.perf_counter() - started
    _tell(found, out, seconds)
    write_json(json_file, {"members": len(found), "considered": found.considered, "seconds": seconds})


def _tell(found: Audience, out: str | None, seconds: float) -> None:
    """Write the users to a file, or print the first of them, after what had no effect."""
    for warning in found.warnings:
        print_labelled("warning", warning)
    if out is None:
        for member in list(found)[:SHOWN]:
            shown = ", ".join(f"{name} {value:.3g}" for name, value in member.predictions.items())
            print_text(f"{member.user} for {member.item}: {member.score:.4g} ({shown})")
    else:
        write_table(found.to_arrow(), out)
    where = "" if out is None else f" → {out}"
    print_text(f"{len(found):,} of {found.considered:,} users in {seconds:.1f} s{where}")


def _on_spark(
    master: str | None,
    bundle: Path,
    recommender: Recommender,
    request: AudienceRequest,
    place: tuple[str | None, int],
    functions: Path | None,
) -> Audience:
    """Find users on the executors of a cluster. place: the folder of the parts, and users of a part."""
    from shortlist.distributed.audience import AudienceParts, audience_on_spark
    from shortlist.distributed.part_folder import PartFolder
    from shortlist.engines.spark_session import spark_session

    folder, users = place
    divided = AudienceParts(users, PartFolder(folder, "parts") if folder is not None else None)
    with progress_bars() as progress:
        return audience_on_spark(
            spark_session(master),
            bundle,
            recommender,
            request,
            functions,
            divided,
            partial(progress, "users"),
        )


def _lines(path: Path) -> list[str]:
    """Return the ids of a text file, one a line."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the file is no UTF-8 text: {error.reason}", field="items") from None

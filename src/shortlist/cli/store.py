"""`shortlist export` and `shortlist erase`: read a server's event store as a log, and erase a user from it."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.bundle.atomic import replace_file
from shortlist.cli.terminal import BundleArgument, JsonOption, existing_store, print_text, write_json
from shortlist.errors import DataError, ShortlistError

if TYPE_CHECKING:
    from shortlist.store.event_store import EventStore

StoreOption = Annotated[
    str | None,
    typer.Option(
        help="The server's event store: a SQLite file or postgresql://… (default: environment variable SHORTLIST_STORE)."
    ),
]
StoreFileOption = Annotated[
    Path | None, typer.Option(help="The server's event store (default: the SQLite file beside the bundle).")
]


def open_store(store: str | None, create: bool = False) -> EventStore:
    """Open the store that --store or SHORTLIST_STORE names; one that does not exist is refused, unless it is to be made."""
    from shortlist.store.event_store import EventStore

    target = store or os.environ.get("SHORTLIST_STORE")
    if not target:
        raise ShortlistError(
            "no event store is named; give --store, with the value that `shortlist serve --store` got",
            field="store",
        )
    if create:
        return EventStore(target)
    return existing_store(target, "store", "give the value that `shortlist serve --store` got")


def store_beside(store: Path | None, bundle: Path) -> EventStore:
    """Open the store that --store names, or the one beside a bundle."""
    from shortlist.store.event_store import path_beside

    return existing_store(
        str(store or path_beside(bundle)), "store", "`shortlist serve` writes it; --store names another"
    )


def export(
    bundle: BundleArgument,
    out: Annotated[str, typer.Option(help="The .parquet file to write; also s3://….")],
    store: StoreFileOption = None,
    json_file: JsonOption = None,
) -> None:
    """Export a server's event store as a log for training.

    The log has impressions, with slate, position, propensity and policy, and the events that followed them.
    """
    import pyarrow.parquet as pq

    from shortlist.engines.object_store import local_output
    from shortlist.store.export import export_log

    if not out.endswith(".parquet"):
        raise DataError(f"{out}: the file name must end in .parquet", field="out")
    table = export_log(store_beside(store, bundle))
    with local_output(out) as path:
        pq.write_table(table, path, compression="zstd")
    print_text(f"{table.num_rows:,} rows → {out}")
    write_json(json_file, {"rows": table.num_rows, "out": str(out)})


def erase(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    store: StoreOption = None,
    export: Annotated[
        list[str] | None,
        typer.Option(
            help="Also erase the user from this table of `shortlist batch`, `audience` or `export`, also s3://…. Repeatable."
        ),
    ] = None,
) -> None:
    """Erase a user: stored events and slates, the live state of all servers on the store, and exported tables."""
    erased = open_store(store).erase(user, int(time.time() * 1000), "terminal")
    print_text(
        f"Erased: {erased['events']:,} events, {erased['slates']:,} slates, {erased['attributes']:,} changes of attributes, "
        f"{erased['rejected']:,} rejected records."
    )
    for path in export or []:
        erase_from = _erase_from_store if "://" in path else _erase_from
        print_text(f"{path}: {erase_from(path, user):,} rows erased.")


def _erase_from_store(address: str, user: str) -> int:
    """Rewrite a table of an object store, or each part of a folder of them, without a user. Returns the number of erased rows."""
    from tempfile import TemporaryDirectory

    from shortlist.engines.object_store import ObjectStore

    store = ObjectStore.of(address)
    found = [one for one in store.objects() if one.path.endswith((".parquet", ".csv"))]
    if not found:
        raise DataError(f"{address}: there is no .parquet or .csv object", field="export")
    erased = 0
    for one in found:
        with TemporaryDirectory(prefix="shortlist-") as folder:
            copy = Path(folder) / one.path.rpartition("/")[2]
            store.download(one, copy)
            try:
                count = _erase_from(copy, user)
            except DataError as error:  # names the object, and not its copy
                raise DataError(
                    error.message.replace(str(copy), f"{address} ({one.path})"), "export"
                ) from None
            if count:
                store.upload(copy, "" if one.path == store.path else store.name_of(one))
        erased += count
    return erased


def _erase_from(given: str | Path, user: str) -> int:
    """Rewrite a table of slates, or each part of a folder of them, without a user. Returns the number of erased rows."""
    path = Path(given)
    if path.is_dir() and (parts := sorted(path.glob("part-*.parquet"))):
        return sum(_erase_from(part, user) for part in parts)
    if path.suffix not in {".parquet", ".csv"} or not path.exists():
        raise DataError(
            f"{path}: no such .parquet or .csv file, and no folder of parts; name what `shortlist batch` wrote",
            field="export",
        )
    erase_user = _erase_from_parquet if path.suffix == ".parquet" else _erase_from_csv
    erased = 0

    def write(fresh: Path) -> None:
        nonlocal erased
        erased = erase_user(path, fresh, user)

    replace_file(path, write)
    return erased


def _erase_from_parquet(path: Path, fresh: Path, user: str) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    column = _user_column(table.column_names, path)
    is_user = pc.fill_null(pc.equal(table.column(column).cast(pa.string()), user), False)
    rest = table.filter(pc.invert(is_user))
    pq.write_table(rest, fresh)
    return int(table.num_rows - rest.num_rows)


def _erase_from_csv(path: Path, fresh: Path, user: str) -> int:
    """Copy the text of the other records: reading values as numbers would change ids such as 007 and 1e5."""
    erased = 0
    with path.open(encoding="utf-8-sig", newline="") as source:
        records = _csv_records(source)
        head = next(records, "")
        names = next(csv.reader([head]), [])
        place = names.index(_user_column(names, path))
        with fresh.open("w", encoding="utf-8", newline="") as sink:
            sink.write(head)
            for record in records:
                row = next(csv.reader([record]), [])
                if len(row) > place and row[place] == user:
                    erased += 1
                else:
                    sink.write(record)
    return erased


def _user_column(names: Sequence[str], path: Path) -> str:
    """Return the column with the users' ids of a table of slates, of an audience, or of an exported log."""
    found = next((name for name in ("user", "user_id") if name in names), None)
    if found is None:
        raise DataError(
            f"{path}: there is no column user or user_id; there are: {', '.join(names)}. Of a log with other "
            "columns, make a new `shortlist export` after the user is erased",
            field="export",
        )
    return found


def _csv_records(lines: Iterable[str]) -> Iterator[str]:
    """The text of each record: one line, or several where a quoted value contains line ends."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0:
            yield record
            record = ""
    if record:
        yield record

"""Public formats of recommender data sets, read as they are: MovieLens folders and RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from shortlist.data.public.movielens import read_movielens
from shortlist.data.public.recbole import read_recbole, read_recbole_file
from shortlist.data.public.tables import PublicTables
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError

__all__ = ["PublicTables", "read_public", "read_recbole_file"]


def read_public(path: str) -> PublicTables | None:
    """Read a folder in a public format, or one `.inter` file with its neighbours.

    A folder may also contain `events`, `items` and `users` as .parquet, .csv or .tsv.

    Returns
    -------
    PublicTables or None
        None for any other path.

    Raises
    ------
    DataError
        The folder has several `.inter` files, or a file does not follow its format.
    """
    folder = Path(path)
    if folder.suffix == ".inter" and folder.is_file():
        return read_recbole(folder)
    if not folder.is_dir():
        return None
    movielens = read_movielens(folder)
    if movielens is not None:
        return movielens
    inter = sorted(folder.glob("*.inter"))
    if len(inter) > 1:
        raise DataError(f"{path}: more than one .inter file: {', '.join(p.name for p in inter)}; name one")
    if inter:
        return read_recbole(inter[0])
    for suffix in (".parquet", ".csv", ".tsv"):
        if (folder / f"events{suffix}").exists():
            return _read_plain(folder, suffix)
    return None


def _read_plain(folder: Path, suffix: str) -> PublicTables:
    def table(name: str) -> pa.Table | None:
        file = folder / f"{name}{suffix}"
        return read_table(str(file)) if file.exists() else None

    events = table("events")
    assert events is not None
    return PublicTables(events, table("items"), table("users"))

"""Public formats of recommender data sets, read as they are: MovieLens folders and RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

from shortlist.data.public.movielens import read_movielens
from shortlist.data.public.recbole import read_recbole, read_recbole_file
from shortlist.data.public.tables import PublicTables
from shortlist.errors import DataError

__all__ = ["PublicTables", "find_plain_files", "read_public", "read_recbole_file"]


def read_public(path: str) -> PublicTables | None:
    """Read a folder in a public format, or one `.inter` file with its neighbours.

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
    return None


def find_plain_files(path: str) -> dict[str, str]:
    """Return the files `events`, `items` and `users` of a folder, .parquet, .csv or .tsv; empty for any other path."""
    folder = Path(path)
    for suffix in (".parquet", ".csv", ".tsv"):
        files = {role: folder / f"{role}{suffix}" for role in ("events", "items", "users")}
        if files["events"].exists():
            return {role: str(file) for role, file in files.items() if file.exists()}
    return {}

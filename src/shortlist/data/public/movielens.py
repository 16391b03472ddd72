"""MovieLens: the folders of ML-100K (`u.data`), ML-1M and ML-10M (`.dat`), and the later ones (`.csv`).

Harper and Konstan (2015), "The MovieLens Datasets: History and Context", ACM TiiS 5(4).
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from shortlist.data.public.tables import PublicTables, read_lines, renamed
from shortlist.engines.duckdb import read_table
from shortlist.errors import DataError

GENRES_100K = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]


def read_movielens(folder: Path) -> PublicTables | None:
    """Read a MovieLens folder; None for any other folder."""
    for name, read in (
        ("u.data", _movielens_100k),
        ("ratings.dat", _movielens_dat),
        ("ratings.csv", _movielens_csv),
    ):
        if (folder / name).exists():
            return read(folder)
    return None


def _columns(path: Path, names: list[str], delimiter: str, encoding: str = "utf-8") -> pa.Table:
    """Read a text table without a header. A delimiter of two characters (`::`) is replaced by a tab first."""
    try:
        text = path.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the encoding must be {encoding.upper()} ({error})") from None
    if len(delimiter) > 1:
        text, delimiter = text.replace("\t", " ").replace(delimiter, "\t"), "\t"
    return read_lines(text.encode(), path, names, delimiter, {"zip": pa.string(), "title": pa.string()})


def _movielens_100k(folder: Path) -> PublicTables:
    events = _columns(folder / "u.data", ["user_id", "item_id", "rating", "timestamp"], "\t")
    items = users = None
    if (folder / "u.item").exists():
        raw = _columns(
            folder / "u.item", ["item_id", "title", "released", "video", "url", *GENRES_100K], "|", "latin-1"
        )
        flags = [raw.column(genre).to_pylist() for genre in GENRES_100K]
        genres = [
            [g for g, flag in zip(GENRES_100K, row, strict=True) if flag] for row in zip(*flags, strict=True)
        ]
        items = raw.select(["item_id", "title", "released"]).append_column(
            "genres", pa.array(genres, pa.list_(pa.string()))
        )
    if (folder / "u.user").exists():
        users = _columns(folder / "u.user", ["user_id", "age", "gender", "occupation", "zip"], "|")
    return PublicTables(events, items, users)


def _movielens_dat(folder: Path) -> PublicTables:
    events = _columns(folder / "ratings.dat", ["user_id", "item_id", "rating", "timestamp"], "::")
    items = users = None
    if (folder / "movies.dat").exists():
        items = _with_genres(_columns(folder / "movies.dat", ["item_id", "title", "genres"], "::", "latin-1"))
    if (folder / "users.dat").exists():
        users = _columns(folder / "users.dat", ["user_id", "gender", "age", "occupation", "zip"], "::")
        users = users.set_column(3, "occupation", users.column("occupation").cast(pa.string()))
    return PublicTables(events, items, users)


def _movielens_csv(folder: Path) -> PublicTables:
    ratings, movies = folder / "ratings.csv", folder / "movies.csv"
    events = renamed(read_table(str(ratings)), {"userId": "user_id", "movieId": "item_id"}, ratings)
    items = None
    if movies.exists():
        names = {"movieId": "item_id", "title": "title", "genres": "genres"}
        items = _with_genres(renamed(read_table(str(movies)), names, movies))
    return PublicTables(events, items, None)


def _with_genres(items: pa.Table) -> pa.Table:
    genres = [
        [] if not text or text.startswith("(no") else str(text).split("|")
        for text in items.column("genres").to_pylist()
    ]
    years = [re.search(r"\((\d{4})\)\s*$", str(title or "")) for title in items.column("title").to_pylist()]
    released = pa.array([int(year.group(1)) if year else None for year in years], pa.int64())
    items = items.drop_columns(["genres"]).append_column("genres", pa.array(genres, pa.list_(pa.string())))
    return items.append_column("released", released)

"""Public formats read as they are: MovieLens folders and RecBole's atomic files.

MovieLens: Harper & Konstan (2015), "The MovieLens Datasets: History and Context". RecBole: Zhao et al. (2021); each
column's header carries its type, as in `user_id:token`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

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


@dataclass(frozen=True)
class Public:
    events: pa.Table
    items: pa.Table | None
    users: pa.Table | None


def read_public(path: str) -> Public | None:
    """The tables of a folder in a public format, or of one `.inter` file with its neighbours; None for anything else."""
    folder = Path(path)
    if folder.suffix == ".inter" and folder.is_file():
        return _recbole(folder)
    if not folder.is_dir():
        return None
    if (folder / "u.data").exists():
        return _movielens_100k(folder)
    if (folder / "ratings.dat").exists():
        return _movielens_dat(folder)
    if (folder / "ratings.csv").exists():
        return _movielens_csv(folder)
    inter = sorted(folder.glob("*.inter"))
    if len(inter) > 1:
        raise DataError(f"{path}: more than one .inter file: {', '.join(p.name for p in inter)}; name one")
    if inter:
        return _recbole(inter[0])
    for suffix in (".parquet", ".csv", ".tsv"):
        if (folder / f"events{suffix}").exists():
            return _plain(folder, suffix)
    return None


def _plain(folder: Path, suffix: str) -> Public:
    from shortlist.engines.duckdb import read_table

    def table(name: str) -> pa.Table | None:
        return read_table(str(folder / f"{name}{suffix}")) if (folder / f"{name}{suffix}").exists() else None

    events = table("events")
    assert events is not None
    return Public(events, table("items"), table("users"))


def read_atomic(path: str) -> pa.Table | None:
    """One RecBole file: a tab-separated table whose header is `name:type`. None where the name does not end so.

    Types: token (an id or a category), token_seq (a list of them), float, float_seq.
    """
    if Path(path).suffix not in {".inter", ".item", ".user"}:
        return None
    if not Path(path).exists():
        raise DataError(f"{path}: no such file")
    with open(path, encoding="utf-8") as handle:
        header = handle.readline().rstrip("\n\r").split("\t")
    columns: dict[str, pa.DataType] = {}
    sequences: list[str] = []
    names = []
    for field in header:
        name, _, kind = field.partition(":")
        if kind not in {"token", "token_seq", "float", "float_seq"}:
            raise DataError(
                f"{path}: header field {field!r} should be name:type with a type of token, token_seq, float or float_seq",
                field=name,
            )
        names.append(name)
        columns[name] = pa.float64() if kind == "float" else pa.string()
        if kind.endswith("_seq"):
            sequences.append(name)
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=1),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=columns, strings_can_be_null=True),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {error}") from None
    for name in sequences:
        split = pc.split_pattern(pc.fill_null(table.column(name), ""), " ")
        table = table.set_column(table.column_names.index(name), name, split)
    return table


def _recbole(inter: Path) -> Public:
    def table(suffix: str) -> pa.Table | None:
        file = inter.with_suffix(suffix)
        return read_atomic(str(file)) if file.exists() else None

    events = table(".inter")
    assert events is not None
    return Public(events, table(".item"), table(".user"))


def _columns(path: Path, names: list[str], delimiter: str, encoding: str = "utf-8") -> pa.Table:
    """A text table without a header. Delimiters of two characters (MovieLens' `::`) are made one first."""
    text = path.read_text(encoding=encoding)
    if len(delimiter) > 1:
        text, delimiter = text.replace("\t", " ").replace(delimiter, "\t"), "\t"
    try:
        return csv.read_csv(
            pa.BufferReader(text.encode()),
            csv.ReadOptions(column_names=names),
            csv.ParseOptions(delimiter=delimiter, quote_char=False),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {error}") from None


def _movielens_100k(folder: Path) -> Public:
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
    return Public(events, items, users)


def _movielens_dat(folder: Path) -> Public:
    events = _columns(folder / "ratings.dat", ["user_id", "item_id", "rating", "timestamp"], "::")
    items = users = None
    if (folder / "movies.dat").exists():
        items = _with_genres(_columns(folder / "movies.dat", ["item_id", "title", "genres"], "::", "latin-1"))
    if (folder / "users.dat").exists():
        users = _columns(folder / "users.dat", ["user_id", "gender", "age", "occupation", "zip"], "::")
        users = users.set_column(3, "occupation", users.column("occupation").cast(pa.string()))
    return Public(events, items, users)


def _movielens_csv(folder: Path) -> Public:
    events = csv.read_csv(folder / "ratings.csv").rename_columns({"userId": "user_id", "movieId": "item_id"})
    items = None
    if (folder / "movies.csv").exists():
        items = _with_genres(csv.read_csv(folder / "movies.csv").rename_columns({"movieId": "item_id"}))
    return Public(events, items, None)


def _with_genres(items: pa.Table) -> pa.Table:
    genres = [
        [] if text.startswith("(no") else text.split("|") for text in items.column("genres").to_pylist()
    ]
    years = [re.search(r"\((\d{4})\)\s*$", title or "") for title in items.column("title").to_pylist()]
    released = pa.array([int(year.group(1)) if year else None for year in years], pa.int64())
    items = items.drop_columns(["genres"]).append_column("genres", pa.array(genres, pa.list_(pa.string())))
    return items.append_column("released", released)

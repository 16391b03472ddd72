"""RecBole's atomic files: tab-separated, with the type of each column in its header, as in `user_id:token`.

Zhao et al. (2021), "RecBole: Towards a Unified, Comprehensive and Efficient Framework for Recommendation Algorithms",
CIKM.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from shortlist.data.public.tables import PublicTables
from shortlist.errors import DataError

TYPES = ("token", "token_seq", "float", "float_seq")


def read_recbole(inter: Path) -> PublicTables:
    """Read an `.inter` file and, where they exist, the `.item` and `.user` files of the same name."""

    def table(suffix: str) -> pa.Table | None:
        file = inter.with_suffix(suffix)
        return read_recbole_file(str(file)) if file.exists() else None

    events = table(".inter")
    assert events is not None
    return PublicTables(events, table(".item"), table(".user"))


def read_recbole_file(path: str) -> pa.Table | None:
    """Read one atomic file.

    The types are token (an id or a category), token_seq (a list of them), float and float_seq.

    Returns
    -------
    pyarrow.Table or None
        None where the name does not end in .inter, .item or .user.

    Raises
    ------
    DataError
        The file does not exist, or its header has no types.
    """
    if Path(path).suffix not in {".inter", ".item", ".user"}:
        return None
    if not Path(path).exists():
        raise DataError(f"{path}: no such file")
    try:
        with Path(path).open(encoding="utf-8-sig") as handle:
            header = handle.readline().rstrip("\n\r").split("\t")
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: the encoding must be UTF-8; convert the file, for example with iconv"
        ) from None
    columns: dict[str, pa.DataType] = {}
    sequences: list[str] = []
    for column in header:
        name, _, kind = column.partition(":")
        if kind not in TYPES:
            raise DataError(
                f"{path}: header field {column!r} should be name:type with a type of {', '.join(TYPES)}",
                field=name,
            )
        columns[name] = pa.float64() if kind == "float" else pa.string()
        if kind.endswith("_seq"):
            sequences.append(name)
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=[column.partition(":")[0] for column in header], skip_rows=1),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=columns, strings_can_be_null=True, null_values=[""]),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {error}") from None
    for name in sequences:
        words = pc.split_pattern(pc.fill_null(table.column(name), ""), " ")
        table = table.set_column(table.column_names.index(name), name, words)
    return table

"""RecBole's atomic files: tab-separated, with the type of each column in its header, as in `user_id:token`.

Zhao et al. (2021), "RecBole: Towards a Unified, Comprehensive and Efficient Framework for Recommendation Algorithms",
CIKM.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shortlist.data.public.tables import PublicTables, read_lines
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
        if name in columns:
            raise DataError(f"{path}: there are two columns {name!r}; rename or remove one", field=name)
        columns[name] = pa.float64() if kind == "float" else pa.string()
        if kind.endswith("_seq"):
            sequences.append(name)
    table = read_lines(Path(path).read_bytes(), Path(path), list(columns), "\t", columns, skip=1)
    for name in sequences:
        words = pc.split_pattern(pc.fill_null(table.column(name), ""), " ")
        table = table.set_column(table.column_names.index(name), name, words)
    return table

"""Text tables: .csv, .tsv and .txt. Values keep the form in which they are written unless a type holds all of them as they are.

A reader that infers types changes ids: `1e2` becomes 100, `10:15` a time of day, `007` 7, `True` a truth value; and of dates it reads
those that could be days or months in one of the two ways. Here a column has a type only where nothing is lost: whole numbers in
their usual form, and, where the column does not identify anything, other numbers, truth values, and dates that begin with a year.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from shortlist.engines.confined import exact_name
from shortlist.engines.dialect import Dialect, read_dialect
from shortlist.engines.encoding import open_bytes
from shortlist.engines.missing import MISSING
from shortlist.engines.reading import BadLine, TableReading, bad_lines_error
from shortlist.errors import DataError

Verbatim = Callable[[str], bool]
"""Whether a column, by its name, is read as it is written: text, unless all values are whole numbers in their usual form."""

MOST_BAD = 0.1
"""The share of lines that may be unreadable; with more of them the file has another form than was assumed."""
SAMPLE = 2_000
PART = 1 << 24
"""Bytes of a file that are searched at a time."""
_IDENTIFIERS = frozenset(
    {
        "uid",
        "uuid",
        "guid",
        "sku",
        "isbn",
        "ean",
        "upc",
        "asin",
        "code",
        "zip",
        "zipcode",
        "postcode",
        "key",
        "hash",
        "phone",
    }
)
_OF_IDS = frozenset(
    [
        "user",
        "customer",
        "visitor",
        "member",
        "client",
        "person",
        "buyer",
        "reader",
        "player",
        "household",
        "item",
        "product",
        "movie",
        "video",
        "article",
        "song",
        "track",
        "book",
        "game",
    ]
)
"""Whole names of columns that hold ids."""
_NO_IDENTIFIERS = re.compile(r"(paid|valid|bid|grid|avid|void|liquid|solid|kid|hybrid|covid|mid|rapid)$")
_BLANKS = " \t\u00a0"


@dataclass(frozen=True)
class _Type:
    """A type of a column.

    Attributes
    ----------
    holds
        SQL: whether the text `t`, which has no blanks around it, is such a value.
    value
        SQL of the value of the text `{t}`.
    """

    holds: str
    value: str


_INTEGER = _Type(
    "CAST(TRY_CAST(t AS BIGINT) AS VARCHAR) = t",
    "CAST({t} AS BIGINT)",
)
_NUMBER = _Type(
    r"regexp_full_match(t, '[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|Inf|infinity|Infinity)')"
    " AND TRY_CAST(t AS DOUBLE) IS NOT NULL",
    "CAST({t} AS DOUBLE)",
)
_TRUTH = _Type("lower(t) IN ('true', 'false')", "CAST({t} AS BOOLEAN)")
_WITH_COLON = r"regexp_replace({t}, ' ?([-+][0-9][0-9]):?([0-9][0-9])$', '\1:\2')"
"""DuckDB reads zones as +02:00 and +02, and not as +0200."""
_MOMENT = _Type(
    "regexp_full_match(t, '[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
    f" ?(Z|UTC|[-+][0-9]{{2}}(:?[0-9]{{2}})?)?)?') AND TRY_CAST({_WITH_COLON.format(t='t')} AS TIMESTAMPTZ) IS NOT NULL",
    f"CAST(CAST({_WITH_COLON} AS TIMESTAMPTZ) AS TIMESTAMP)",
)


def identifies(name: str) -> bool:
    """Return whether a column holds ids or codes, by its name: `user_id`, `productId`, `sku`, `zip_code`.

    Examples
    --------
    >>> [name for name in ("user_id", "movieId", "ISBN", "paid", "price") if identifies(name)]
    ['user_id', 'movieId', 'ISBN']
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)]
    plain = re.sub(r"[\W_]+", "", name).lower()
    return bool(words) and (
        words[-1] == "id"
        or plain in _OF_IDS
        or words[-1] in _IDENTIFIERS
        or (plain.endswith("id") and not _NO_IDENTIFIERS.search(plain))
    )


def read_delimited(
    connection: duckdb.DuckDBPyConnection, path: Path, source: str, verbatim: Verbatim = identifies
) -> TableReading:
    """Read a text table.

    Parameters
    ----------
    connection
        Where DuckDB works.
    path
        The file; `.gz` is decompressed.
    source
        What to call it in an error.
    verbatim
        Which columns hold ids, by name (default: those whose names say so).

    Returns
    -------
    TableReading
        Lines that do not have the columns of the header are left out and named.

    Raises
    ------
    DataError
        The file is empty, is not UTF-8, has a quote that is not closed, or more than a tenth of its lines cannot be read.
    """
    dialect = read_dialect(path, source)
    bad = _load(connection, path, source, dialect)
    rows = int(connection.sql("SELECT count(*) FROM loaded").fetchall()[0][0])
    if len(bad) > max(1, MOST_BAD * (rows + len(bad))):
        raise bad_lines_error(source, bad)
    notes, columns = list(dialect.notes), []
    for at, name in enumerate(dialect.names):
        sql, remarks = _column(connection, f"c{at}", name, verbatim(name))
        columns.append(f"{sql} AS c{at}")
        notes += remarks
    table: pa.Table = connection.sql(f"SELECT {', '.join(columns)} FROM loaded").to_arrow_table()  # noqa: S608 - names are c0, c1, …
    return TableReading(table.rename_columns(list(dialect.names)), tuple(notes), bad)


def _load(
    connection: duckdb.DuckDBPyConnection, path: Path, source: str, dialect: Dialect
) -> tuple[BadLine, ...]:
    """Load the file as texts into the table `loaded`; return the lines that cannot be read."""
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(dialect.names)))
    sql = (  # the names of columns are c0, c1, …
        "CREATE OR REPLACE TEMP TABLE loaded AS SELECT * FROM read_csv(?, delim = ?, header = ?, skip = ?, quote = '\"', "  # noqa: S608
        f"escape = '\"', auto_detect = false, columns = {{{columns}}}, store_rejects = true, max_line_size = 20000000)"
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(sql, [exact_name(path), dialect.delimiter, dialect.has_header, dialect.skip])
    except duckdb.Error as error:
        raise DataError(f"{source}: {_line_ends(path) or ' '.join(str(error).split())}") from None
    found = connection.sql(
        "SELECT line, any_value(error_type), any_value(csv_line), any_value(error_message), any_value(line_byte_position) "
        "FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    numbers = _line_numbers(path, [row[4] for row in found]) or [row[0] for row in found]
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    for line, (_, fault, _, message, _) in zip(numbers, found, strict=True):
        if fault == "INVALID ENCODING":
            raise DataError(
                f"{source}: line {line} is not UTF-8. Convert the file, for example "
                f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv, or save it as UTF-8 in the program that wrote it"
            )
        if "quote" in str(message).lower():
            raise DataError(
                f"{source}: line {line}: a quote is opened and not closed, or there is text beside a quoted value. Write a quote "
                'within a quoted value twice ("")'
            )
    return tuple(
        _bad_line(line, fault, text, str(message))
        for line, (_, fault, text, message, _) in zip(numbers, found, strict=True)
    )


def _line_numbers(path: Path, positions: list[int]) -> list[int]:
    """The number of the line at each position (from 1, ascending) of a file; none where its lines are not ended by line feeds.

    The reader counts records, and a quoted value can hold line breaks.
    """
    if path.suffix.lower() == ".gz" or not positions:
        return []
    numbers, line, at = [], 1, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for position in positions:
            start = position - 1
            while data[start : start + 1] in {b"\r", b"\n"}:  # it can be the position of the line end before
                start += 1
            line += sum(data[part : min(part + PART, start)].count(b"\n") for part in range(at, start, PART))
            at = start
            numbers.append(line)
    return numbers if numbers[-1] > 1 else []


def _line_ends(path: Path) -> str:
    """Say where the ends of lines change, which the reader refuses; empty where they do not."""
    with open_bytes(path) as file:
        first = None
        for number, line in enumerate(file, 1):
            ends_in_return = line.endswith(b"\r\n")
            first = ends_in_return if first is None else first
            if line.endswith(b"\n") and ends_in_return != first:
                return (
                    f"line {number} ends in another way than the lines before it (in \\n or in \\r\\n); make them the same, for "
                    "example with dos2unix"
                )
    return ""


def _bad_line(line: int, fault: str, text: str | None, message: str) -> BadLine:
    counts = re.findall(r"\d+", message)
    lines = [part for part in str(text or "").splitlines() if part.strip()]
    if fault in {"MISSING COLUMNS", "TOO MANY COLUMNS"} and len(counts) == 2:
        what = f"{counts[1]} value{'s' if counts[1] != '1' else ''} where there are {counts[0]} columns"
        if fault == "TOO MANY COLUMNS":
            what = f"more values than the {counts[0]} columns"
    else:
        what = message
    return BadLine(int(line), what, lines[0] if lines else "")


def _stripped(column: str) -> str:
    """SQL of a text without blanks around it, null where it says that there is no value."""
    words = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(MISSING))
    return f"CASE WHEN lower(trim({column}, '{_BLANKS}')) IN ({words}) THEN NULL ELSE trim({column}, '{_BLANKS}') END"


def _column(
    connection: duckdb.DuckDBPyConnection, column: str, name: str, verbatim: bool
) -> tuple[str, list[str]]:
    """SQL of a column with the first type that holds every value of it, and what was not taken as it is written."""
    for text in (column, _stripped(column)):  # most files need no stripping, which costs more than the types
        for kind in (_INTEGER,) if verbatim else (_INTEGER, _NUMBER, _TRUTH, _MOMENT):
            if all(
                _holds(connection, kind, text, rows) for rows in (f"(FROM loaded LIMIT {SAMPLE})", "loaded")
            ):
                return kind.value.format(t=text), [] if text == column else _remarks(
                    connection, column, name, verbatim
                )
    return column, []


def _holds(connection: duckdb.DuckDBPyConnection, kind: _Type, text: str, rows: str) -> bool:
    """Return whether a type holds every value of a column; of a sample also where it has no value."""
    held = connection.sql(
        f"SELECT bool_and(coalesce({kind.holds}, false)) FROM (SELECT {text} AS t FROM {rows}) WHERE t IS NOT NULL"  # noqa: S608
    ).fetchall()[0][0]
    return bool(held) or (held is None and rows != "loaded")


def _remarks(connection: duckdb.DuckDBPyConnection, column: str, name: str, verbatim: bool) -> list[str]:
    """Say which texts of a column with a type were taken for missing, and whether blanks around ids were left out."""
    trimmed = f"trim({column}, '{_BLANKS}')"
    found = connection.sql(
        f"SELECT {trimmed}, count(*) FROM loaded WHERE {trimmed} <> '' AND {_stripped(column)} IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"  # noqa: S608
    ).fetchall()
    remarks = [f"{name}: {count:,} × {text!r} taken for missing" for text, count in found]
    if verbatim:
        blank = connection.sql(f"SELECT count(*) FROM loaded WHERE {column} <> {trimmed}").fetchall()[0][0]  # noqa: S608
        if blank:
            remarks.append(f"{name}: blanks around {blank:,} ids are left out")
    return remarks

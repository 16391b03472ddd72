"""JSON tables: .jsonl and .ndjson with an object a line, .json with objects a line or in one array.

DuckDB's own reader infers types and writes some values anew (`1e2` becomes 100.0, a text among numbers gets quotation marks).
Here every value is taken from the JSON text: a column has a type if all of its values have it, and is text as written otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from shortlist.engines.confined import exact_name
from shortlist.engines.delimited import Verbatim
from shortlist.engines.encoding import open_bytes
from shortlist.engines.reading import BadLine, TableReading, bad_lines_error
from shortlist.errors import DataError

SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
DEEPEST = 4
"""Objects within objects become columns `a.b` up to this depth; deeper ones are texts."""
_LINES = (
    "SELECT line, row_number() OVER () AS number FROM read_csv(?, columns = {'line': 'VARCHAR'}, header = false, "
    "auto_detect = false, delim = '\x01', quote = '', escape = '', parallel = false, max_line_size = 16777216, strict_mode = false)"
)
"""No JSON text holds the control character that separates columns here, so that a line is one value. Lines may end in different ways in one file."""
_WHOLE = {"UBIGINT", "BIGINT"}
_NUMBERS = _WHOLE | {"DOUBLE"}


@dataclass(frozen=True)
class _Column:
    """A column: the keys of its values from the outermost on, their types, and whether whole numbers fit into 64 bits.

    Of a column of arrays, `elements` are the types of what they contain, and `fits` is about those.
    """

    keys: tuple[str, ...]
    types: frozenset[str]
    fits: bool
    elements: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return ".".join(self.keys)

    @property
    def value(self) -> str:
        """SQL of the value as JSON."""
        return _value(self.keys)

    def typed(self, verbatim: bool) -> str:
        """Return SQL of the value with the type that all values have."""
        text = f"CASE json_type({self.value}) WHEN 'VARCHAR' THEN {self.value} ->> '$' WHEN 'NULL' THEN NULL ELSE {self.value}::VARCHAR END"
        if not self.types or self.types == {"VARCHAR"}:
            return text
        if self.types == {"ARRAY"}:
            return f"CAST({self.value} AS {self._element(verbatim)}[])"
        if self.types == {"BOOLEAN"}:
            return f"CAST({self.value} AS BOOLEAN)"
        if self.types <= _WHOLE and self.fits:
            return f"CAST({text} AS BIGINT)"
        as_number = self.types <= _NUMBERS and "DOUBLE" in self.types and not verbatim
        return f"CAST({text} AS DOUBLE)" if as_number else text

    def _element(self, verbatim: bool) -> str:
        """Return the type of what arrays contain: numbers where all of it are, as in vectors, and texts as written otherwise."""
        if verbatim or not self.elements or not self.elements <= _NUMBERS:
            return "VARCHAR"
        if "DOUBLE" in self.elements:
            return "DOUBLE"
        return "BIGINT" if self.fits else "VARCHAR"


def is_json(path: Path) -> bool:
    """Return whether a file is a JSON table by its name."""
    return path.name.lower().endswith(SUFFIXES)


def read_json(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    source: str,
    verbatim: Verbatim,
    whole: frozenset[str] | None = None,
) -> TableReading:
    """Read a JSON table.

    Keys that some objects lack have no value there, and objects within objects become columns such as `user.id`. Lines that are
    no JSON objects are set aside. With `whole`, the objects of these keys stay JSON texts, and the reading says which keys each row has.

    Raises
    ------
    DataError
        The file cannot be read, or holds no objects.
    """
    try:
        bad = _objects(connection, path)
        if not connection.sql("SELECT 1 FROM objects LIMIT 1").fetchall():
            if bad:
                raise bad_lines_error(source, bad)
            raise DataError(f"{source} is empty")
        columns = _columns(connection, (), whole or frozenset())
        chosen = ", ".join(
            f"{column.typed(verbatim(column.name))} AS c{at}" for at, column in enumerate(columns)
        )
        table = connection.sql(f"SELECT {chosen} FROM objects ORDER BY number").to_arrow_table()  # noqa: S608 - keys are quoted
        keys = None
        if whole is not None:
            found = connection.sql("SELECT json_keys(value) FROM objects ORDER BY number").fetchall()
            keys = tuple(frozenset(own) for (own,) in found)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        raise DataError(f"{source}: DuckDB cannot read it: {' '.join(str(error).split())}") from None
    notes = [
        f"{column.name}: values of several types ({', '.join(sorted(column.types))}) are read as text"
        for column in columns
        if len(column.types) > 1 and not column.types <= _NUMBERS
    ]
    return TableReading(table.rename_columns([column.name for column in columns]), tuple(notes), bad, keys)


def _objects(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[BadLine, ...]:
    """Make the table `objects` (number, value); return the lines that hold none."""
    if _is_array(path):
        connection.execute(
            "CREATE TEMP TABLE objects AS SELECT row_number() OVER () AS number, json AS value "
            "FROM read_json_objects(?, format = 'array', maximum_object_size = 268435456)",
            [exact_name(path)],
        )
        return ()
    connection.execute(f"CREATE TEMP TABLE lines AS {_LINES}", [exact_name(path)])
    good = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
    connection.execute(
        f"CREATE TEMP TABLE objects AS SELECT number, line::JSON AS value FROM lines WHERE {good}"  # noqa: S608 - a constant
    )
    rows = connection.sql(
        f"SELECT number, line FROM lines WHERE trim(line) <> '' AND NOT ({good}) ORDER BY number"  # noqa: S608 - a constant
    ).fetchall()
    return tuple(BadLine(number, "no JSON object", line) for number, line in rows)


def _is_array(path: Path) -> bool:
    """Return whether the file begins with an array."""
    with open_bytes(path) as file:
        return bool(file.read(4_096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[")


def _columns(
    connection: duckdb.DuckDBPyConnection, outer: tuple[str, ...], whole: frozenset[str]
) -> list[_Column]:
    """Return the columns of the objects at `outer`, in the order in which their keys first occur."""
    at = _value(outer)
    keys = connection.sql(
        f"SELECT key FROM (SELECT number, unnest(json_keys({at})) AS key, generate_subscripts(json_keys({at}), 1) AS place "  # noqa: S608
        f"FROM objects WHERE json_type({at}) = 'OBJECT') GROUP BY key ORDER BY min(number * 100000 + place)"
    ).fetchall()
    found: list[_Column] = []
    for (key,) in keys:
        inner = (*outer, key)
        types = connection.sql(
            f"SELECT json_type({_value(inner)}) AS kind, bool_and(TRY_CAST({_value(inner)}::VARCHAR AS BIGINT) IS NOT NULL) "  # noqa: S608
            "FROM objects GROUP BY kind"
        ).fetchall()
        kinds = {kind: fits for kind, fits in types if kind not in {None, "NULL"}}
        column = _Column(inner, frozenset(kinds), all(kinds.values()))
        if column.types == {"ARRAY"}:
            column = _of_arrays(connection, column)
        nested = column.types == {"OBJECT"} and len(inner) < DEEPEST and column.name not in whole
        found += _columns(connection, inner, whole) if nested else [column]
    return found


def _of_arrays(connection: duckdb.DuckDBPyConnection, column: _Column) -> _Column:
    """Return a column of arrays with the types of what they contain."""
    types = connection.sql(
        "SELECT json_type(one) AS kind, bool_and(TRY_CAST(one::VARCHAR AS BIGINT) IS NOT NULL) FROM "  # noqa: S608
        f"(SELECT unnest(CAST({column.value} AS JSON[])) AS one FROM objects) GROUP BY kind"
    ).fetchall()
    kinds = {kind: fits for kind, fits in types if kind not in {None, "NULL"}}
    return _Column(column.keys, column.types, all(kinds.values()), frozenset(kinds))


def _value(keys: tuple[str, ...]) -> str:
    """Return SQL of the value at some keys, by a JSON pointer, whose keys can have any characters."""
    if not keys:
        return "value"
    pointer = "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)
    return f"json_extract(value, '{pointer.replace(chr(39), chr(39) * 2)}')"

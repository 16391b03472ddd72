"""Queries of project files are confined: one SELECT statement, and no files but those of the project.

A project file can come from somebody else. DuckDB itself keeps to the limits: file access outside the allowed folders is disabled, so
are extensions and the network, and the settings are locked. Symbolic links are followed before a name is compared.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from shortlist.errors import DataError

WILDCARDS = re.compile(r"[*?\[]")
FOLDERS_VARIABLE = "SHORTLIST_DATA_FOLDERS"
"""Environment variable with more folders that queries may read, separated as in PATH."""
_REFUSED = ("file system operations are disabled", "extensions is disabled", "automatically install")


def is_file(source: str) -> bool:
    """Return whether a source is the name of a file or folder. A query is none; it can be longer than a name may be."""
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def exact_name(path: Path) -> str:
    """Return the name of one file for DuckDB, which reads `[1]`, `*` and `?` as the names of several."""
    return WILDCARDS.sub(lambda found: f"[{found[0]}]", str(path))


@dataclass(frozen=True)
class QueryFiles:
    """The files that the queries of a project may read.

    Parameters
    ----------
    folder
        The project's folder.
    files
        Files and folders that the project names as tables.
    """

    folder: Path
    files: tuple[Path, ...] = ()

    @classmethod
    def of_project(cls, folder: Path | None, sources: Iterable[str | None]) -> QueryFiles:
        """Return the files of a project: its folder (default: the working directory), and the sources that are files."""
        return cls(
            folder or Path.cwd(),
            tuple(Path(source) for source in sources if source and is_file(source)),
        )

    def folders(self) -> list[str]:
        """Return all folders that may be read."""
        more = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
        return _names([self.folder, *more, *(path for path in self.files if path.is_dir())])


def _names(paths: Iterable[Path]) -> list[str]:
    """Return absolute names, as written and with symbolic links resolved."""
    return list(dict.fromkeys(str(name) for path in paths for name in (path.absolute(), path.resolve())))


def confine(connection: duckdb.DuckDBPyConnection, files: QueryFiles) -> None:
    """Let a connection read these files only. It cannot be undone on this connection."""
    plain = [path for path in files.files if not path.is_dir()]
    connection.execute("SET allowed_directories = ?", [files.folders()])
    connection.execute("SET allowed_paths = ?", [_names(plain)])
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def check_select(
    connection: duckdb.DuckDBPyConnection, query: str, source: str = "", field: str = "data"
) -> None:
    """Check that a query is one SELECT statement, by DuckDB's own parser. Nothing is executed. `source`: what to call it.

    Raises
    ------
    DataError
        It is another statement, or several, or cannot be parsed.
    """
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise DataError(f"{source or query}: DuckDB cannot read it: {error}", field=field) from None
    kinds = [statement.type.name for statement in statements]
    if kinds == ["SELECT"]:
        return
    if kinds == ["MULTI"]:
        raise DataError(
            f"{source or query}: a PIVOT without a list of values is several statements; list them: PIVOT … ON column IN (…)",
            field=field,
        )
    raise DataError(
        f"{source or query}: a query of a project is one SELECT statement, and this is {len(kinds)} "
        f"({', '.join(kinds)}). Prepare the table with another tool, or write it as one SELECT",
        field=field,
    )


def refusal(error: Exception, files: QueryFiles | None) -> str | None:
    """Explain an error of DuckDB that the limits caused; None where another thing caused it."""
    text = str(error)
    if files is None or not any(words in text for words in _REFUSED):
        return None
    return (
        f"{text.strip().splitlines()[0]}. A query reads files of the project's folder ({files.folder.absolute()}), and files that "
        f"the project names as tables; not the network. Names in a query are relative to the working directory. Move the file "
        f"there, or name its folder in the environment variable {FOLDERS_VARIABLE}"
    )

"""How a text table is written: its encoding, delimiter and header, from the first lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shortlist.engines.encoding import open_bytes
from shortlist.errors import DataError

SAMPLE_BYTES = 1 << 18
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
_WIDE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_VALUE = re.compile(r"[-+]?\d+([.,:]\d+)*|\d{4}-\d\d-\d\d.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*")
_HINT = re.compile(r"sep=([,;|\t])\r?\n", re.IGNORECASE)
"""A first line that tells Excel the delimiter."""
_MAGIC = {
    b"PK\x03\x04": "a ZIP file, as spreadsheets are; save the table as CSV",
    b"PAR1": "a Parquet file; call it .parquet",
    b"\x1f\x8b": "compressed; call it .csv.gz",
}
_USUAL = re.compile(r"id$|user|item|customer|product|time|date|event|rating|title|name", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    delimiter
        What is between two values.
    names
        The columns.
    has_header
        Whether the first line holds the names; else they are column0, column1, ….
    skip
        Empty lines before it.
    notes
        What the report says about it.
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    skip: int = 0
    notes: tuple[str, ...] = ()


def read_dialect(path: Path, source: str) -> Dialect:
    """Find out how a file is written.

    Raises
    ------
    DataError
        It is empty, or its encoding is not UTF-8.
    """
    text = _beginning(path, source)
    usual = "\t" if ".tsv" in "".join(path.suffixes[-2:]).lower() else None
    hint = _HINT.match(text)
    if hint is not None:
        usual, text = hint[1], text[hint.end() :]
    delimiter = usual or max(DELIMITERS, key=lambda one: _fit(text, one))
    lines = _parse(text, delimiter)
    names = tuple(name.strip() for name in lines[0])
    skip = next(at for at, line in enumerate(text.splitlines()) if line.strip()) + (hint is not None)
    _check_names(text, names, source, skip)
    values = [name for name in names if _VALUE.fullmatch(name)]
    if values and not any(_USUAL.search(name) for name in names):
        called = tuple(f"column{at}" for at in range(len(names)))
        note = f"{source}: line 1 holds values such as {values[0]} and no names; the columns are called {', '.join(called)}"
        return Dialect(delimiter, called, False, skip, (note,))
    unnamed = tuple(f"column{at}" for at, name in enumerate(names) if not name)
    note = f"{source}: columns without a name in line 1 are called {', '.join(unnamed)}"
    names = tuple(name or f"column{at}" for at, name in enumerate(names))
    return Dialect(delimiter, names, True, skip, (note,) if unnamed else ())


def _check_names(text: str, names: tuple[str, ...], source: str, skip: int) -> None:
    """Raise `DataError` where the first line has one value and the others have several."""
    if len(names) > 1:
        return
    for delimiter, called in DELIMITERS.items():
        width, count = (
            Counter(map(len, _parse(text, delimiter)[1:])).most_common(1)[0] if "\n" in text else (1, 0)
        )
        if width > 1 and count > 1:
            raise DataError(
                f"{source}: line {skip + 1} has one value ({names[0][:60]!r}), and most lines have {width}, separated by {called}s. "
                "The first line must hold the names of the columns: remove what is above them"
            )


def _beginning(path: Path, source: str) -> str:
    """The first lines as text."""
    try:
        with open_bytes(path) as file:
            start = file.read(SAMPLE_BYTES)
            whole = len(start) < SAMPLE_BYTES
    except (OSError, EOFError) as error:
        raise DataError(f"{source}: cannot be read ({error})") from None
    for magic, fault in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"{source}: the file is {fault}")
    wide = next((name for mark, name in _WIDE.items() if start.startswith(mark)), None)
    if wide is None and b"\0" in start[:1000]:
        wide = (
            "UTF-16 or another encoding of several bytes"
            if start.count(b"\0") > len(start) // 4
            else "binary"
        )
    if wide == "binary":
        raise DataError(f"{source}: contains zero bytes, so it is no text in UTF-8; export it again as UTF-8")
    if wide is not None:
        raise DataError(
            f"{source}: the encoding is {wide} and must be UTF-8. Convert the file: iconv -f UTF-16 -t UTF-8 {path.name} > utf8.csv"
        )
    text = start.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise DataError(f"{source}: the file is empty")
    if whole:
        return text
    return text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text


def _parse(text: str, delimiter: str) -> list[list[str]]:
    """The records of a text; those that the csv module cannot read are left out."""
    records: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return records or [[""]]
        except csv.Error:
            continue
        if record:
            records.append(record)


def _fit(text: str, delimiter: str) -> tuple[bool, float, int]:
    """How well a delimiter divides the lines: whether there is one in the first, how many have as many values, and how many."""
    records = _parse(text, delimiter)
    width = len(records[0])
    same = Counter(len(record) for record in records)[width] / len(records)
    return width > 1, round(same, 1), width

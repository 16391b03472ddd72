"""Text files in other encodings than UTF-8: found by their bytes, and read in the encoding that the project declares."""

from __future__ import annotations

import codecs
import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shortlist.errors import DataError

PART = 1 << 20
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
USUAL = "cp1252"
"""The encoding of Western text files that are not UTF-8: Windows-1252, of which ISO 8859-1 is a part."""


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed where its name ends in .gz."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def find_encoding(path: Path) -> str | None:
    """Return the encoding that a text file probably has, None for UTF-8: UTF-16 by its first bytes, else Windows-1252.

    A file with zero bytes, or with bytes that Windows-1252 does not have, has none of these: then the answer is None, too, and
    reading it says what is wrong.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        start = file.read(4)
        mark = next((name for mark, name in _MARKS if start.startswith(mark)), None)
        if mark is not None:
            return mark
        part, utf8 = start, True
        western = codecs.getincrementaldecoder(USUAL)()
        while part:
            if b"\0" in part:
                return None
            try:
                western.decode(part)
            except UnicodeDecodeError:
                return None
            if utf8:
                try:
                    decoder.decode(part)
                except UnicodeDecodeError:
                    utf8 = False
            part = file.read(PART)
    return None if utf8 else USUAL


def is_utf8(path: Path) -> bool:
    """Return whether a whole file is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        try:
            while part := file.read(PART):
                decoder.decode(part)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
    return True


@contextmanager
def in_utf8(path: Path, source: str, encoding: str | None) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield a file in UTF-8, and what the report says: the file itself where it is UTF-8 or no encoding is declared, else a copy.

    Raises
    ------
    DataError
        There is no such encoding, or the file is in another one.
    """
    if encoding is None or is_utf8(path):
        yield path, ()
        return
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise DataError(
            f"{source}: data.encoding = {encoding!r} is no encoding; for example cp1252, latin-1 or utf-16",
            field="data.encoding",
        ) from None
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        copy = Path(folder) / path.name.removesuffix(".gz")
        try:
            with open_bytes(path) as given, copy.open("w", encoding="utf-8", newline="") as made:
                shutil.copyfileobj(codecs.getreader(encoding)(given), made, PART)
        except UnicodeError as error:
            raise DataError(
                f"{source}: the file is not {encoding} ({error}); set data.encoding to its encoding",
                field="data.encoding",
            ) from None
        yield copy, (f"{source}: read as {encoding}",)

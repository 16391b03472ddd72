"""Bodies of requests that are compressed with gzip."""

from __future__ import annotations

import zlib

ENCODINGS = {b"", b"identity", b"gzip", b"x-gzip"}
"""Values of Content-Encoding that are read."""
GZIP = 16 + zlib.MAX_WBITS


class GzipFaultError(Exception):
    """A body is not what gzip writes."""


class GzipBody:
    """Unpacks a body that arrives in parts.

    A few kilobytes can unpack to gigabytes, so never more is unpacked than is asked for.
    """

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP)

    def unpacked(self, part: bytes, most: int, last: bool) -> bytes:
        """Return the contents of the next part.

        Parameters
        ----------
        part
            Bytes as they arrived.
        most
            Length of the contents at most, 1 or more; the rest is lost.
        last
            Whether the body ends with this part.

        Raises
        ------
        GzipFaultError
            The bytes are not those of one gzip file, or it broke off.
        """
        try:
            contents = self._stream.decompress(part, most)
        except zlib.error as error:
            raise GzipFaultError from error
        broke_off = last and not self._stream.eof and len(contents) < most
        if broke_off or self._stream.unused_data:
            raise GzipFaultError
        return contents

    def __repr__(self) -> str:
        return f"GzipBody({'read' if self._stream.eof else 'unfinished'})"

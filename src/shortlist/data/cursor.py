"""The pages of a slate: which items a request has shown, so that the next page repeats none of them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from shortlist.data.ids import id_fault
from shortlist.errors import CursorError

MAX_PAGED = 1_000
"""Items that all pages of a request can have together, before the last one."""
MAX_CURSOR = 48_000
"""Characters of a cursor: the body of a request with a public key has room for it."""
MAX_BYTES = 600_000
"""Bytes of a cursor that is unpacked: 1,000 ids of the longest."""
COMPRESSED_FROM = 1_000
"""Bytes above which a cursor is compressed. For the first pages, setting up the compressor costs more than it saves."""
MAX_AGE = 24 * 3_600_000
"""Milliseconds after the first page in which the others can be requested: a day."""
AHEAD = 300_000
"""Milliseconds by which the clock of the server that made the first page may be ahead."""
MAY_CHANGE = frozenset({"n", "history", "context", "seed", "now", "cursor"})
"""Fields of a request that may change from page to page."""
AGAIN = "request the first page again, without a cursor"


@dataclass(frozen=True, slots=True, repr=False)
class Cursor:
    """The terms that the pages of one request share, and the items that they have shown.

    A cursor contains everything that the next page needs: the ids of the items that were shown, the time of the first
    page, and a digest of the request. It therefore works on every worker and replica, after a restart and with another
    model, and nothing is stored for a page that nobody asks for. A server signs it (`serve/cursors.py`), because exposure limits and
    pins count what it says was shown. A text that is not a cursor is refused.

    Parameters
    ----------
    terms
        Digest of the fields that must stay the same from page to page.
    items
        Ids of the items that were shown, in order. Empty: the next page is the first.
    moment
        Time of the first page in ms; None before it is made.
    """

    terms: str
    items: tuple[Any, ...] = ()
    moment: int | None = None

    @classmethod
    def first(cls, fields: Sequence[Any]) -> Self:
        """Return the cursor of the first page of a request; `fields` are the values that must stay the same."""
        options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        try:
            content = orjson.dumps(fields, default=str, option=options)
        except TypeError:  # a text that is no Unicode, in a field that is refused later
            content = repr(fields).encode(errors="backslashreplace")
        return cls(f"{zlib.crc32(content):08x}")

    @classmethod
    def read(cls, text: Any, first: Cursor) -> Self:
        """Return the cursor of a text that `text` made, for a request whose first page is `first`. Raises `CursorError` for any other."""
        fault = f"cursor: this is no cursor of an earlier page; send it as it was received, or {AGAIN}"
        if not isinstance(text, str) or len(text) > MAX_CURSOR:
            raise CursorError(fault)
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            content = orjson.loads(packed if packed[:1] == b"{" else _unpacked(packed))
            terms, moment, items = content["terms"], content["moment"], content["items"]
        except (ValueError, zlib.error, TypeError, KeyError) as error:
            raise CursorError(fault) from error
        typed = isinstance(terms, str) and type(moment) is int and isinstance(items, list)
        if not (len(content) == 3 and typed and 1 <= len(items) <= MAX_PAGED) or any(map(id_fault, items)):
            raise CursorError(fault)
        if terms != first.terms:
            raise CursorError(
                "cursor: it belongs to a request with another user or placement, or with other filters, weights or strengths; only n, history, "
                f"context, seed and now may change from page to page; {AGAIN}",
                conflict=True,
            )
        return cls(terms, tuple(items), moment)

    def check_age(self, now: int) -> None:
        """Raise `CursorError` where the first page is older than a day; `now` is in ms."""
        if self.moment is not None and not self.moment - AHEAD <= now <= self.moment + MAX_AGE:
            raise CursorError(
                f"cursor: its first page was made more than {MAX_AGE // 3_600_000} hours ago; {AGAIN}",
                conflict=True,
            )

    def begun(self, moment: int) -> Self:
        """Return the cursor with the time of the first page, in ms, if it has none yet."""
        return type(self)(self.terms, self.items, moment) if self.moment is None else self

    def text(self, shown: Sequence[Any]) -> str | None:
        """Return the cursor of the page after one that shows some items; None where the limit is reached."""
        items = [*self.items, *shown]
        if not shown or len(items) > MAX_PAGED - 1:
            return None
        content = {"terms": self.terms, "moment": self.moment, "items": items}
        packed = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        if len(packed) > COMPRESSED_FROM:
            packed = zlib.compress(packed, 1)
        text = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        return text if len(text) <= MAX_CURSOR else None

    def __repr__(self) -> str:
        return f"Cursor({len(self.items):,} items shown)"


def _unpacked(packed: bytes) -> bytes:
    """Decompress a cursor. Raises `zlib.error` where it is broken off, too long, or followed by something else."""
    stream = zlib.decompressobj()
    content = stream.decompress(packed, MAX_BYTES)
    if not stream.eof or stream.unused_data:
        raise zlib.error("not one whole stream")
    return content

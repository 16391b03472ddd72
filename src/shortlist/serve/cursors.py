"""Signatures of the cursors that a server hands out."""

from __future__ import annotations

import base64
import hashlib
import hmac

from shortlist.data.cursor import AGAIN
from shortlist.errors import CursorError

BYTES = 16
"""Length of a signature: 128 bits cannot be guessed."""
MOST = 50_000
"""Characters of a signed cursor at most."""


class CursorSigner:
    """Signs cursors with a key of the event store, so that all workers and replicas of a store take each other's.

    A cursor says what the pages of a slate have shown. Limits of exposure, fair shares and pins count it, and it is text that a client
    sends, so a server takes only what a server of its store has made.

    Parameters
    ----------
    key
        The store's key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key).digest()  # of a length that `blake2b` takes as a key

    def sign(self, cursor: str | None) -> str | None:
        """Return a cursor with its signature; None where there is no cursor."""
        return None if cursor is None else f"{cursor}.{self._signature(cursor)}"

    def open(self, text: str | None) -> str | None:
        """Return the cursor of a signed text; None for None. Raises `CursorError` where it is not one that `sign` made."""
        if text is None:
            return None
        cursor, _, signature = text.rpartition(".") if len(text) <= MOST else ("", "", "")
        given = signature.encode(errors="replace")
        if (
            not cursor
            or not cursor.isascii()
            or not hmac.compare_digest(self._signature(cursor).encode(), given)
        ):
            raise CursorError(
                f"cursor: this is no cursor that this server handed out; send it as it was received, or {AGAIN}"
            )
        return cursor

    def _signature(self, cursor: str) -> str:
        # BLAKE2b takes a key itself: HMAC over OpenSSL's SHA-256 takes twenty times as long for a short text
        digest = hashlib.blake2b(cursor.encode(), digest_size=BYTES, key=self._key).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def __repr__(self) -> str:
        return "CursorSigner()"

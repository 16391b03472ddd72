"""Tokens of users: how a server of yours makes them, and how a client sends them. Without any I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from shortlist_client.errors import ApiError
from shortlist_client.requests import Call, Id

TokenSource = str | Callable[[], str] | None
"""A token, or a function that gets one from your server; it is called again when the token is too old."""


def sign_user(user: Id, secret: str, seconds: float = 3600.0) -> str:
    """Return a token that lets a page speak for a user. Call it on your server, after the user has logged in.

    Parameters
    ----------
    user
        The id of the user.
    secret
        The second secret that `shortlist keys add … --signed-users` printed.
    seconds
        How long the token is valid.

    References
    ----------
    RFC 7519, JSON Web Token; RFC 7515, JSON Web Signature (HS256).
    """
    head = {"alg": "HS256", "typ": "JWT"}
    content = {"sub": str(user), "exp": int(time.time() + seconds)}
    text = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, content))
    return f"{text}.{_encoded(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class UserToken:
    """The token of the client's user, and where a new one comes from."""

    def __init__(self, source: TokenSource = None) -> None:
        self.replace(source)

    def replace(self, source: TokenSource) -> None:
        """Use another token, or none."""
        self._token = source if isinstance(source, str) else None
        self._source = source if callable(source) else None

    @property
    def asks(self) -> bool:
        """Whether the next body can need an answer of your server."""
        return self._token is None and self._source is not None

    def body(self, call: Call) -> Any:
        """Return the body of a call, with the token where it names a user."""
        given = call.body
        names_user = isinstance(given, dict) and ("events" in given or given.get("user") is not None)
        if not names_user or "user_token" in given:
            return given
        if self._token is None and self._source is not None:
            self._token = self._source()
        return given if self._token is None else {**given, "user_token": self._token}

    def renew(self, error: ApiError) -> bool:
        """Forget a token that a server refuses. Returns whether there can be a new one."""
        if error.status != 401 or error.field != "user_token" or self._source is None:
            return False
        self._token = None
        return True

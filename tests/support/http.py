"""JSON requests over real HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def call(
    url: str,
    body: Any = None,
    raw: bytes | None = None,
    method: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Send a request and return the status and the response, parsed if it is JSON.

    Without a body and a method this is a GET request. `raw` replaces the JSON encoding of `body`.
    """
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    defaults = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data, {**defaults, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            text, status = response.read(), response.status
    except urllib.error.HTTPError as error:
        text, status = error.read(), error.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode()


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends an API key."""
    return {"Authorization": f"Bearer {key}"}

"""What a request ended with, where it did not end with an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

TEMPORARY = frozenset({408, 429, 502, 503, 504})


class ApiError(Exception):
    """An error of the server, or no answer.

    Attributes
    ----------
    message
        The server's sentence, or why there is no answer.
    status
        HTTP status; 0 where the server did not answer, and where the client refused the call.
    field
        Field of the request that is wrong, such as `weights.fame`; None where the server names none.
    retry_after
        Seconds after which the server wants to be asked again (`Retry-After`); None where it does not say.
    request_id
        Id of the request in the server's logs.
    """

    def __init__(
        self,
        message: str,
        status: int,
        field: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.field = message, status, field
        self.retry_after, self.request_id = retry_after, request_id

    @property
    def temporary(self) -> bool:
        """Whether the same request can succeed later: no answer, too many requests, or a server that is not ready."""
        return (self.status == 0 and self.field is None) or self.status in TEMPORARY


def parse_answer(status: int, text: str, headers: Mapping[str, str]) -> Any:
    """Read an answer. The text need not be JSON: a proxy may send anything. Raises `ApiError` for all but a success in JSON."""
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    else:
        if 200 <= status < 300:
            return data
    given = data if isinstance(data, dict) else {}
    error, field = given.get("error"), given.get("field")
    if not isinstance(error, str) or not error:
        error = f"The server answered {status} without an explanation. Its log names the reason."
    raise ApiError(
        error,
        status,
        field if isinstance(field, str) else None,
        seconds_of(headers.get("retry-after")),
        headers.get("x-request-id"),
    )


def seconds_of(header: str | None, now: float | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header, which has a number or a date; None where it has neither."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))

"""JSON answers, and every error as a sentence with a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shortlist.data.json_text import as_json
from shortlist.errors import (
    CursorError,
    EditError,
    RequestError,
    ShortlistError,
    StoreError,
    UserTokenError,
    field_fault,
    first_fault,
)
from shortlist.serve.body_fields import body_of, fields_at
from shortlist.serve.schema import ErrorAnswer
from shortlist.serve.writer import BusyError

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
}


UNFORESEEN = "something went wrong in the server; its log names it"


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Serialise the content."""
        return as_json(content)


def failure(sentence: str, status: int, field: str | None = None, **headers: str) -> Json:
    """An error answer."""
    return Json({"error": sentence, "field": field}, status, headers or None)


def no_such_item(item: Any) -> Json:
    """The answer where an item of an address is not in the catalogue."""
    return failure(f"the catalogue has no item {item!r}", 404, "item")


def add_error_handlers(app: FastAPI, shown: Callable[[str], str]) -> None:
    """Turn every exception that a request can cause into an answer with a sentence and a field.

    `shown` returns a message as clients may see it.
    """

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = first_fault(error.errors())
        if first["type"] == "json_invalid":
            reason = first.get("ctx", {}).get("error", "")
            return failure(f"the body is not valid JSON: {reason}", 400)
        known = fields_at(body_of(request), [part for part in first["loc"] if part != "body"])
        sentence, field = field_fault(first, known)
        return failure(sentence, 422, field or None)

    @app.exception_handler(StoreError)
    async def store_unavailable(_request: Request, _error: StoreError) -> Response:
        sentence = "the event store cannot be used at the moment; nothing was stored, send it again"
        return failure(sentence, 503, **{"Retry-After": "2"})

    @app.exception_handler(BusyError)
    async def too_many_events(_request: Request, _error: BusyError) -> Response:
        sentence = "more events come in than the disk takes; nothing was stored, send them again"
        return failure(sentence, 429, **{"Retry-After": "1"})

    @app.exception_handler(ShortlistError)
    async def refused(_request: Request, error: ShortlistError) -> Response:
        return failure(shown(error.message), _status(error), error.field)

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, _error: Exception) -> Response:
        return failure(UNFORESEEN, 500)  # the guard writes the error to the log

    @app.exception_handler(404)
    async def not_found(_request: Request, error: Any) -> Response:
        detail = getattr(error, "detail", "Not Found")
        return failure(detail if detail != "Not Found" else "there is nothing here", 404)

    @app.exception_handler(HTTPException)
    async def not_readable(_request: Request, error: HTTPException) -> Response:
        if error.status_code == 400 and error.__cause__ is not None:  # raised where FastAPI reads a body
            return failure(
                "the body cannot be read: it broke off, is nested too deeply, or has a number of too many digits",
                400,
            )
        return failure(str(error.detail), error.status_code)

    @app.exception_handler(405)
    async def method_not_allowed(_request: Request, error: Any) -> Response:
        allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
        sentence = f"this address does not take this method; it takes: {allowed}"
        return failure(sentence, 405, Allow=allowed)


def _status(error: ShortlistError) -> int:
    if isinstance(error, CursorError):
        return 409 if error.conflict else 400
    if isinstance(error, UserTokenError):
        return 401
    if isinstance(error, EditError):
        return 404 if error.missing else 409
    return 422 if isinstance(error, RequestError) else 400

"""Who may come in, with how much, how often; and what leaves with every answer.

A plain ASGI layer around the application: it counts bytes as they arrive (whatever a header claims), asks for a key where there are
keys, holds each key to its rate, gives every request an id, and measures. Errors become a sentence and a field; no stack trace, and
nothing that somebody sent, leaves the server or reaches its logs.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from shortlist.serve.keys import Key, Keyring
from shortlist.serve.telemetry import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 1_000_000
DRAIN = 8 * MAX_BODY
OPEN = {"/", "/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
access = logging.getLogger("shortlist.access")
faults = logging.getLogger("shortlist.faults")


class TooLargeError(Exception):
    pass


def scope_of(method: str, path: str) -> str | None:
    """Which scope a request needs; None: it is open to all."""
    if path in OPEN or path.startswith("/page/"):
        return None
    if path == "/metrics":
        return "metrics"
    if path == "/v1/events":
        return "events"
    if path.startswith("/v1/admin/") or path == "/v1/why" or path.endswith("/export"):
        return "admin"
    if method in {"PUT", "DELETE", "PATCH"}:
        return "admin"
    return "recommend"


class Guard:
    def __init__(self, app: App, keyring: Keyring, metrics: Metrics, tracer: Any = None) -> None:
        self.app, self.keyring, self.metrics, self.tracer = app, keyring, metrics, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if ID.fullmatch(given) else uuid.uuid4().hex.encode()
        status, begun, taken, over = 500, False, 0, False
        private = scope["path"].startswith("/v1/")

        async def receiving() -> Message:
            nonlocal taken, over
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY:
                over = True
                raise TooLargeError
            return message

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if over and not begun and message["type"] == "http.response.start":
                raise TooLargeError  # whatever the application makes of a body that broke off
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                own = [*message["headers"], *HEADERS, (b"x-request-id", request_id)]
                message = {**message, "headers": [*own, (b"cache-control", b"no-store")] if private else own}
            await send(message)

        key: Key | None = None
        span = self.tracer.start_span(f"{scope['method']} {scope['path']}") if self.tracer else None
        try:
            refusal, key = self._refused(scope, headers)
            if refusal is not None:
                await _drain(receive)
                await _say(sending, *refusal)
            else:
                scope["key"] = key.name if key is not None else "anybody"
                await self.app(scope, receiving, sending)
        except TooLargeError:
            over = False
            await _drain(receive)
            if not begun:
                await _say(sending, 413, f"the body is larger than {MAX_BODY:,} bytes")
        except Exception as error:
            faults.error(
                "%s while answering %s",
                type(error).__name__,
                getattr(scope.get("route"), "path", "?"),
                exc_info=_without_values(error),
                extra={"facts": {"request_id": request_id.decode()}},
            )
            if not begun:
                await _say(sending, 500, "something went wrong on our side; the server's log says what")
        finally:
            seconds = time.perf_counter() - started
            path = getattr(scope.get("route"), "path", "other")
            self.metrics.seconds.labels(path).observe(seconds)
            self.metrics.answers.labels(path, str(status)).inc()
            if path == "/v1/recommend":
                self.metrics.recent.answered(seconds, status)
            if span is not None:
                span.update_name(f"{scope['method']} {path}")
                span.set_attribute("http.response.status_code", status)
                for stage, took in scope.get("laps", {}).items():
                    span.set_attribute(f"shortlist.{stage}_ms", took * 1000)
                span.end()
            if access.isEnabledFor(logging.INFO):
                facts = {
                    "request_id": request_id.decode(),
                    "method": scope["method"],
                    "path": path,
                    "status": status,
                    "milliseconds": round(seconds * 1000, 3),
                    "key": key.name if key is not None else None,
                }
                access.info("answered", extra={"facts": facts})

    def _refused(
        self, scope: Scope, headers: dict[bytes, bytes]
    ) -> tuple[tuple[int, str, list[tuple[bytes, bytes]]] | None, Key | None]:
        """Why a request is not let in: status, sentence, headers; and whose key it came with."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return (413, f"the body is larger than {MAX_BODY:,} bytes", []), None
        if length != b"0" or b"transfer-encoding" in headers:
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                return (415, "the body must be JSON, sent as Content-Type: application/json", []), None
        wanted = scope_of(scope["method"], scope["path"])
        if wanted is None or not self.keyring.locked:
            return None, None
        kind, _, secret = headers.get(b"authorization", b"").partition(b" ")
        key = self.keyring.find(secret.strip().decode("latin-1")) if kind.lower() == b"bearer" else None
        if key is None:
            said = "a key is needed: send Authorization: Bearer <key>; `shortlist keys add` makes one"
            return (401, said, [(b"www-authenticate", b"Bearer")]), None
        if wanted not in key.scopes:
            return (403, f"this key is not for that: it needs the scope {wanted}", []), key
        if not key.take(time.monotonic()):
            return (
                429,
                f"more than {key.rate:g} requests a second with this key",
                [(b"retry-after", b"1")],
            ), key
        return None, key


async def _drain(receive: Receive) -> None:
    """Take in what is still being sent of a body that is refused, within bounds: who sends it would otherwise see a broken
    connection and not the reason.
    """
    taken = 0
    while taken < DRAIN:
        message = await receive()
        taken += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _say(
    send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = orjson.dumps({"error": sentence, "field": None})
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})


def _without_values(error: BaseException) -> tuple[Any, Any, Any]:
    """The error's kind and where it happened: its message may hold what somebody sent."""
    return type(error), type(error).__new__(type(error)), error.__traceback__

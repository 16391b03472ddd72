"""Access control and measurement around the application.

A plain ASGI layer: it counts bytes as they arrive (whatever a header claims) and waits for them a limited time, asks for
a key where there are keys, holds each key to its rate, keeps pages of other sites out (`origin.py`), gives every request
an id, and measures. Errors become a sentence and a field; no stack
trace, and nothing that a client sent, leaves the server or reaches its logs.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from shortlist.data.ids import random_id
from shortlist.serve.answers import UNFORESEEN
from shortlist.serve.keys import PUBLIC_BODY, Key, Keyring
from shortlist.serve.middleware.asgi import App, Message, Receive, Scope, Send
from shortlist.serve.middleware.gzip_body import ENCODINGS, GzipBody, GzipFaultError
from shortlist.serve.middleware.origin import SAFE, OriginPolicy
from shortlist.serve.middleware.unfinished import Unfinished
from shortlist.serve.settings import ServerSettings
from shortlist.serve.telemetry import Metrics

MAX_BODY = 1_000_000
"""Bytes of a body at most."""
DRAIN = 8 * MAX_BODY
"""Bytes of a refused body that are still taken in."""
DRAIN_SECONDS = 2.0
"""Seconds for which the rest of a refused body is waited for."""
OPEN = {"/", "/healthz", "/readyz", "/docs", "/openapi.json"}
DECISIONS = ("/v1/admin/edits/approve/", "/v1/admin/edits/reject/", "/v1/admin/edits/undo/")
"""Routes that need the scope `approve`."""
TENANTS = "/t"
"""Path below which a server of tenants has their addresses; each tenant has a guard of its own."""
NO_ADMIN = (
    "models and settings cannot be changed while the server has no keys: make one with `shortlist keys add NAME --scopes admin`, or "
    "start the server with --admin-without-key"
)
ONLY_PUBLIC = (
    "a public key may only send events and ask for recommendations, pages, similar items and ranked lists"
)
ONLY_GZIP = "send the body as it is, or compressed with Content-Encoding: gzip; no other encoding is read"
ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
access = logging.getLogger("shortlist.access")
faults = logging.getLogger("shortlist.faults")


def required_scope(method: str, path: str, query: bytes = b"") -> str | None:
    """The scope a request needs; None where it is open to all."""
    if path in OPEN or path.startswith(("/page/", "/docs/", f"{TENANTS}/")):
        return None
    if path == "/metrics":
        return "metrics"
    if path == "/v1/events":
        return "events"
    if method == "POST" and path.startswith(DECISIONS):
        return "approve"
    if path.startswith("/v1/admin/") or path in {"/v1/why", "/v1/audience"} or path.endswith("/export"):
        return "admin"
    if method in {"PUT", "DELETE", "PATCH"}:
        return "admin"
    if query and any(
        name == "debug" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    ):
        return "admin"
    return "recommend"


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused."""

    status: int
    sentence: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class BodyError(Exception):
    """The body of a request cannot be taken. `late`: it did not arrive in time, so that nothing more is expected of it."""

    def __init__(self, refusal: Refusal, late: bool = False) -> None:
        super().__init__(refusal.sentence)
        self.refusal, self.late = refusal, late


class Guard:
    """ASGI layer around the application: keys, rates, sizes, ids, metrics, traces and the access log."""

    def __init__(
        self,
        app: App,
        keyring: Keyring,
        metrics: Metrics,
        settings: ServerSettings | None = None,
        tracer: Any = None,
    ) -> None:
        self.app, self.keyring, self.metrics, self.tracer = app, keyring, metrics, tracer
        self.settings = settings or ServerSettings()
        self.policy = OriginPolicy(self.settings.hosts, self.settings.origins)
        self.unfinished = Unfinished(self.settings.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self.unfinished)
        span = self.tracer.start_span(f"{scope['method']} {scope['path']}") if self.tracer else None
        key: Key | None = None
        try:
            refusal, key = self._check(scope, exchange.headers)
            if refusal is not None:
                await exchange.refuse(refusal)
            else:
                scope["key"] = key.name if key is not None else "anybody"
                scope["user_secret"] = None if key is None else key.user_secret
                exchange.limit = _largest_body(key)
                if b"content-encoding" in exchange.headers:
                    exchange.unpack()
                await self.app(scope, exchange.receive, exchange.send)
        except BodyError as error:
            await exchange.refuse(error.refusal)
        except Exception as error:  # noqa: BLE001 - the client gets a sentence, the log the place
            faults.error(
                "%s while answering %s",
                type(error).__name__,
                getattr(scope.get("route"), "path_format", "?"),
                exc_info=_without_values(error),
                extra={"facts": {"request_id": exchange.request_id.decode(), **_tenant(scope)}},
            )
            if not exchange.begun:
                await _answer(exchange.send, Refusal(500, UNFORESEEN))
        finally:
            self._record(exchange, key, span)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Refusal | None, Key | None]:
        """Whether a request is refused, and the key it came with."""
        refusal = self._origin_refusal(scope, headers) or self._body_refusal(scope, headers)
        if refusal is not None:
            return refusal, None
        wanted = required_scope(scope["method"], scope["path"], scope["query_string"])
        if wanted is None:
            return None, None
        if not self.keyring.locked:
            admin = scope["method"] == "POST" and scope["path"].startswith("/v1/admin/")
            if admin and not self.settings.admin_without_key:
                return Refusal(403, NO_ADMIN), None
            return None, None
        key = self._key(scope, headers)
        if key is None:
            sentence = "a key is needed: send Authorization: Bearer <key>; `shortlist keys add` makes one"
            return Refusal(401, sentence, ((b"www-authenticate", b"Bearer"),)), None
        return self._key_refusal(key, wanted, scope, headers), key

    def _body_refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
        """Refuse a body that is too large by its own account, or of another type than JSON."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return _too_large(MAX_BODY)
        changes = scope["method"] in {"POST", "PUT", "PATCH"}
        if changes or length != b"0" or b"transfer-encoding" in headers:
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind == b"text/plain" and self.keyring.locked and beacon_key(scope):
                _declare_json(scope)
            elif kind != b"application/json":
                return Refusal(415, "the body must be JSON, sent as Content-Type: application/json")
            if headers.get(b"content-encoding", b"").strip().lower() not in ENCODINGS:
                return Refusal(415, ONLY_GZIP, ((b"accept-encoding", b"gzip"),))
        return None

    def _key_refusal(
        self, key: Key, wanted: str, scope: Scope, headers: dict[bytes, bytes]
    ) -> Refusal | None:
        """Refuse what a key may not do, and what exceeds its limits."""
        if not key.allows(scope["method"], scope["path"], wanted):
            lacking = f"this key lacks a scope: the request needs {wanted}"
            return Refusal(403, ONLY_PUBLIC if key.public else lacking)
        fault = self.policy.change_fault(headers) if key.public else None  # reading requests, too
        if fault is not None:
            return Refusal(403, fault)
        if int(headers.get(b"content-length", b"0")) > _largest_body(key):
            return _too_large(_largest_body(key))
        if not key.take(time.monotonic()):
            sentence = f"more than {key.rate:g} requests a second with this key"
            return Refusal(429, sentence, ((b"retry-after", b"1"),))
        return None

    def _key(self, scope: Scope, headers: dict[bytes, bytes]) -> Key | None:
        """Find the key of a request. Only a public key may be in an address, because addresses are written to logs."""
        kind, _, secret = headers.get(b"authorization", b"").partition(b" ")
        if kind:
            return self.keyring.find(secret.strip().decode("latin-1")) if kind.lower() == b"bearer" else None
        key = self.keyring.find(beacon_key(scope))
        return key if key is not None and key.public else None

    def _origin_refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
        """Refuse a request to a foreign host name, and a change by a page of another origin."""
        fault = self.policy.host_fault(headers, self.keyring.locked)
        if fault is not None:
            return Refusal(421, fault)
        if scope["method"] not in SAFE:
            fault = self.policy.change_fault(headers)
            if fault is not None:
                return Refusal(403, fault)
        return None

    def _record(self, exchange: _Exchange, key: Key | None, span: Any) -> None:
        """Metrics, trace and access log of one request."""
        scope, status = exchange.scope, exchange.status
        seconds = time.perf_counter() - exchange.started
        path = getattr(scope.get("route"), "path_format", "other")
        metrics = self.metrics
        metrics.child(metrics.seconds, path, scope.get("placement", "")).observe(seconds)
        metrics.child(metrics.answers, path, status).inc()
        if path == "/v1/recommend":
            self.metrics.activity.answered(seconds, status)
        if span is not None:
            span.update_name(f"{scope['method']} {path}")
            span.set_attribute("http.response.status_code", status)
            for stage, took in scope.get("stage_times", {}).items():
                span.set_attribute(f"shortlist.{stage}_ms", took * 1000)
            span.end()
        if access.isEnabledFor(logging.INFO):
            facts = {
                "request_id": exchange.request_id.decode(),
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
                "key": key.name if key is not None else None,
                **_tenant(scope),
            }
            access.info("answered", extra={"facts": facts})


class _Exchange:
    """One request and its answer, as they pass through the guard."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, unfinished: Unfinished) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._unfinished, self._seconds = unfinished, 0.0
        self.started = time.perf_counter()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given if ID.fullmatch(given) else random_id().encode()
        self.status, self.begun = 500, False
        self.limit = MAX_BODY
        self._received, self._complete = 0, False
        self._broken: BodyError | None = None
        self._gzip: GzipBody | None = None

    def unpack(self) -> None:
        """Pass on what a body contains that is compressed, and no word of it: limits count the contents."""
        if self.headers[b"content-encoding"].strip().lower().endswith(b"gzip"):
            self._gzip = GzipBody()
        about = {b"content-encoding", b"content-length"}
        self.scope["headers"] = [header for header in self.scope["headers"] if header[0] not in about]

    async def receive(self) -> Message:
        """Pass on what the client sends, up to the largest body and the longest time."""
        if self._complete:
            return await self._receive()  # a client is only watched for leaving
        self._seconds = self._seconds or self._unfinished.limit()
        wait = self._unfinished.enter(self.started + self._seconds)
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not wait.ended:
                raise
            self._broken = _too_slow(self._seconds)
            raise self._broken from None
        finally:
            self._unfinished.leave(wait)
        self._complete = not message.get("more_body", False)
        if self._gzip is not None and message["type"] == "http.request":
            message = {**message, "body": self._contents(self._gzip, message.get("body", b""))}
        self._received += len(message.get("body", b""))
        if self._received > self.limit:
            self._broken = BodyError(_too_large(self.limit))
            raise self._broken
        return message

    def _contents(self, packed: GzipBody, part: bytes) -> bytes:
        """The contents of the next part of a compressed body, at most a byte more than allowed."""
        try:
            return packed.unpacked(part, self.limit + 1 - self._received, self._complete)
        except GzipFaultError:
            sentence = "the body is not gzip, as its header Content-Encoding says, or it broke off"
            self._broken = BodyError(Refusal(400, sentence))
            raise self._broken from None

    async def send(self, message: Message) -> None:
        """Pass on the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            if self._broken is not None and not self.begun:
                raise self._broken  # the application's answer to a body that broke off is not the right one
            self.status, self.begun = message["status"], True
            headers = [*message["headers"], *HEADERS, (b"x-request-id", self.request_id)]
            if self.scope["path"].startswith("/v1/"):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal, unless an answer has begun."""
        if self._broken is None or not self._broken.late:
            await self._drain()
        self._broken = None
        if not self.begun:
            await _answer(self.send, refusal)

    async def _drain(self) -> None:
        """Take in the rest of a refused body, within bounds: the client would otherwise see a broken connection."""
        received = 0
        seconds = min(DRAIN_SECONDS, self._unfinished.limit())
        wait = self._unfinished.enter(time.perf_counter() + seconds)
        try:
            while received < DRAIN and not self._complete:
                message = await self._receive()
                received += len(message.get("body", b""))
                self._complete = message["type"] != "http.request" or not message.get("more_body")
        except asyncio.CancelledError:
            if not wait.ended:
                raise
        finally:
            self._unfinished.leave(wait)


def _tenant(scope: Scope) -> dict[str, str]:
    """The name of the tenant of a request in the log, where the server has tenants."""
    return {"tenant": scope["tenant"]} if "tenant" in scope else {}


def beacon_key(scope: Scope) -> str:
    """Return the key in the address of a request that sends events; empty where there is none.

    `navigator.sendBeacon`, by which a page sends its last events while it is closed, can set no headers.
    """
    if scope["path"] != "/v1/events" or scope["method"] != "POST":
        return ""
    given = parse_qsl(scope["query_string"].decode("latin-1"))
    return next((value for name, value in given if name == "key"), "")


def _declare_json(scope: Scope) -> None:
    """Take a body of plain text as JSON: a browser sends other types to another origin only after a preflight."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]


def _largest_body(key: Key | None) -> int:
    return PUBLIC_BODY if key is not None and key.public else MAX_BODY


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"the body is larger than {limit:,} bytes")


def _too_slow(seconds: float) -> BodyError:
    sentence = f"the body did not arrive within {seconds:g} seconds"
    return BodyError(Refusal(408, sentence, ((b"connection", b"close"),)), late=True)


async def _answer(send: Send, refusal: Refusal) -> None:
    body = orjson.dumps({"error": refusal.sentence, "field": None})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class MessageWithheldError(Exception):
    """Stands in the log for an error of another type, which it names."""


def _without_values(error: BaseException) -> tuple[Any, Any, Any]:
    """Where an error happened, without its message: that can contain what a client sent."""
    return MessageWithheldError, MessageWithheldError(type(error).__name__), error.__traceback__

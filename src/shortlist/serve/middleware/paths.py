"""Ids in addresses: every id can be part of a path, whatever characters it has.

A server decodes a path before it is matched, so that an id that contains a slash, sent as %2F, would end up as two
parts of the path. This layer decodes the path as it came, part by part, and keeps the slashes and percent signs of
each part encoded; the path parameter `{item:id}` decodes them.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.convertors import Convertor, register_url_convertor

from shortlist.data.ids import id_fault
from shortlist.serve.middleware.asgi import App, Receive, Scope, Send


class IdConvertor(Convertor[str]):
    """The path parameter `{name:id}`: one id, with its slashes encoded or as they are."""

    regex = ".+"

    def convert(self, value: str) -> str:
        """Decode what `EncodedPaths` kept encoded."""
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        """Encode an id as a part of a path."""
        return encoded_part(value)


register_url_convertor("id", IdConvertor())


def encoded_part(text: str) -> str:
    """Encode the characters of a part of a path that would change how it is read."""
    return text.replace("%", "%25").replace("/", "%2F")


class EncodedPaths:
    """ASGI layer that keeps encoded slashes encoded until the route is found."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a path whose parts are those of the address."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%" in raw:
            parts = raw.split(b"?")[0].decode("ascii", "surrogateescape").split("/")
            decoded = (encoded_part(unquote(part, errors="surrogateescape")) for part in parts)
            scope = {**scope, "path": "/".join(decoded)}
        await self.app(scope, receive, send)


def _valid_id(value: str) -> str:
    fault = id_fault(value)
    if fault is not None:
        raise PydanticCustomError("id", "{fault}", {"fault": fault})
    return value


PathId = Annotated[str, AfterValidator(_valid_id)]
"""An id in an address."""
